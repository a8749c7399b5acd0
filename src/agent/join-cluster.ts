/** How a service joins a cluster and stays in it: what it asks the door, and what must be true of the answer. */

import { generateKeyPairSync, X509Certificate } from "node:crypto";
import * as z from "zod";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { askDoor, type DoorQuestion } from "../client/ask-door.ts";
import { authorityByPin, type ProxyAddress, type TlsHints, type TlsOptions, type Trusting } from "../client/tls.ts";
import { pinOf } from "../identity/authority.ts";
import { CLOCK_SKEW_MS } from "../identity/authority-keys.ts";
import { readOwnHostCertificate, trustOf, verifyHostCertificate } from "../identity/certificate-reader.ts";
import { challengeFor, type SignedIdentityRequest } from "../identity/iam-join.ts";
import { quoted } from "../identity/names.ts";
import { readPublicKey } from "../identity/public-key.ts";
import type { HostIdentity } from "./host-identity.ts";

/** Where to join, and how. */
export interface JoinClientOptions {
  readonly proxy: ProxyAddress;
  /** By which the cluster's authority is known on first contact; none: whom the system trusts is believed. */
  readonly pins: readonly string[];
  readonly nodeName: string;
  readonly clock: Clock;
  /** The token, read anew each time: somebody may have put another one there. @throws PosternError */
  readonly token: () => Secret;
  /** For the method `iam`: signs a challenge, which says for which key, with this process's AWS identity. */
  readonly proveIdentity?: ((challenge: string) => Promise<SignedIdentityRequest>) | undefined;
  /** Hears how far this machine's clock is ahead of the door's, in milliseconds, whenever the door has answered. */
  readonly onSkew?: (ahead: number) => void;
}

/**
 * Joins. Who is a member already shows that, and stays the same host where it proves an identity.
 *
 * @throws PosternError `pin_wrong`, `proxy_…`, `clock_skew`, `join_refused`, and what else the door says
 */
export async function joinCluster(options: JoinClientOptions, member: HostIdentity | undefined): Promise<HostIdentity> {
  const { proxy, pins, clock, nodeName, token, proveIdentity } = options;
  const trusting = member === undefined ? await firstTrust(proxy, pins, clock) : trustingOf(member);
  const first = { proxy, trusting, clock, hints: AGENT_HINTS, ...membership(member) };
  // By its name it can be told that it is a door, before it gets to see a secret.
  const { cluster } = await ask(options, first, AUTHORITIES, { method: "GET", path: "/v1/authorities" });
  const tls = { ...first, cluster: member?.stated.cluster ?? cluster };
  const name = token();
  const { publicKey, privateKey } = newKey();
  const proof = proveIdentity === undefined ? {} : await proved(options, tls, proveIdentity, publicKey);
  const body = { token: name.reveal(), role: "Db", node_name: nodeName, public_key: publicKey, ...proof };
  const answer = await ask(options, tls, JOINED, { method: "POST", path: "/v1/join", body });
  return await accepted({ options, answer, trusting, publicKey, privateKey, cluster: tls.cluster });
}

/** Gets the next certificate for the one that still holds. @throws PosternError as `joinCluster()`, and `certificate_…`, `host_…` */
export async function renewIdentity(options: JoinClientOptions, member: HostIdentity): Promise<HostIdentity> {
  const trusting = trustingOf(member);
  const { publicKey, privateKey } = newKey();
  const tls = asMember(options.proxy, member, options.clock);
  const question = { method: "POST", path: "/v1/host/renew", body: { public_key: publicKey } } as const;
  const answer = await ask(options, tls, JOINED, question);
  return await accepted({
    options,
    answer,
    trusting,
    publicKey,
    privateKey,
    cluster: member.stated.cluster,
    hostId: member.stated.hostId,
  });
}

/** Whether the cluster's authorities are no longer those that a member knows. @throws PosternError */
export async function haveAuthoritiesChanged(options: JoinClientOptions, member: HostIdentity): Promise<boolean> {
  const tls = asMember(options.proxy, member, options.clock);
  const { trusted } = await ask(options, tls, AUTHORITIES, { method: "GET", path: "/v1/authorities" });
  const told = [...trusted.host, "", ...trusted.user].map((one) => (one === "" ? "" : pinOf(one)));
  const known = [...member.trusted.host, "", ...member.trusted.user].map((one) => (one === "" ? "" : pinOf(one)));
  return told.join() !== known.join();
}

