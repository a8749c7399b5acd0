/** Derives from a parsed request what it accesses: every table and index, each kind of access, canonically named. */

import type { JsonObject, JsonValue } from "../base/json.ts";
import { type Access, type AccessFacts, AccessList, strongest } from "./access.ts";
import type { AccessRule, Operation } from "./operation.ts";
import { addStatement } from "./partiql/access.ts";
import { standsAt, textsAt } from "./path.ts";
import type { DynamoRequest } from "./request.ts";
import { RequestError } from "./request-error.ts";
import { type SchemaLookup, NO_SCHEMAS } from "./key-schema.ts";
import { resourceAt } from "./resource-at.ts";
import { allTables, type Place } from "./resource-arn.ts";

export type { Access } from "./access.ts";
export type { Place } from "./resource-arn.ts";

/** What was made out of a request, and what else must be known to make out more. */
export interface Understanding {
  /** Never none: one for every resource × action, however often and in whatever spelling the request names it. */
  readonly accesses: readonly Access[];
  /** Tables whose schema is not known and would tell partition keys. */
  readonly wantingKeys: readonly string[];
  /** Tables whose schema is not known and would tell attributes, or that an item is new. */
  readonly wantingAttributes: readonly string[];
  /** Tables whose known schema does not fit the request: it is out of date, or the request is wrong. */
  readonly mismatched: readonly string[];
}

/** The accesses alone, without any schema unless given. @throws RequestError as `understand` does */
export function accessesOf(
  request: DynamoRequest,
  place: Place,
  schemas: SchemaLookup = NO_SCHEMAS,
): readonly Access[] {
  return understand(request, place, schemas).accesses;
}

/**
 * Derives what a request accesses, as far as the schemas at hand tell.
 *
 * @throws RequestError when a name, an ARN, an expression or a statement is malformed, ambiguous, or points out of the
 * database
 */
export function understand(request: DynamoRequest, place: Place, _schemas: SchemaLookup): Understanding {
  const { operation, params } = request;
  const accesses = new AccessList(operation.name);
  const statements = new Set<string>();
  for (const rule of operation.rules) {
    if (rule.kind === "none") accesses.add(rule.action, allTables(place), { effects: rule.effects ?? [] });
    else if (rule.kind === "statement") statements.add(rule.at);
    else if (rule.when === undefined || standsAt(params, rule.when)) addNamed(operation, rule, params, place, accesses);
  }
  for (const at of statements) {
    for (const found of textsAt(params, at)) addStatement(operation.name, found, place, accesses);
  }
  const all = accesses.all();
  if (all.length === 0) {
    throw new RequestError("ValidationException", `The request of ${operation.name} names nothing to work on`, "");
  }
  return { accesses: all, wantingKeys: [], wantingAttributes: [], mismatched: [] };
}

function addNamed(
  operation: Operation,
  rule: AccessRule,
  params: JsonObject,
  place: Place,
  accesses: AccessList,
): void {
  const found = textsAt(params, rule.at);
  if (rule.or !== undefined) {
    found.push(...textsAt(params, rule.or));
    if (found.length === 0) {
      throw new RequestError("ValidationException", `One of ${rule.at} and ${rule.or} must be given`, rule.at);
    }
  }
  if (found.length === 0 && rule.optional === true) {
    accesses.add(rule.action, allTables(place), { effects: rule.effects ?? [] });
  }
  for (const each of found) {
    accesses.add(rule.action, resourceAt(each, rule, place), factsOf(operation.name, rule, each.beside));
  }
}

/** Facts about an access stand beside the name of its table. */
function factsOf(operation: string, rule: AccessRule, beside: JsonValue): AccessFacts {
  const returned = returnedBy(beside);
  return {
    select: textBeside(beside, "Select") ?? null,
    return_values: returned,
    // A search by likeness can return any number of items; a copy contains them all.
    full_scan:
      operation === "Scan" || operation === "SearchVectors" || rule.effects?.includes("dynamodb:Scan") === true,
    consistent: beside instanceof Map && (beside as JsonObject).get("ConsistentRead") === true,
    effects: [
      ...(rule.effects ?? []),
      // Whoever gets the item back has read it.
      ...(returned === "NONE" ? [] : ["dynamodb:GetItem"]),
      ...(operation === "BatchWriteItem" ? effectsOfWrites(beside) : []),
    ],
  };
}

/** The most that a write returns, whether it succeeds (ReturnValues) or not (ReturnValuesOnConditionCheckFailure). */
function returnedBy(beside: JsonValue): string {
  return strongest(
    textBeside(beside, "ReturnValues") ?? "NONE",
    textBeside(beside, "ReturnValuesOnConditionCheckFailure") ?? "NONE",
  );
}

/** Which single writes a table's part of a batch is made of. */
function effectsOfWrites(writes: JsonValue): string[] {
  const list: readonly JsonValue[] = Array.isArray(writes) ? writes : [];
  const has = (member: string): boolean =>
    list.some((write) => write instanceof Map && (write as JsonObject).has(member));
  return [...(has("PutRequest") ? ["dynamodb:PutItem"] : []), ...(has("DeleteRequest") ? ["dynamodb:DeleteItem"] : [])];
}

function textBeside(beside: JsonValue, member: string | undefined): string | undefined {
  if (member === undefined || !(beside instanceof Map)) return undefined;
  const value = (beside as JsonObject).get(member);
  return typeof value === "string" ? value : undefined;
}
