/** What our certificates say of whom they name: private extensions with JSON in them. */

import { Buffer, isUtf8 } from "node:buffer";
import * as z from "zod";
import type { AuthorityKind } from "./authority.ts";
import type { HostDatabases } from "./host-databases.ts";

/** Which of a cluster's services a host runs. */
export type HostRole = "auth" | "proxy" | "db";

/** Of a user. */
export interface UserClaims {
  readonly cluster: string;
  readonly mfa_verified: boolean;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** In a certificate that is for one database only. */
  readonly route?: Route | undefined;
}

/** The one database for which a certificate counts, and as whom. */
export interface Route {
  readonly database: string;
  /** The AWS role as the user asked for it: a name, a path or an ARN. Whether the user may be it is asked with every operation. */
  readonly db_user: string;
}

/** Of a host. */
export interface HostClaims {
  readonly cluster: string;
  readonly role: HostRole;
  /** Of a database service that may serve these only. */
  readonly databases?: HostDatabases;
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
  mfa_verified: z.boolean(),
  roles: z.array(z.string()),
  traits: z.record(z.string(), z.array(z.string())),
  route: z.strictObject({ database: z.string(), db_user: z.string() }).optional(),
});

const CLUSTER = z.string();

// Strict: who does not know of a limit must not take it for none.
const HOST: z.ZodType<HostClaims> = z.union([
  z.strictObject({ cluster: CLUSTER, role: z.literal("db"), databases: z.array(z.string()).optional() }),
  z.strictObject({ cluster: CLUSTER, role: z.enum(["auth", "proxy"]) }),
]);

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
