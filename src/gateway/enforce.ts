/** What the gateway does with a decision: go on, or refuse in words that the caller can act on. */

import type { Decision, Reason } from "../policy/decision.ts";
import type { Caller } from "./authenticate.ts";
import type { Judgement, UnlearnedTable } from "./judge.ts";
import { Refusal } from "./refusal.ts";

/**
 * Lets an allowed request pass.
 *
 * @throws Refusal AccessDeniedException with the first reason in its message and all of them beside it; ServiceUnavailable,
 * which SDKs retry, when nothing but an answer of DynamoDB's about keys is wanting
 */
export function enforce(
  decision: Decision,
  caller: Caller,
  { accesses, unlearned }: Pick<Judgement, "accesses" | "unlearned">,
): asserts decision is Extract<Decision, { allow: true }> {
  if (decision.allow) return;
  const { reasons } = decision;
  const unanswered = unlearned.find(({ why }) => why === "unavailable");
  if (unanswered !== undefined && unlearned.every(({ why }) => why === "unavailable") && reasons.every(isUnproven)) {
    throw new Refusal(
      "upstream_unreachable",
      `DynamoDB cannot be asked for the keys of table "${unanswered.table}" now, on which policy depends`,
      "ServiceUnavailable",
      { reasons },
    );
  }
  const [reason] = reasons;
  const access = accesses[reason?.access ?? 0];
  const action = access?.action ?? "the operation";
  const resource = access?.arn ?? caller.database.name;
  const why = reason === undefined ? "policy_undefined" : `${reason.code}: ${reason.message}`;
  const code = reason?.code ?? "policy_undefined";
  throw new Refusal(
    code,
    `User "${caller.principal.name}" is not authorized to perform ${action} on resource ${resource} (${why}${reasons.some(isUnproven) ? remedy(unlearned) : ""})`,
    "AccessDeniedException",
    { reasons },
  );
}

function isUnproven({ code }: Reason): boolean {
  return code === "keys_unproven" || code === "attributes_unproven";
}

/**
 * Without a table's keys a rule about them denies, and neither the caller nor the rule is at fault. Said of nothing else: it
 * also tells whether there is such a table, and a package may deny so that nobody knows.
 */
function remedy([unlearned]: readonly UnlearnedTable[]): string {
  if (unlearned === undefined) return "";
  const keys = `; the keys of table "${unlearned.table}"`;
  switch (unlearned.why) {
    case "configured":
      return `${keys} are those of key_schema in the database's configuration, which does not tell these: write its indexes too`;
    case "refused":
    case "unavailable":
    case "unreadable":
      return (
        `${keys} cannot be had: let the AWS role use dynamodb:DescribeTable on it, ` +
        "or give key_schema for it in the database's configuration"
      );
  }
}
