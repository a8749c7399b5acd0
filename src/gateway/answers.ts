/** The answers that the gateway gives by itself: typed AWS errors that SDKs understand, and nothing else. */

import { errorAnswer } from "../dynamodb/errors.ts";
import type { Answer } from "./ports.ts";
import type { Refusal } from "./refusal.ts";

/** The header that names the decision on every answer; the audit event carries the same id. */
export const DECISION_HEADER = "x-postern-decision-id";

const encoder = new TextEncoder();

/** The answer to a refused request. */
export function refusalAnswer(refusal: Refusal, decisionId: string): Answer {
  const { status, body } = errorAnswer(refusal.type, `${refusal.message} (decision ${decisionId})`);
  return {
    status,
    headers: {
      "content-type": "application/x-amz-json-1.0",
      // SDKs print this id in their errors, so a caller's bug report leads to the audit event.
      "x-amzn-requestid": decisionId,
      [DECISION_HEADER]: decisionId,
    },
    body: encoder.encode(body),
    close: refusal.unread,
  };
}
