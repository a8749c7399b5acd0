/** The life of a request, on one screen: a room's verb per line. */

import { operationOf, type Operation } from "../dynamodb/catalogue.ts";
import { RequestError } from "../dynamodb/request-error.ts";
import { parseRequest } from "../dynamodb/request.ts";
import { refusalAnswer } from "./answers.ts";
import { authenticate } from "./authenticate.ts";
import { readBody } from "./body.ts";
import { opened } from "./continuations.ts";
import { enforce } from "./enforce.ts";
import { assume, send, signed } from "./forward.ts";
import { fulfil } from "./fulfil.ts";
import { printable, readHead } from "./head.ts";
import { heed, judge } from "./judge.ts";
import type { FixedListener } from "./listener.ts";
import type { Answer, Exchange } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";
import { isReshaped, reshaped } from "./reshape.ts";
import { Trace } from "./trace.ts";

/** Serves one exchange. It always answers: what is not forwarded is refused with a reason, and recorded. */
export async function serve(services: GatewayServices, listener: FixedListener, exchange: Exchange): Promise<Answer> {
  const trace = new Trace(services, listener, exchange);
  const lease = services.bodies.lease();
  try {
    const state = services.state();
    trace.revision = state.policy.revision;
    const caller = (trace.caller = authenticate(listener, state));
    const head = readHead(exchange, listener);
    const operation = knownOperation(head.target, trace);
    const body = await readBody(exchange, head, lease);
    trace.request = understood(() => parseRequest(operation, body));
    const request = (trace.request = opened(services.seals, caller, trace.request));
    const circumstances = {
      decisionId: trace.decisionId,
      operation: operation.name,
      ip: exchange.connection.ip,
      userAgent: head.userAgent,
      now: services.clock.now(),
    };
    const judgement = await understanding(judge(services, state, caller, circumstances, request));
    const decision = (trace.decision = judgement.decision);
    services.metrics.decided(decision.evalUs / 1e6);
    enforce(decision, caller, judgement);

    const credentials = await assume(services, caller);
    const shown = isReshaped(operation.name) ? { ...head, acceptEncoding: "identity" } : head;
    const outgoing = await signed(services, caller, operation, shown, request.body, credentials, exchange.departure);
    await recorded(() => trace.intend());
    const sentAt = services.clock.monotonic();
    const response = await send(services, outgoing, caller, credentials);
    services.metrics.upstreamAnswered(operation.name, (services.clock.monotonic() - sentAt) / 1000);
    heed(services, caller, request, judgement, response);
    const answer = await reshaped(services, state, caller, circumstances, request, response, lease, async (next) => {
      const again = await signed(services, caller, operation, shown, next, credentials, exchange.departure);
      return send(services, again, caller, credentials);
    });
    return await fulfil(services, trace, answer);
  } catch (problem) {
    return await refuse(services, trace, problem);
  } finally {
    lease.end();
  }
}

function knownOperation(target: string, trace: Trace): Operation {
  const operation = operationOf(target);
  if (operation === undefined) {
    throw new Refusal(
      "operation_unknown",
      `The operation ${printable(target)} is not known`,
      "UnknownOperationException",
    );
  }
  trace.operation = operation.name;
  return operation;
}

/** What the request model does not understand without doubt is the client's mistake, in DynamoDB's words. */
function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw misunderstood(cause);
  }
}

async function understanding<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (cause) {
    throw misunderstood(cause);
  }
}

function misunderstood(cause: unknown): unknown {
  if (!(cause instanceof RequestError)) return cause;
  return new Refusal("request_rejected", cause.message, cause.type, { cause });
}

async function recorded(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    throw notRecorded(cause);
  }
}

function notRecorded(cause?: unknown): Refusal {
  return new Refusal(
    "audit_unavailable",
    "The request was not sent because the audit log cannot be written now",
    "AccessDeniedException",
    { cause },
  );
}

/** Ends a request that gets no answer of DynamoDB's. */
async function refuse(services: GatewayServices, trace: Trace, problem: unknown): Promise<Answer> {
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
    return outcome === "denied" ? refusalAnswer(notRecorded(), trace.decisionId) : answer;
  }
}

function outcomeOf(refusal: Refusal): "denied" | "rejected" | "failed" {
  switch (refusal.type) {
    case "AccessDeniedException":
      return refusal.code === "request_rejected" ? "rejected" : "denied";
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
