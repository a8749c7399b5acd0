/** A certificate authority of a cluster as it is stored, and how it passes from one key to the next. */

import { createHash, X509Certificate } from "node:crypto";
import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import { nameFault, quoted } from "./names.ts";
import type { SealingContext } from "./sealing.ts";

/** Who is vouched for: the cluster's own processes, or people and bots. Neither may stand for the other. */
export type AuthorityKind = "host" | "user";

/**
 * Where a change of keys stands. `standby`: one key. `init`: the new one is trusted as well. `update_clients`,
 * `update_servers`: the new one issues and the old one is still trusted; first those who call get new certificates, then
 * those who answer. `rollback`: the old one issues again and the new one is still trusted.
 */
export type RotationPhase = "standby" | "init" | "update_clients" | "update_servers" | "rollback";

/** A key of an authority. */
export interface AuthorityKey {
  /** PEM, signed with the key itself. */
  readonly certificate: string;
  /** The private key, sealed for this certificate. */
  readonly sealedKey: string;
}

/** What the store holds of an authority; JSON. */
export interface Authority {
  readonly version: 1;
  readonly kind: AuthorityKind;
  readonly cluster: string;
  readonly phase: RotationPhase;
  /** Issues. */
  readonly active: AuthorityKey;
  /** Trusted as well, in every phase but `standby`. */
  readonly other?: AuthorityKey | undefined;
  /** When the rotation began, in milliseconds since the epoch; in every phase but `standby`. */
  readonly started?: number | undefined;
  /** When its present phase began; in every phase but `standby`. */
  readonly entered?: number | undefined;
  /** How long the rotation is to take in all, in milliseconds; absent: somebody takes each step by hand. */
  readonly grace?: number | undefined;
  /** When the last rotation was completed; absent: never. */
  readonly rotated?: number | undefined;
}

/** Which phase may follow which. */
const NEXT: Readonly<Record<RotationPhase, readonly RotationPhase[]>> = {
  standby: ["init"],
  init: ["update_clients", "rollback"],
  update_clients: ["update_servers", "rollback"],
  update_servers: ["standby", "rollback"],
  rollback: ["standby"],
};

const FORWARD = {
  init: "update_clients",
  update_clients: "update_servers",
  update_servers: "standby",
  rollback: "standby",
} as const;

/** An authority with its first key. */
export function newAuthority(kind: AuthorityKind, cluster: string, key: AuthorityKey): Authority {
  return { version: 1, kind, cluster, phase: "standby", active: key };
}

/**
 * Begins a rotation: from now on the new key is trusted as well. With a grace period it goes on by itself, a third of it in
 * each phase.
 *
 * @throws PosternError `rotation_invalid` when one is under way, or the key is the one in use
 */
export function startRotation(authority: Authority, fresh: AuthorityKey, now: number, grace?: number): Authority {
  requireNext(authority, "init");
  if (pinOf(fresh.certificate) === pinOf(authority.active.certificate)) {
    throw rotationInvalid(authority, "init", "the new key is the one in use", "make a new key");
  }
  const timing = { started: now, entered: now, ...(grace === undefined ? {} : { grace }) };
  return { ...authority, phase: "init", other: fresh, ...timing };
}

/**
 * Takes a rotation to its next phase, or back.
 *
 * @throws PosternError `rotation_invalid` when that phase cannot follow
 */
export function advanceRotation(authority: Authority, phase: Exclude<RotationPhase, "init">, now: number): Authority {
  requireNext(authority, phase);
  const { active, other } = authority;
  if (other === undefined) throw rotationInvalid(authority, phase, "there is no other key", "restore the authority");
  const kept = { ...authority, phase, entered: now };
  const swapped = { ...kept, active: other, other: active };
  switch (phase) {
    case "update_clients":
      return swapped;
    case "update_servers":
      return kept;
    case "rollback":
      // In init the old key has never stopped to issue.
      return authority.phase === "init" ? kept : swapped;
    case "standby":
      return withoutOther(authority, authority.phase === "rollback" ? authority.rotated : now);
  }
}

/** What a rotation that goes on by itself does next, and when (milliseconds since the epoch); undefined when nothing. */
export function nextStep(
  authority: Authority,
): { readonly phase: Exclude<RotationPhase, "init" | "rollback">; readonly at: number } | undefined {
  const { phase, grace, entered, started } = authority;
  if (grace === undefined || phase === "standby") return undefined;
  // From when the phase really began: who was switched off for long has not told anybody meanwhile.
  const at = (entered ?? started ?? 0) + grace / 3;
  return { phase: FORWARD[phase], at };
}

