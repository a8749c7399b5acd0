/** Asks DynamoDB for a table's keys, with the caller's own AWS role: what the role may not see, nobody learns for it. */

import { operationOf } from "../dynamodb/catalogue.ts";
import { describeTableBody, schemaOfAnswer } from "../dynamodb/describe.ts";
import type { Caller } from "./authenticate.ts";
import { assume, signed } from "./forward.ts";
import type { RequestHead } from "./head.ts";
import type { Departure, DepartureListener, UpstreamResponse } from "./ports.ts";
import type { GatewayServices } from "./services.ts";
import type { Describe, Description } from "./table-schemas.ts";

/** Milliseconds for one question; the client's own request waits for it. */
const PATIENCE_MS = 5_000;
/** A table with hundreds of indexes says less. */
const LONGEST_ANSWER = 1024 * 1024;

/** The question as a caller asks it, for the request with this decision id. */
export function describerFor(services: GatewayServices, caller: Caller, decisionId: string): Describe {
  return async (table) => {
    const description = await ask(services, caller, decisionId, table);
    const outcome = typeof description === "string" ? description : "ok";
    services.metrics.tableDescribed(outcome);
    services.log.debug({ table, role: caller.awsRoleArn, outcome }, "Asked for a table's keys");
    return description;
  };
}

async function ask(services: GatewayServices, caller: Caller, decision: string, table: string): Promise<Description> {
  const operation = operationOf("DynamoDB_20120810.DescribeTable");
  if (operation === undefined) return "unavailable";
  const departure = new Deadline(PATIENCE_MS);
  try {
    const credentials = await assume(services, caller);
    const body = describeTableBody(table);
    const request = await signed(services, caller, operation, HEAD, body, credentials, departure);
    // Nothing is sent without a record, the gateway's own questions included.
    await services.recorder.record({
      event: "postern.table.described",
      code: "PTD01I",
      decision,
      user: caller.principal.name,
      db_service: caller.database.name,
      db_user: caller.awsRoleArn,
      table,
    });
    return await descriptionOf(await services.upstream.send(request), table);
  } catch {
    return "unavailable";
  } finally {
    departure.end();
  }
}

const HEAD: Pick<RequestHead, "contentType" | "acceptEncoding" | "userAgent"> = {
  contentType: "application/x-amz-json-1.0",
  acceptEncoding: "identity",
  userAgent: "",
};

async function descriptionOf({ status, headers, body }: UpstreamResponse, table: string): Promise<Description> {
  const whole = await wholeOf(body);
  if (whole === undefined) return "unavailable";
  // Denied, or there is no such table: both for this role alone, and for a while.
  if (status >= 400 && status < 500) return "refused";
  if (status !== 200 || headers["content-encoding"] !== undefined) return "unavailable";
  return schemaOfAnswer(whole, table) ?? "unavailable";
}

async function wholeOf(body: UpstreamResponse["body"]): Promise<Uint8Array | undefined> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > LONGEST_ANSWER) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** A client that goes away when the time is over. */
class Deadline implements Departure {
  gone = false;
  readonly #listeners: DepartureListener[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(milliseconds: number) {
    this.#timer = setTimeout(() => {
      this.gone = true;
      for (const listener of this.#listeners) listener.clientGone();
    }, milliseconds);
  }

  onGone(listener: DepartureListener): void {
    this.#listeners.push(listener);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
