/** Shard iterators and tokens of statements: sealed when they go out, opened when they come back. */

import { Buffer } from "node:buffer";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { printJson } from "../base/json-print.ts";
import { type DynamoRequest, parseRequest } from "../dynamodb/request.ts";
import { memberRange } from "../dynamodb/response.ts";
import type { Caller } from "./authenticate.ts";
import { Refusal } from "./refusal.ts";
import type { Seals } from "./seals.ts";

/** What an operation takes to go on, and what it gives to go on with. */
interface Continuation {
  readonly takes: string | null;
  readonly gives: string;
  /** Members of the request that must be the same when it goes on. */
  readonly bound: readonly string[];
}

const CONTINUATIONS: ReadonlyMap<string, Continuation> = new Map<string, Continuation>([
  ["GetShardIterator", { takes: null, gives: "ShardIterator", bound: [] }],
  ["GetRecords", { takes: "ShardIterator", gives: "NextShardIterator", bound: [] }],
  ["ExecuteStatement", { takes: "NextToken", gives: "NextToken", bound: ["Statement", "Parameters"] }],
]);

/** Whether the operation's answers hold something to go on with. */
export function isContinued(operation: string): boolean {
  return CONTINUATIONS.has(operation);
}

/**
 * The request with its seal opened: what DynamoDB gave this caller, in a body made of what was parsed. A request without
 * anything sealed is returned as it is.
 *
 * @throws Refusal `continuation_not_bound` when it was given to somebody else, for another statement, or by nobody
 */
export function opened(seals: Seals, caller: Caller, request: DynamoRequest): DynamoRequest {
  const takes = CONTINUATIONS.get(request.operation.name)?.takes;
  if (takes == null) return request;
  const sealed = request.params.get(takes);
  if (typeof sealed !== "string") return request;
  const text = seals.open(sealed, bondsOf(caller, request));
  if (text === undefined) {
    const message = `The ${takes} was not given to user "${caller.principal.name}" for this request and AWS role`;
    const reasons = [{ code: "continuation_not_bound", message, access: null, role: null }] as const;
    throw new Refusal("continuation_not_bound", message, "AccessDeniedException", { reasons });
  }
  const params = new Map<string, JsonValue>(request.params);
  params.set(takes, text);
  // Parsed anew, so that what is judged is what is sent.
  return parseRequest(request.operation, Buffer.from(printJson(params)));
}

/** The answer's body with what it gives to go on with sealed; undefined when it gives nothing. */
export function sealed(seals: Seals, caller: Caller, request: DynamoRequest, body: Uint8Array): Uint8Array | undefined {
  const gives = CONTINUATIONS.get(request.operation.name)?.gives;
  if (gives === undefined) return undefined;
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const range = memberRange(buffer, gives);
  if (range === undefined) return undefined;
  const [start, end] = range;
  const text = JSON.parse(buffer.toString("utf8", start, end)) as unknown;
  if (typeof text !== "string") return undefined;
  const seal = Buffer.from(JSON.stringify(seals.seal(text, bondsOf(caller, request))));
  return Buffer.concat([buffer.subarray(0, start), seal, buffer.subarray(end)]);
}

function bondsOf(caller: Caller, { operation, params }: DynamoRequest): string[] {
  const bound = CONTINUATIONS.get(operation.name)?.bound ?? [];
  // An iterator comes from one operation and is used in another: neither is part of what binds it.
  const purpose = bound.length === 0 ? "stream" : operation.name;
  return [
    purpose,
    caller.principal.name,
    caller.database.name,
    caller.awsRoleArn,
    ...bound.map((member) => printed(params, member)),
  ];
}

function printed(params: JsonObject, member: string): string {
  const value = params.get(member);
  return value === undefined ? "" : printJson(value);
}
