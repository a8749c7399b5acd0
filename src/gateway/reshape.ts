/** The answers that are not passed on as they came: lists, and what is given out to go on with. */

import { crc32 } from "node:zlib";
import type { DynamoRequest } from "../dynamodb/request.ts";
import { LISTINGS } from "../dynamodb/listings.ts";
import type { Caller } from "./authenticate.ts";
import type { BodyLease } from "./body-budget.ts";
import { isContinued, sealed } from "./continuations.ts";
import type { Circumstances } from "./facts.ts";
import { filtered, type NextPage } from "./listing.ts";
import type { UpstreamResponse } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";
import type { GatewayState } from "./state.ts";

/** Bytes of an answer that is held whole to be changed. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/** Whether answers of the operation may be changed: they are asked for without encoding, to be read. */
export function isReshaped(operation: string): boolean {
  return isContinued(operation) || LISTINGS.has(operation);
}

/**
 * The answer as the caller may have it: the very one unless something in it is hidden or sealed.
 *
 * @throws Refusal when it cannot be read, is too large, or there is no room for it
 */
export async function reshaped(
  services: GatewayServices,
  state: GatewayState,
  caller: Caller,
  circumstances: Circumstances,
  request: DynamoRequest,
  response: UpstreamResponse,
  lease: BodyLease,
  sendAgain: (body: Uint8Array) => Promise<UpstreamResponse>,
): Promise<UpstreamResponse> {
  const { name } = request.operation;
  if (response.status !== 200 || !isReshaped(name)) return response;
  if (response.headers["content-encoding"] !== undefined) throw unreadable("it is encoded although it was not to be");
  const whole = await wholeOf(response.body, lease);
  const nextPage: NextPage = async (body) => {
    const next = await sendAgain(body);
    if (next.status !== 200) throw new Refusal("upstream_broken", "DynamoDB broke off a list", "ServiceUnavailable");
    return wholeOf(next.body, lease);
  };
  const body = isContinued(name)
    ? sealed(services.seals, caller, request, whole)
    : await filtered(state.policy, caller, circumstances, request, whole, nextPage);
  if (body === undefined) return { ...response, body: whole };
  const headers = { ...response.headers };
  if (headers["x-amz-crc32"] !== undefined) headers["x-amz-crc32"] = String(crc32(body));
  return { status: response.status, headers, body };
}

async function wholeOf(body: UpstreamResponse["body"], lease: BodyLease): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > LARGEST_ANSWER) throw unreadable(`it is larger than ${LARGEST_ANSWER} bytes`);
    if (!lease.take(chunk.byteLength)) {
      throw new Refusal("overloaded", "Too many large answers are under way", "ServiceUnavailable");
    }
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

function unreadable(why: string): Refusal {
  return new Refusal("upstream_broken", `DynamoDB's answer could not be read: ${why}`, "InternalServerError");
}
