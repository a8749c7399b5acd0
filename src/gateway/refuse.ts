/** Ends requests that the gateway refuses, whatever it was that stood against them. */

import { refusalAnswer } from "./answers.ts";
import type { Answer } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";
import type { Trace } from "./trace.ts";

/** Ends a request that gets no answer of DynamoDB's: answered with its reason, counted, and on record. */
export async function refuse(services: GatewayServices, trace: Trace, problem: unknown): Promise<Answer> {
  const refusal = problem instanceof Refusal ? problem : unexpected(services, trace, problem);
  const answer = refusalAnswer(refusal, trace.decisionId);
  const outcome = outcomeOf(refusal);
  trace.refused(refusal);
  trace.count(outcome);
  try {
    await trace.end({
      outcome: refusal.code === "client_gone" ? "aborted" : outcome,
      status_code: answer.status,
      aws_request_id: null,
      latency_us: trace.elapsedUs,
      response: null,
    });
    return answer;
  } catch {
    services.log.error({ decision: trace.decisionId }, "A refused request could not be recorded");
    // What policy says is not told without a record of it: denied and allowed look alike until there is one.
    const isPolicys = outcome === "denied" || trace.decision?.allow === false;
    return isPolicys ? refusalAnswer(notRecorded(), trace.decisionId) : answer;
  }
}

/** The record that must precede what was asked for cannot be made. */
export function notRecorded(cause?: unknown): Refusal {
  return new Refusal(
    "audit_unavailable",
    "The request was not sent because the audit log cannot be written now",
    "AccessDeniedException",
    { cause },
  );
}

function outcomeOf(refusal: Refusal): "denied" | "rejected" | "failed" {
  switch (refusal.type) {
    case "AccessDeniedException":
      return refusal.code === "request_rejected" ? "rejected" : "denied";
    case "ExpiredTokenException":
    case "IncompleteSignatureException":
    case "InvalidSignatureException":
    case "MissingAuthenticationTokenException":
    case "UnrecognizedClientException":
      return "denied";
    case "InternalServerError":
    case "ServiceUnavailable":
      return "failed";
    case "RequestEntityTooLarge":
    case "SerializationException":
    case "UnknownOperationException":
    case "ValidationException":
      return "rejected";
  }
}

function unexpected(services: GatewayServices, trace: Trace, problem: unknown): Refusal {
  services.log.error(
    { decision: trace.decisionId, error: problem instanceof Error ? problem.stack : String(problem) },
    "A request failed inside the gateway",
  );
  return new Refusal("internal_error", "The gateway failed", "InternalServerError", { cause: problem });
}
