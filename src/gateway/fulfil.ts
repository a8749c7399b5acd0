/** The answer's way back: passed on as DynamoDB sent it, with its last byte held until its event is on record. */

import { summarise } from "../dynamodb/response.ts";
import { DECISION_HEADER } from "./answers.ts";
import type { Answer, UpstreamResponse } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";
import type { Trace } from "./trace.ts";

/** Headers that concern one connection only (RFC 9110 §7.6.1), and the length, which the platform writes. */
const HOP_BY_HOP = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  DECISION_HEADER,
]);

/** Makes the client's answer of the upstream's. */
export async function fulfil(services: GatewayServices, trace: Trace, response: UpstreamResponse): Promise<Answer> {
  const headers = answerHeaders(response, trace.decisionId);
  if (!(response.body instanceof Uint8Array)) {
    return { status: response.status, headers, body: recordedStream(services, trace, response, response.body) };
  }
  const encoded = response.headers["content-encoding"] !== undefined;
  const summary = encoded ? null : summarise(response.body, trace.operation);
  await recordEnd(services, trace, response, summary, "completed");
  trace.count("allowed");
  return { status: response.status, headers, body: response.body };
}

/** Passes a large body on chunk by chunk, one behind: the last goes out when the event is on record. */
async function* recordedStream(
  services: GatewayServices,
  trace: Trace,
  response: UpstreamResponse,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array | undefined;
  // What it is when the reader leaves early: that ends a generator without an exception.
  let outcome: "completed" | "failed" | "aborted" = "aborted";
  try {
    for await (const chunk of body) {
      if (held !== undefined) yield held;
      held = chunk;
    }
    outcome = "completed";
    await recordEnd(services, trace, response, null, outcome);
    if (held !== undefined) yield held;
  } catch (cause) {
    if (outcome !== "completed") outcome = "failed";
    throw cause;
  } finally {
    if (outcome !== "completed") await recordEnd(services, trace, response, null, outcome).catch(() => undefined);
    trace.count(outcome === "failed" ? "failed" : "allowed");
  }
}

async function recordEnd(
  services: GatewayServices,
  trace: Trace,
  response: UpstreamResponse,
  summary: ReturnType<typeof summarise> | null,
  outcome: "completed" | "failed" | "aborted",
): Promise<void> {
  try {
    await trace.end({
      outcome,
      status_code: response.status,
      aws_request_id: requestIdOf(response),
      latency_us: trace.elapsedUs,
      response: summary ?? { items: null, consumed_capacity: null, error: null },
    });
  } catch (cause) {
    services.log.error({ decision: trace.decisionId }, "The outcome of a request could not be recorded");
    throw new Refusal(
      "audit_unavailable",
      "The outcome could not be recorded; the operation was executed",
      "InternalServerError",
      { cause },
    );
  }
}

function answerHeaders(response: UpstreamResponse, decisionId: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value === undefined || HOP_BY_HOP.has(name)) continue;
    headers[name] = joined(value);
  }
  // What the answer itself says is for its own connection only.
  const { connection } = response.headers;
  if (connection !== undefined)
    for (const name of joined(connection).toLowerCase().split(",")) delete headers[name.trim()];
  headers[DECISION_HEADER] = decisionId;
  return headers;
}

function joined(value: string | readonly string[]): string {
  return typeof value === "string" ? value : value.join(", ");
}

function requestIdOf(response: UpstreamResponse): string | null {
  const id = response.headers["x-amzn-requestid"];
  return typeof id === "string" ? id.slice(0, 128) : null;
}
