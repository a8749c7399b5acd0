/** What a login gave somebody, and what is left of it now. */

import type { Directory } from "./directory.ts";
import { lockMessage } from "./lock.ts";
import { quoted } from "./names.ts";
import type { Principal } from "./principal.ts";
import type { Role } from "./role.ts";

/** A login, as the certificate that it gave says it. */
export interface Session {
  readonly user: string;
  /** The roles that the user had at the login. */
  readonly roles: readonly string[];
  readonly mfaVerified: boolean;
  /** Milliseconds since the epoch. */
  readonly issued: number;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Why a session counts no more. */
export interface SessionEnd {
  readonly ended: "session_expired" | "user_unknown" | "locked" | "login_outdated";
  /** With the name of the user, in sentence case without a full stop. */
  readonly message: string;
}

/**
 * Who the user of a session is now. Its roles are those of the login that the user still has: what was given later needs a new
 * login, and at once where it denies; what was taken away is gone at once.
 *
 * Frozen, as a directory's principals are.
 *
 * @param voided when what had been given to somebody of this name was voided, in milliseconds since the epoch
 */
export function principalOfSession(
  session: Session,
  { directory, voided, now }: { directory: Directory; voided: number | undefined; now: number },
): Principal | SessionEnd {
  const { user, roles, mfaVerified, issued, expires } = session;
  if (now >= expires)
    return { ended: "session_expired", message: `The login of ${quoted(user)} ended at ${iso(expires)}` };
  const known = directory.principalOf(user);
  if (known === undefined) return { ended: "user_unknown", message: `There is no user ${quoted(user)} any more` };
  const lock = directory.lockOf(user);
  if (lock !== undefined) return { ended: "locked", message: `The user ${quoted(user)} is locked${lockMessage(lock)}` };
  // Certificates say when they were issued to a second, and not before.
  if (voided !== undefined && voided >= issued)
    return { ended: "login_outdated", message: `The login of ${quoted(user)} was voided since` };
  const later = known.roles.find((role) => !roles.includes(role) && denies(directory.role(role)));
  if (later !== undefined) {
    const message = `Role ${quoted(later)}, which denies something, was given to ${quoted(user)} after the login`;
    return { ended: "login_outdated", message };
  }
  const kept = Object.freeze(known.roles.filter((role) => roles.includes(role)));
  return Object.freeze({ ...known, roles: kept, mfaVerified });
}

function denies(role: Role | undefined): boolean {
  return Object.values(role?.deny ?? {}).some((part) => Object.keys(part as object).length > 0);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
