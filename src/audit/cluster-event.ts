/** What callers hand to the recorder of a cluster's administration and logins: one type for each of these events. */

import type { LockTarget } from "../identity/lock.ts";
import type { CodeOf } from "./events.ts";
import type { CLUSTER_EVENTS } from "./cluster-events.ts";

/** What somebody did, or wanted to do, to the cluster's resources. Members stand in the order of the table. */
export type ResourceEvent =
  | Act<"user.create" | "user.update", ActUpon & { roles: readonly string[] }>
  | Act<
      | "user.delete"
      | "role.created"
      | "role.updated"
      | "role.deleted"
      | "oidc.created"
      | "oidc.deleted"
      | "lock.deleted"
      | "db.create"
      | "db.update"
      | "db.delete"
      | "postern.join_token.deleted",
      ActUpon
    >
  | Act<"join_token.create", ActUpon & { roles: readonly string[]; join_method: string; expires: string | null }>
  | Act<"lock.created", ActUpon & { target: LockTarget; expires: string | null }>
  | Act<"postern.control.denied" | "postern.control.refused", ActUpon & { verb: string; kind: string; reason: string }>;

/** Any event of a cluster. Times are RFC 3339. */
export type ClusterEvent =
  | ResourceEvent
  | Act<
      "user.login",
      {
        user: string;
        method: "local" | "oidc";
        mfa_device: MfaDevice | null;
        "addr.remote": string | null;
        success: boolean;
        error: string | null;
        attributes: Readonly<Record<string, string>> | null;
      }
    >
  | Act<"postern.user.unlocked", ActUpon>
  | Act<"user.password_change", { user: string; "addr.remote": string | null }>
  | Act<"mfa.add", { user: string; mfa_device: MfaDevice }>
  | Act<"mfa.delete", ActUpon & { mfa_device: MfaDevice }>
  | Act<"reset_password_token.create", ActUpon & { ttl: string; expires: string }>
  | Act<"postern.link.refused", { user: string; "addr.remote": string | null; reason: string }>
  | Act<"bot.join", { user: string } & JoinFacts>
  | Act<"instance.join", JoinFacts>
  | Act<"cert.create", { user: string; cert_type: "user" | "host"; identity: CertifiedIdentity }>
  | Act<
      "postern.cert.refused",
      { cert_type: "user" | "host"; identity: CertifiedIdentity | null; "addr.remote": string | null; reason: string }
    >
  | Act<"postern.user.locked_out", { user: string; "addr.remote": string | null; locked_until: string }>
  | Act<"postern.authority.rotated", { user: string; authority: "host" | "user"; phase: string; pin: string }>
  | Act<"postern.sealing.rotated", { user: string; key_id: string }>
  | Act<
      "postern.store.backup" | "postern.store.restored",
      { user: string; store: string; counts: Readonly<Record<string, number>> }
    >
  | Act<"postern.store.migrated", { store: string; from_version: number; to_version: number }>
  | Act<"postern.store.tampered", { store: string; resource: string }>;

/** Who did it, where it was asked for and from where, and to whom or what. */
interface ActUpon {
  readonly user: string;
  readonly service: string;
  readonly "addr.remote": string | null;
  readonly name: string;
}

interface MfaDevice {
  readonly mfa_device_type: "totp" | "webauthn";
}

interface JoinFacts {
  /** As `maskedName()` shows it. */
  readonly token_name: string;
  readonly method: string;
  readonly role: string;
  readonly host_id: string | null;
  readonly node_name: string;
  readonly attributes: Readonly<Record<string, string>> | null;
  readonly "addr.remote": string | null;
  readonly success: boolean;
  readonly error: string | null;
}

interface CertifiedIdentity {
  readonly name: string;
  readonly roles: readonly string[];
  readonly serial: string;
  readonly expires: string;
  /** Of one that is for a database only. */
  readonly route?: { readonly database: string; readonly db_user: string };
}

type Act<E extends keyof typeof CLUSTER_EVENTS, F> = E extends unknown
  ? { readonly event: E; readonly code: CodeOf<E> } & Readonly<F>
  : never;
