/** Who asks, for which database, as which AWS role: for a fixed listener its configuration says so, the client nothing. */

import { roleArn } from "../aws/arn.ts";
import type { Database } from "../aws/database.ts";
import { PosternError } from "../base/errors.ts";
import { lockMessage } from "../identity/lock.ts";
import type { Principal } from "../identity/principal.ts";
import { principalOfSession, type Session, type SessionEnd } from "../identity/session.ts";
import { type CallerFacts, callerFacts } from "./facts.ts";
import type { FixedListener } from "./listener.ts";
import { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";
import type { GatewayState } from "./state.ts";

/** A caller whose identity is settled, not yet what they may do. */
export interface Caller {
  readonly principal: Principal;
  readonly database: Database;
  /** The chosen AWS role, as a full ARN of the database's account. */
  readonly awsRoleArn: string;
  /** What policy is told of it, frozen: the same objects in every question of this caller. */
  readonly facts: CallerFacts;
}

/**
 * Settles the caller of a listener in the given state.
 *
 * @param now milliseconds since the epoch
 * @throws Refusal `user_unknown`, `database_unknown`, `locked` or `db_user_invalid`; of a session also `session_expired` and
 * `login_outdated`
 */
export function authenticate(listener: FixedListener, state: GatewayState, now: number): Caller {
  const { session } = listener;
  const { directory } = state;
  const known = callers.get(state)?.get(listener);
  // What time alone may end is asked every time; all else of a caller is the state's.
  const lock = directory.lockOf(session?.user ?? listener.user);
  if (known !== undefined && lock === undefined && (session === undefined || now < session.expires)) return known;
  if (session === undefined && lock !== undefined)
    throw denied("locked", `The user "${listener.user}" is locked${lockMessage(lock)}`);
  const caller = callerOf(listener, state, now);
  const ofState = callers.get(state) ?? new WeakMap<FixedListener, Caller>();
  callers.set(state, ofState.set(listener, caller));
  return caller;
}

/** What somebody may do is not known for ever: a lock may have been set that did not come through. @throws Refusal */
export function requireCluster({ lostFor }: Pick<GatewayServices, "lostFor">): void {
  const lost = lostFor?.();
  if (lost === undefined) return;
  const message = `This database service has not heard of its cluster for ${Math.round(lost / 1000)} s`;
  const reasons = [{ code: "control_plane_lost", message, access: null, role: null }] as const;
  throw new Refusal("control_plane_lost", message, "AccessDeniedException", { reasons });
}

/** Why whatever comes on a listener is refused now; undefined where that hangs on what comes. */
export function standingRefusal(services: GatewayServices, listener: FixedListener): Refusal | undefined {
  try {
    requireCluster(services);
    authenticate(listener, services.state(), services.clock.now());
    return undefined;
  } catch (problem) {
    if (problem instanceof Refusal) return problem;
    throw problem;
  }
}

/** Callers by state and listener. Both are immutable, so it is derived from them alone and goes when they go. */
const callers = new WeakMap<GatewayState, WeakMap<FixedListener, Caller>>();

function principalOf(session: Session, { directory, voided }: GatewayState, now: number): Principal | SessionEnd {
  const until = Math.max(voided?.get(session.user) ?? -Infinity, voided?.get("") ?? -Infinity);
  return principalOfSession(session, { directory, voided: until === -Infinity ? undefined : until, now });
}

function callerOf(listener: FixedListener, state: GatewayState, now: number): Caller {
  const principal =
    listener.session === undefined
      ? state.directory.principalOf(listener.user)
      : principalOf(listener.session, state, now);
  if (principal === undefined) throw denied("user_unknown", `The user "${listener.user}" is not defined`);
  if ("ended" in principal) throw ended(principal);
  const database = state.databases.get(listener.database);
  if (database === undefined) throw denied("database_unknown", `The database "${listener.database}" is not defined`);
  return {
    principal,
    database,
    awsRoleArn: awsRoleOf(listener.dbUser, database),
    facts: callerFacts(principal, database),
  };
}

/** Who must log in again is told in the words by which SDKs know it. */
function ended({ ended: code, message }: SessionEnd): Refusal {
  const again = code === "session_expired" || code === "login_outdated";
  return new Refusal(
    code,
    again ? `${message}: log in again with postern login` : message,
    again ? "ExpiredTokenException" : "AccessDeniedException",
    { reasons: [{ code, message, access: null, role: null }] },
  );
}

function awsRoleOf(dbUser: string, database: Database): string {
  try {
    return roleArn(dbUser, database);
  } catch (cause) {
    if (cause instanceof PosternError) throw denied("db_user_invalid", cause.message, cause);
    throw cause;
  }
}

function denied(
  code: "user_unknown" | "locked" | "database_unknown" | "db_user_invalid",
  message: string,
  cause?: unknown,
): Refusal {
  return new Refusal(code, message, "AccessDeniedException", {
    cause,
    reasons: [{ code, message, access: null, role: null }],
  });
}
