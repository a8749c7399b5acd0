/** The answers that the gateway gives by itself: typed AWS errors that SDKs understand, and nothing else. */

import { errorAnswer } from "../dynamodb/errors.ts";
import { RequestError } from "../dynamodb/request-error.ts";
import type { Answer } from "./ports.ts";
import type { Refusal } from "./refusal.ts";

/** The header that names the decision on every answer; the audit event carries the same id. */
export const DECISION_HEADER = "x-postern-decision-id";

const encoder = new TextEncoder();

/** The answer to a refused request. */
export function refusalAnswer(refusal: Refusal, decisionId: string): Answer {
  // What the request model does not take is refused in DynamoDB's words: clients may depend on them to the letter.
  const message =
    refusal.cause instanceof RequestError ? refusal.message : `${refusal.message} (decision ${decisionId})`;
  const { status, body } = errorAnswer(refusal.type, message);
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