/** How a member calls the door of its cluster. */
export function asMember(proxy: ProxyAddress, member: HostIdentity, clock: Clock): TlsOptions {
  return { proxy, trusting: trustingOf(member), clock, hints: AGENT_HINTS, ...membership(member) };
}

function firstTrust(proxy: ProxyAddress, pins: readonly string[], clock: Clock): Promise<Trusting> | Trusting {
  if (pins.length === 0) return { by: "system" };
  return authorityByPin({ proxy, clock, hints: AGENT_HINTS }, pins).then((found) => ({
    by: "cluster",
    certificates: [found],
  }));
}

function trustingOf({ door, trusted }: HostIdentity): Trusting {
  return door === "system" ? { by: "system" } : { by: "cluster", certificates: trusted.host };
}

function membership(member: HostIdentity | undefined): Pick<TlsOptions, "identity" | "cluster"> {
  return member === undefined ? {} : { identity: member, cluster: member.stated.cluster };
}

async function proved(
  options: JoinClientOptions,
  tls: TlsOptions,
  prove: NonNullable<JoinClientOptions["proveIdentity"]>,
  publicKey: string,
): Promise<object> {
  const question = { method: "POST", path: "/v1/join/challenge" } as const;
  const { challenge } = await ask(options, tls, CHALLENGE, question);
  return { challenge, identity: await prove(challengeFor(challenge, readPublicKey(publicKey))) };
}

/** Asks; where time may be why it went wrong, the error says how far the clocks are apart. */
async function ask<T>(
  { clock, onSkew }: JoinClientOptions,
  tls: TlsOptions,
  schema: z.ZodType<T>,
  question: DoorQuestion,
): Promise<T> {
  let ahead = 0;
  const onTime = (time: number): void => {
    ahead = clock.now() - time;
    onSkew?.(ahead);
  };
  try {
    return await askDoor(tls, schema, { ...question, onTime });
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    if (error.code === "clock_skew" && ahead === 0) await hearTime(tls, onTime);
    if (Math.abs(ahead) <= CLOCK_SKEW_MS) throw error;
    throw new PosternError(error.code, error.message, { cause: error, hint: `${skewText(ahead)}: set it right` });
  }
}

/** Asks whoever answers what time it is there: to say it to a person, and for nothing else. */
async function hearTime(tls: TlsOptions, onTime: (time: number) => void): Promise<void> {
  const { proxy, clock, hints } = tls;
  const question = { method: "GET", path: "/v1/authorities", onTime } as const;
  await askDoor({ proxy, clock, hints, trusting: { by: "nobody" } }, z.unknown(), question).catch(() => undefined);
}

/** How far a clock is off, as a sentence. */
export function skewText(ahead: number): string {
  const seconds = Math.round(Math.abs(ahead) / 1000);
  return `this machine's clock is ${seconds} s ${ahead > 0 ? "ahead of" : "behind"} the proxy's`;
}

interface Answered {
  readonly options: JoinClientOptions;
  readonly answer: z.infer<typeof JOINED>;
  readonly trusting: Trusting;
  readonly publicKey: string;
  readonly privateKey: Secret;
  /** Of which it must be, and for which host, where that is known. */
  readonly cluster: string;
  readonly hostId?: string;
}

