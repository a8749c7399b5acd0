/** Asks DynamoDB for a table's keys, with the caller's own AWS role, as a request of the caller's would be sent. */

import { Buffer } from "node:buffer";
import { operationOf } from "../dynamodb/catalogue.ts";
import { describeTableBody, schemaOfAnswer } from "../dynamodb/describe.ts";
import type { Caller } from "./authenticate.ts";
import { assume, send, signed } from "./forward.ts";
import type { RequestHead } from "./head.ts";
import type { Departure, UpstreamResponse } from "./ports.ts";
import type { GatewayServices } from "./services.ts";
import type { Describe, Description } from "./table-schemas.ts";

/** A table with hundreds of indexes says less. */
const LONGEST_ANSWER = 1024 * 1024;

/** The question as a caller asks it, for the request with this decision id. */
export function describerFor(services: GatewayServices, caller: Caller, decisionId: string): Describe {
  return async (table, departure) => {
    const description = await ask(services, caller, decisionId, table, departure);
    const outcome = typeof description === "string" ? description : "ok";
    services.metrics.tableDescribed(outcome);
    services.log.debug({ table, role: caller.awsRoleArn, outcome }, "Asked for a table's keys");
    return description;
  };
}

async function ask(
  services: GatewayServices,
  caller: Caller,
  decision: string,
  table: string,
  departure: Departure,
): Promise<Description> {
  const operation = operationOf("DynamoDB_20120810.DescribeTable");
  if (operation === undefined) return "unavailable";
  try {
    const credentials = await assume(services, caller);
    const body = describeTableBody(table);
    const request = await signed(services, caller, operation, HEAD, body, credentials, departure);
    if (departure.gone) return "unavailable";
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
    return await descriptionOf(await send(services, request, caller, credentials), table);
  } catch {
    return "unavailable";
  }
}

const HEAD: Pick<RequestHead, "contentType" | "acceptEncoding" | "userAgent"> = {
  contentType: "application/x-amz-json-1.0",
  acceptEncoding: "identity",
  userAgent: "",
};

/** What DynamoDB says of the table or of the role; whatever else it says will be otherwise in a moment. */
const REFUSALS =
  /^\s*\{\s*"__type"\s*:\s*"(?:[^"#]*#)?(?:AccessDenied|ResourceNotFound|UnknownOperation|Validation)Exception"/;

async function descriptionOf({ status, headers, body }: UpstreamResponse, table: string): Promise<Description> {
  const whole = await wholeOf(body);
  if (status !== 200) {
    const refused = whole !== undefined && status >= 400 && status < 500 && REFUSALS.test(latin1(whole));
    return refused ? "refused" : "unavailable";
  }
  if (whole === undefined || headers["content-encoding"] !== undefined) return "unreadable";
  return schemaOfAnswer(whole, table) ?? "unreadable";
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", 0, 512);
}

/** The body, or undefined when it is too long. */
async function wholeOf(body: UpstreamResponse["body"]): Promise<Uint8Array | undefined> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > LONGEST_ANSWER) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
