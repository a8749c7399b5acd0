/** The event of a login: who, how, from where, and why not. */

import type { ClusterEvent } from "../audit/cluster-event.ts";
import type { LoginMethod } from "./browser-login-record.ts";

/** What there is to say of a login. */
export interface LoginFacts {
  /** The name that was given or proved; empty when nobody got that far. */
  readonly user: string;
  readonly method: LoginMethod;
  readonly mfa: "totp" | "webauthn" | null;
  /** null from the machine itself. */
  readonly address: string | null;
  /** Why not, without secrets; null for who is in. */
  readonly error: string | null;
}

/** Teleport's `user.login`. */
export function loginEvent({ user, method, mfa, address, error }: LoginFacts): ClusterEvent {
  const isLocal = method === "local";
  const done = error === null;
  return {
    event: "user.login",
    code: isLocal ? (done ? "T1000I" : "T1000W") : done ? "T1001I" : "T1001W",
    user: user.slice(0, 255),
    method: isLocal ? "local" : "oidc",
    mfa_device: mfa === null ? null : { mfa_device_type: mfa },
    "addr.remote": address,
    success: done,
    error,
    attributes: isLocal ? null : { connector: method.connector },
  };
}
