/** What our certificates say of whom they name: private extensions with JSON in them. */

import { Buffer, isUtf8 } from "node:buffer";
import * as z from "zod";
import type { AuthorityKind } from "./authority.ts";

/** Which of a cluster's services a host runs. */
export type HostRole = "auth" | "proxy" | "db";

/** Of a user. */
export interface UserClaims {
  readonly cluster: string;
  /** Milliseconds since the epoch: when it was issued. The certificate itself counts in seconds, and a reset need not wait for one. */
  readonly issued: number;
  readonly mfa_verified: boolean;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
}

/** Of a host. */
export interface HostClaims {
  readonly cluster: string;
  readonly role: HostRole;
}

/** Below a number that nobody has: these never leave clusters of Postern. The kind is in the number. */
export const CLAIMS_OID: Readonly<Record<AuthorityKind, string>> = {
  user: "1.3.6.1.4.1.99999.1.1",
  host: "1.3.6.1.4.1.99999.1.2",
};

/** Longest claims, in bytes: TLS stacks refuse certificates of more than 100 KB. */
export const MAX_CLAIMS_BYTES = 16_384;

/** The bytes of claims. */
export function writeClaims(claims: UserClaims | HostClaims): Buffer<ArrayBuffer> {
  return Buffer.from(textOf(claims));
}

/** Reads a user's claims; undefined unless they are exactly what `writeClaims()` writes. */
export function readUserClaims(bytes: Uint8Array): UserClaims | undefined {
  return read(USER, bytes);
}

/** Reads a host's claims; undefined unless they are exactly what `writeClaims()` writes. */
export function readHostClaims(bytes: Uint8Array): HostClaims | undefined {
  return read(HOST, bytes);
}

const USER: z.ZodType<UserClaims> = z.strictObject({
  cluster: z.string(),
  issued: z.number().int(),
  mfa_verified: z.boolean(),
  roles: z.array(z.string()),
  traits: z.record(z.string(), z.array(z.string())),
});

const HOST: z.ZodType<HostClaims> = z.strictObject({ cluster: z.string(), role: z.enum(["auth", "proxy", "db"]) });

/** Names in order, so that the same claims have one spelling. */
function textOf(claims: UserClaims | HostClaims): string {
  return JSON.stringify(claims, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function read<T extends UserClaims | HostClaims>(schema: z.ZodType<T>, bytes: Uint8Array): T | undefined {
  if (bytes.length > MAX_CLAIMS_BYTES || !isUtf8(bytes)) return undefined;
  const text = Buffer.from(bytes).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = schema.safeParse(value);
  // One spelling only: no key twice, nothing that another reader might read differently.
  return data !== undefined && textOf(data) === text ? data : undefined;
}
