/** What the gateway does with a decision: go on, or refuse in words that the caller can act on. */

import type { Decision } from "../policy/decision.ts";
import type { Caller } from "./authenticate.ts";
import type { Judgement } from "./judge.ts";
import { Refusal } from "./refusal.ts";

/**
 * Lets an allowed request pass.
 *
 * @throws Refusal AccessDeniedException with the first reason in its message and all of them beside it
 */
export function enforce(
  decision: Decision,
  caller: Caller,
  { accesses, unlearned }: Pick<Judgement, "accesses" | "unlearned">,
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
    `User "${caller.principal.name}" is not authorized to perform ${action} on resource ${resource} (${why}${remedy(unlearned)})`,
    "AccessDeniedException",
    { reasons: decision.reasons },
  );
}

/** Without a table's keys a rule about them denies, and neither the caller nor the rule is at fault. */
function remedy(unlearned: readonly string[]): string {
  const [table] = unlearned;
  if (table === undefined) return "";
  return (
    `; the keys of table "${table}" cannot be had: let the AWS role use dynamodb:DescribeTable on it, ` +
    "or give key_schema for it in the database's configuration"
  );
}
