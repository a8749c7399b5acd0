/** What a login gave somebody, and what is left of it now. */

import type { Directory } from "./directory.ts";
import { lockMessage } from "./lock.ts";
import { quoted } from "./names.ts";
import { BOT_TRAIT, type Principal } from "./principal.ts";
import type { Role } from "./role.ts";

/** A login, as the certificate that it gave says it. */
export interface Session {
  readonly user: string;
  /** The roles and traits that the user had at the login. */
  readonly roles: readonly string[];
  readonly traits: Principal["traits"];
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
 * Who a user is now by a login. Its roles are those of the login that the user still has: what was given later needs a new login,
 * and at once where it denies; what was taken away is gone at once. Traits are those of now, and what the login was.
 *
 * @returns frozen; `denying` names a role that was given after the login and denies something
 */
export function standingOf(
  { roles, traits, mfaVerified }: Pick<Principal, "roles" | "traits" | "mfaVerified">,
  known: Principal,
  directory: Pick<Directory, "role">,
): Principal | { readonly denying: string } {
  // What a role denies holds at once, and cannot be had without what it allows.
  const denying = known.roles.find((role) => !roles.includes(role) && denies(directory.role(role)));
  if (denying !== undefined) return { denying };
  const kept = Object.freeze(known.roles.filter((role) => roles.includes(role)));
  const bot = traits[BOT_TRAIT];
  const now =
    bot === undefined ? known.traits : Object.freeze({ ...known.traits, [BOT_TRAIT]: Object.freeze([...bot]) });
  return Object.freeze({ ...known, roles: kept, traits: now, mfaVerified });
}

/**
 * Who the user of a session is now, by `standingOf`.
 *
 * Frozen, as a directory's principals are.
 *
 * @param voided when what had been given to somebody of this name was voided, in milliseconds since the epoch
 */
export function principalOfSession(
  session: Session,
  { directory, voided, now }: { directory: Directory; voided: number | undefined; now: number },
): Principal | SessionEnd {
  const { user, issued, expires } = session;
  if (now >= expires)
    return { ended: "session_expired", message: `The login of ${quoted(user)} ended at ${iso(expires)}` };
  const known = directory.principalOf(user);
  if (known === undefined) return { ended: "user_unknown", message: `There is no user ${quoted(user)} any more` };
  const lock = directory.lockOf(user);
  if (lock !== undefined) return { ended: "locked", message: `The user ${quoted(user)} is locked${lockMessage(lock)}` };
  // Certificates say when they were issued to a second, and not before.
  if (voided !== undefined && voided >= issued)
    return { ended: "login_outdated", message: `The login of ${quoted(user)} was voided since` };
  const standing = standingOf(session, known, directory);
  if (!("denying" in standing)) return standing;
  const message = `Role ${quoted(standing.denying)}, which denies something, was given to ${quoted(user)} after the login`;
  return { ended: "login_outdated", message };
}

/** Whether a role takes something from whoever holds it. */
export function denies(role: Role | undefined): boolean {
  return Object.values(role?.deny ?? {}).some((part) => Object.keys(part as object).length > 0);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
