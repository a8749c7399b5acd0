/** Derives from a parsed request what it accesses: every table and index, each kind of access, canonically named. */

import type { JsonObject, JsonValue } from "../base/json.ts";
import { type Access, type AccessFacts, AccessList } from "./access.ts";
import { effectsOf, type Gaps, PART_FACTS, returnedBy } from "./item-facts.ts";
import { NO_SCHEMAS, type SchemaLookup } from "./key-schema.ts";
import type { AccessRule, Operation } from "./operation.ts";
import { addStatement } from "./partiql/access.ts";
import { type Found, standsAt, textsAt } from "./path.ts";
import type { DynamoRequest } from "./request.ts";
import { RequestError } from "./request-error.ts";
import { resourceAt } from "./resource-at.ts";
import { allTables, type Place } from "./resource-arn.ts";

export type { Access } from "./access.ts";
export type { Place } from "./resource-arn.ts";

/** What was made out of a request, and what else must be known to make out more. */
export interface Understanding {
  /** Never none: one for every resource × action × return values, in whatever spelling the request names it. */
  readonly accesses: readonly Access[];
  /** Tables whose schema is not known and would tell partition keys, or whether an index's are the table's. */
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
export function understand(request: DynamoRequest, place: Place, schemas: SchemaLookup): Understanding {
  const { operation, params } = request;
  const reading: Reading = {
    operation,
    params,
    place,
    schemas,
    accesses: new AccessList(operation.name),
    gaps: { wantingKeys: new Set(), wantingAttributes: new Set(), mismatched: new Set() },
  };
  const statements = new Set<string>();
  for (const rule of operation.rules) {
    if (rule.kind === "none") reading.accesses.add(rule.action, allTables(place), factsOfRule(operation, rule, params));
    else if (rule.kind === "statement") statements.add(rule.at);
    else if (rule.when === undefined || standsAt(params, rule.when)) addNamed(reading, rule);
  }
  for (const at of statements) for (const found of textsAt(params, at)) addStatement(reading, found);
  const accesses = reading.accesses.all();
  if (accesses.length === 0) {
    throw new RequestError("ValidationException", `The request of ${operation.name} names nothing to work on`, "");
  }
  const { wantingKeys, wantingAttributes, mismatched } = reading.gaps;
  return {
    accesses,
    wantingKeys: listed(wantingKeys),
    wantingAttributes: listed(wantingAttributes),
    mismatched: listed(mismatched),
  };
}

/** A request while it is read. */
export interface Reading {
  readonly operation: Operation;
  readonly params: JsonObject;
  readonly place: Place;
  readonly schemas: SchemaLookup;
  readonly accesses: AccessList;
  readonly gaps: Gaps;
}

function addNamed({ operation, params, place, schemas, accesses, gaps }: Reading, rule: AccessRule): void {
  const found = textsAt(params, rule.at);
  if (rule.or !== undefined) {
    found.push(...textsAt(params, rule.or));
    if (found.length === 0) {
      throw new RequestError("ValidationException", `One of ${rule.at} and ${rule.or} must be given`, rule.at);
    }
  }
  if (found.length === 0 && rule.optional === true) {
    accesses.add(rule.action, allTables(place), factsOfRule(operation, rule, params));
  }
  for (const each of found) {
    const resource = resourceAt(each, rule, place, params);
    const { table, index } = resource;
    const ofRule = factsOfRule(operation, rule, each.beside);
    const partFacts = PART_FACTS.get(rule.action);
    if (partFacts === undefined || table === null) {
      accesses.add(rule.action, resource, ofRule);
      continue;
    }
    const schema = schemas.schemaOf(table);
    const parameter = partOf(each, rule);
    const facts = partFacts(each.beside, { operation: operation.name, parameter, table, index, schema, gaps });
    accesses.add(rule.action, resource, rule.effects === undefined ? facts : withEffects(facts, rule.effects));
  }
}

/** What the catalogue alone tells of an access that is not to items. */
function factsOfRule({ name, dataClass }: Operation, rule: AccessRule, beside: JsonValue): AccessFacts {
  const effects = rule.effects ?? [];
  // Facts about tables are no items: no key and no attribute is touched.
  if (dataClass === "metadata") return { keys: [], own_keys: true, complete: true, effects };
  return {
    // Settings of an index are not its items. What a vector index is partitioned by, no schema tells.
    own_keys: dataClass === "data_read" ? null : true,
    // A search by likeness can return any number of items, as can a stream; a copy contains them all.
    full_scan: name === "SearchVectors" || name === "GetRecords" || effects.includes("dynamodb:Scan"),
    // A bulk load puts over what is there. What fills a new table replaces nothing.
    whole_item: rule.action === "dynamodb:DeleteTable" || (name === "StartBulkPutItems" && effects.length > 0),
    effects: [...effects, ...effectsOf(returnedBy(beside))],
  };
}

function withEffects(facts: AccessFacts, effects: readonly string[]): AccessFacts {
  return { ...facts, effects: facts.effects === undefined ? effects : [...facts.effects, ...effects] };
}

/** The structure in which the table is named, for messages. */
function partOf({ parameter }: Found, rule: AccessRule): string {
  if (rule.at.endsWith("*key")) return parameter;
  const dot = parameter.lastIndexOf(".");
  return dot === -1 ? "" : parameter.slice(0, dot);
}

function listed(names: ReadonlySet<string>): readonly string[] {
  return names.size === 0 ? NO_NAMES : [...names];
}

const NO_NAMES: readonly string[] = Object.freeze([]);
