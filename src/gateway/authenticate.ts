/** Who asks, for which database, as which AWS role: for a fixed listener its configuration says so, the client nothing. */

import { roleArn } from "../aws/arn.ts";
import type { Database } from "../aws/database.ts";
import { PosternError } from "../base/errors.ts";
import { lockMessage } from "../identity/lock.ts";
import type { Principal } from "../identity/principal.ts";
import { type CallerFacts, callerFacts } from "./facts.ts";
import type { FixedListener } from "./listener.ts";
import { Refusal } from "./refusal.ts";
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
 * @throws Refusal `user_unknown`, `database_unknown`, `locked` or `db_user_invalid`
 */
export function authenticate(listener: FixedListener, state: GatewayState): Caller {
  const lock = state.directory.lockOf(listener.user);
  if (lock !== undefined) {
    throw denied("locked", `The user "${listener.user}" is locked${lockMessage(lock)}`);
  }
  const known = callers.get(state)?.get(listener);
  if (known !== undefined) return known;
  const caller = callerOf(listener, state);
  const ofState = callers.get(state) ?? new Map<FixedListener, Caller>();
  callers.set(state, ofState.set(listener, caller));
  return caller;
}

/** Callers by state and listener. Both are immutable, so it is derived from them alone and goes when they go. */
const callers = new WeakMap<GatewayState, Map<FixedListener, Caller>>();

function callerOf(listener: FixedListener, state: GatewayState): Caller {
  const principal = state.directory.principalOf(listener.user);
  if (principal === undefined) throw denied("user_unknown", `The user "${listener.user}" is not defined`);
  const database = state.databases.get(listener.database);
  if (database === undefined) throw denied("database_unknown", `The database "${listener.database}" is not defined`);
  return {
    principal,
    database,
    awsRoleArn: awsRoleOf(listener.dbUser, database),
    facts: callerFacts(principal, database),
  };
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
