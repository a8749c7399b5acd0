/** Parses a request: the body's bytes against the operation's shape, strictly, once, at the wall. */

import { JsonError, type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import type { Operation } from "./operation.ts";
import { MODEL } from "./model.ts";
import { RequestError } from "./request-error.ts";
import { Validators } from "./validator.ts";

/** A request that was understood without doubt. */
export interface DynamoRequest {
  readonly operation: Operation;
  readonly params: JsonObject;
  /** The very bytes that were parsed, and that are to be sent. */
  readonly body: Uint8Array;
}

/** An item of 32 levels is 71 levels of JSON in a batch; the rest is refused with the words for items. */
const JSON_DEPTH = 80;
/** Characters of an object that is kept as text: ordinary requests have none. */
const LAZY_FROM = 16_384;
const BATCH_GET_KEYS = 100;
const BATCH_WRITE_REQUESTS = 25;

const validators = new Validators();

/**
 * Parses and validates the body of an operation. Refused: what is not strict JSON, members that the model does not name
 * (in this case), explicit nulls, wrong types, missing members, attribute values without exactly one type, and what
 * exceeds DynamoDB's bounds. Table names and ARNs are judged later, by `accessesOf`.
 *
 * @throws RequestError
 */
export function parseRequest(operation: Operation, body: Uint8Array): DynamoRequest {
  const input = MODEL.inputs[operation.target];
  if (input === undefined) throw new TypeError(`Cannot parse: the model has no operation "${operation.target}"`);
  const params = parsed(body);
  if (!(params instanceof Map)) {
    throw new RequestError("SerializationException", "The body of a request must be a JSON object", "");
  }
  const object = params as JsonObject;
  const fault = validators.of(input)(object);
  if (fault !== undefined) throw fault.toError();
  checkBatch(operation.name, object);
  return { operation, params: object, body };
}

function parsed(body: Uint8Array): JsonValue {
  try {
    return parseJson(body, { depth: JSON_DEPTH, lazyFrom: LAZY_FROM });
  } catch (cause) {
    if (cause instanceof JsonError) throw new RequestError("SerializationException", cause.message, "", { cause });
    throw cause;
  }
}

/** Batches are bounded over all their tables together. */
function checkBatch(operation: string, params: JsonObject): void {
  if (operation !== "BatchGetItem" && operation !== "BatchWriteItem") return;
  const tables = params.get("RequestItems");
  // Of one table alone the model says as much, and a large list is not read again to count it.
  if (!(tables instanceof Map) || tables.size === 1) return;
  let count = 0;
  for (const [, entry] of tables as JsonObject) {
    const members = entry instanceof Map ? (entry as JsonObject).get("Keys") : entry;
    count += Array.isArray(members) ? members.length : 0;
  }
  if (count > (operation === "BatchGetItem" ? BATCH_GET_KEYS : BATCH_WRITE_REQUESTS)) {
    throw new RequestError("ValidationException", `Too many items requested for the ${operation} call`, "RequestItems");
  }
}