/** What was asked for, and for nobody and nothing else. */
async function accepted(answered: Answered): Promise<HostIdentity> {
  const { options, answer, trusting, publicKey, privateKey, cluster, hostId = answer.host_id } = answered;
  const { proxy, clock } = options;
  const { certificate, trusted, renewable } = answer;
  const stated = await readOwnHostCertificate(certificate).catch((cause: unknown) => {
    throw notFitting(proxy, "its certificate cannot be read", cause);
  });
  if (stated.publicKey.export({ type: "spki", format: "pem" }) !== publicKey)
    throw notFitting(proxy, "its certificate is for another key");
  if (stated.role !== "db") throw notFitting(proxy, `its certificate is for role ${stated.role}, and db asked for one`);
  if (stated.hostId !== hostId) throw notFitting(proxy, `its certificate is for ${quoted(stated.hostId)}`);
  const other = [stated.cluster, answer.cluster].find((one) => one !== cluster);
  if (other !== undefined) throw notFitting(proxy, `it speaks of cluster ${quoted(other)}, and is ${quoted(cluster)}`);
  requireAuthorities(proxy, trusted, trusting);
  await requireSigned(proxy, { certificate, cluster, authorities: trusted.host, clock });
  return {
    stated,
    certificate,
    privateKey,
    trusted,
    door: trusting.by === "system" ? "system" : "cluster",
    renewable,
  };
}

function requireAuthorities(
  proxy: ProxyAddress,
  trusted: { readonly host: readonly string[]; readonly user: readonly string[] },
  trusting: Trusting,
): void {
  let pins: string[];
  try {
    for (const pem of [...trusted.host, ...trusted.user]) {
      const certificate = new X509Certificate(pem);
      if (!certificate.ca || !certificate.verify(certificate.publicKey)) throw new Error("it is no authority");
    }
    pins = trusted.host.map(pinOf);
  } catch (cause) {
    throw notFitting(proxy, "what it says whom to trust cannot be used", cause);
  }
  if (trusting.by === "cluster" && !trusting.certificates.some((pem) => pins.includes(pinOf(pem))))
    throw notFitting(proxy, "it would have others trusted than those who vouch for it");
}

async function requireSigned(
  proxy: ProxyAddress,
  issued: {
    readonly certificate: string;
    readonly cluster: string;
    readonly authorities: readonly string[];
    readonly clock: Clock;
  },
): Promise<void> {
  const { certificate, cluster, authorities: host, clock } = issued;
  try {
    await verifyHostCertificate(certificate, { trust: trustOf(cluster, { host }), clock, isRevoked: () => false });
  } catch (cause) {
    const code = cause instanceof PosternError ? cause.code : "";
    const reason = messageOf(cause).replace("Cannot accept the certificate: ", "");
    if (code !== "certificate_not_yet_valid" && code !== "certificate_expired") throw notFitting(proxy, reason, cause);
    throw new PosternError("clock_skew", `Cannot use the certificate that ${proxy.text} has just issued: ${reason}`, {
      cause,
      hint: "set the clocks of this machine and of the cluster right",
    });
  }
}

/** The private key never leaves this machine. */
function newKey(): { readonly publicKey: string; readonly privateKey: Secret } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { publicKey, privateKey: new Secret(privateKey) };
}

function notFitting(proxy: ProxyAddress, reason: string, cause?: unknown): PosternError {
  return new PosternError("join_answer_refused", `Cannot use the answer of ${proxy.text}: ${reason}`, {
    cause,
    hint: "ask the cluster's administrator what answers at this address",
  });
}

/** What whoever runs an agent can do. */
const AGENT_HINTS: TlsHints = {
  unknown: "set postern.ca_pin to the pin that postern ctl status shows on the auth service's machine",
  changed: () =>
    "somebody may be listening in; if the cluster was made anew, or changed its authorities while this agent was away: remove identity/db.json in data_dir, set postern.ca_pin, and join with a new token",
  unreachable: "check postern.proxy_server, and that the cluster runs there",
};

const AUTHORITY = z.object({ certificate: z.string().max(16_384) }).transform(({ certificate }) => certificate);
const TRUSTED = z.object({ host: z.array(AUTHORITY).min(1).max(2), user: z.array(AUTHORITY).min(1).max(2) });

// Loose where a later version may say more; what is used is what is named here.
const AUTHORITIES = z.object({ cluster: z.string().min(1).max(255), trusted: TRUSTED });
const CHALLENGE = z.object({ challenge: z.string().min(1).max(1000) });
const JOINED = z.object({
  host_id: z.string().max(255),
  certificate: z.string().max(100_000),
  renewable: z.boolean(),
  cluster: z.string().min(1).max(255),
  trusted: TRUSTED,
});