/** The same rotation, with each further step taken by hand. */
export function byHand({ grace: _, ...authority }: Authority): Authority {
  return authority;
}

/**
 * The authority as it vouches for those who answer calls. While callers are given new certificates, and with them the new
 * key, these still show what the old one signed: everybody knows that.
 */
export function forHosts(authority: Authority): Authority {
  const { phase, active, other } = authority;
  return phase === "update_clients" && other !== undefined ? { ...authority, active: other, other: active } : authority;
}

/** The certificates to trust now, the one that issues first. */
export function trustedCertificates(authority: Authority): readonly string[] {
  return keysOf(authority).map(({ certificate }) => certificate);
}

/** `sha256:` and the digest of a certificate's public key, by which a new node knows the cluster. */
export function pinOf(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
}

/** The pins of all that is trusted now. */
export function pinsOf(authority: Authority): readonly string[] {
  return trustedCertificates(authority).map(pinOf);
}

/** Where a private key belongs: to its certificate, so that no other can be put above it. */
export function sealingContextOf(kind: AuthorityKind, cluster: string, certificate: string): SealingContext {
  return { kind: "authority", name: `${cluster}/${kind}`, purpose: `private key of ${pinOf(certificate)}` };
}

/**
 * Reads an authority out of the store.
 *
 * @throws PosternError `authority_invalid`
 */
export function parseAuthority(value: unknown): Authority {
  const result = SCHEMA.safeParse(value);
  const issue = result.success ? undefined : result.error.issues[0];
  if (result.data === undefined) throw authorityInvalid(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  const authority = result.data;
  const fault = nameFault(authority.cluster);
  if (fault !== undefined) throw authorityInvalid(`cluster: ${fault}`);
  const rotating = authority.phase !== "standby";
  if (rotating !== (authority.other !== undefined) || rotating !== (authority.started !== undefined)) {
    throw authorityInvalid(`phase ${authority.phase} does not fit its keys`);
  }
  for (const { certificate } of keysOf(authority)) requireAuthorityCertificate(certificate);
  return authority;
}

const KEY = z.strictObject({ certificate: z.string().max(8192), sealedKey: z.string().max(8192) });
const MOMENT = z.number().int().nonnegative();

const SCHEMA: z.ZodType<Authority> = z.strictObject({
  version: z.literal(1),
  kind: z.enum(["host", "user"]),
  cluster: z.string(),
  phase: z.enum(["standby", "init", "update_clients", "update_servers", "rollback"]),
  active: KEY,
  other: KEY.optional(),
  started: MOMENT.optional(),
  entered: MOMENT.optional(),
  grace: MOMENT.optional(),
  rotated: MOMENT.optional(),
});

function requireAuthorityCertificate(pem: string): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw authorityInvalid("a certificate cannot be read");
  }
  if (!certificate.ca || !certificate.verify(certificate.publicKey)) {
    throw authorityInvalid("a certificate is not that of an authority");
  }
}

function keysOf({ active, other }: Authority): readonly AuthorityKey[] {
  return other === undefined ? [active] : [active, other];
}

function withoutOther({ kind, cluster, active }: Authority, rotated: number | undefined): Authority {
  const standby = newAuthority(kind, cluster, active);
  return rotated === undefined ? standby : { ...standby, rotated };
}

function requireNext(authority: Authority, phase: RotationPhase): void {
  const next = NEXT[authority.phase];
  if (next.includes(phase)) return;
  const hint = `${authority.phase} can be followed by ${next.join(" and ")}`;
  throw rotationInvalid(authority, phase, `it is in phase ${authority.phase}`, hint);
}

function rotationInvalid(authority: Authority, phase: RotationPhase, reason: string, hint: string): PosternError {
  const message = `Cannot take the ${authority.kind} authority of ${quoted(authority.cluster)} to ${phase}: ${reason}`;
  return new PosternError("rotation_invalid", message, { hint });
}

function authorityInvalid(reason: string): PosternError {
  return new PosternError("authority_invalid", `Cannot use a stored authority: ${reason}`, {
    hint: "restore it from a backup",
  });
}
