/** What the gateway does with a decision: go on, or refuse in words that the caller can act on. */

import type { Access } from "../dynamodb/accesses.ts";
import type { Decision } from "../policy/decision.ts";
import type { Caller } from "./authenticate.ts";
import { Refusal } from "./refusal.ts";

/**
 * Lets an allowed request pass.
 *
 * @throws Refusal AccessDeniedException with the first reason in its message and all of them beside it
 */
export function enforce(
  decision: Decision,
  caller: Caller,
  accesses: readonly Access[],
): asserts decision is Extract<Decision, { allow: true }> {
  if (decision.allow) return;
  const [reason] = decision.reasons;
  const access = accesses[reason?.access ?? 0];
  const action = access?.action ?? "the operation";
  const resource = access?.arn ?? caller.database.name;
  const why = reason === undefined ? "policy_undefined" : `${reason.code}: ${reason.message}`;
  const code = reason?.code ?? "policy_undefined";
  throw new Refusal(
    code,
    `User "${caller.principal.name}" is not authorized to perform ${action} on resource ${resource} (${why})`,
    "AccessDeniedException",
    { reasons: decision.reasons },
  );
}
