/** What one part of a request does to items: which partitions, which attributes it reads and writes, what it shows. */

import type { JsonObject, JsonValue } from "../base/json.ts";
import { type AccessFacts, MOST_ATTRIBUTES, strongest } from "./access.ts";
import { type DocumentPath, spellName, spellPath } from "./document-path.ts";
import type { Condition, Projection, Update } from "./expressions/ast.ts";
import { type Expressions, expressionsOf } from "./expressions/expressions.ts";
import {
  equalities,
  pathsMetByUpdate,
  pathsOfCondition,
  pathsReadByUpdate,
  pathsWrittenByUpdate,
  provenAbsent,
} from "./expressions/facts.ts";
import {
  type Equalities,
  isPartitionedAlike,
  keyNames,
  type KeyProof,
  partitionOfItem,
  partitionOfKey,
  partitionOfLookup,
} from "./keys.ts";
import type { KeySchema, TableSchema } from "./key-schema.ts";

/** Where a part stands and what is known of its table. */
export interface PartContext {
  readonly operation: string;
  /** For example `TransactItems[0].Put`; empty for the request itself. */
  readonly parameter: string;
  readonly table: string;
  readonly index: string | null;
  readonly schema: TableSchema | undefined;
  readonly gaps: Gaps;
}

/** Collects what a schema would tell, and which schemas do not fit. */
export interface Gaps {
  readonly wantingKeys: Set<string>;
  readonly wantingAttributes: Set<string>;
  readonly mismatched: Set<string>;
}

/** Facts of the parts that name a table, by the IAM action of their access. */
export type PartFacts = (part: JsonValue, context: PartContext) => AccessFacts;

/** How each action on items is read. An action that is not here touches items in no way that is understood. */
export const PART_FACTS: ReadonlyMap<string, PartFacts> = new Map<string, PartFacts>([
  ["dynamodb:GetItem", withMembers(readByKey)],
  ["dynamodb:BatchGetItem", withMembers(readManyByKey)],
  ["dynamodb:ConditionCheckItem", withMembers(checkFacts)],
  ["dynamodb:Query", withMembers(queryFacts)],
  ["dynamodb:Scan", withMembers(scanFacts)],
  ["dynamodb:PutItem", withMembers(putFacts)],
  ["dynamodb:UpdateItem", withMembers(updateFacts)],
  ["dynamodb:DeleteItem", withMembers(deleteFacts)],
  ["dynamodb:BatchWriteItem", batchWriteFacts],
]);

/** The values of a proof, or null, with what is missing noted. */
export function settle(proof: KeyProof, { table, gaps }: PartContext): readonly string[] | null {
  if (typeof proof !== "string") return proof;
  if (proof === "wanting") gaps.wantingKeys.add(table);
  else if (proof === "mismatched") gaps.mismatched.add(table);
  return null;
}

/** How equalities prove the partition keys of a search. */
type ProveSearch = (equal: Equalities, keys: KeySchema | undefined, schema?: TableSchema) => KeyProof;

/**
 * The partition keys of a search of the table or of an index, and whether they are the table's own. A schema that is not
 * known would tell that, which matters only where they are proven: keys that are not may be anybody's.
 */
export function keysOfSearch(
  prove: ProveSearch,
  equal: Equalities,
  context: PartContext,
): Pick<AccessFacts, "keys" | "own_keys"> {
  const { schema, index, table, gaps } = context;
  if (index === null) return { keys: settle(prove(equal, schema, schema), context) };
  const indexKeys = schema?.indexes.get(index);
  const unknownIndex = schema !== undefined && schema.id !== null && indexKeys === undefined;
  const proof = unknownIndex ? "mismatched" : prove(equal, indexKeys, schema);
  const keys = settle(proof, context);
  if (indexKeys === undefined && keys !== null) gaps.wantingKeys.add(table);
  // A schema that does not fit the request is believed in nothing.
  return { keys, own_keys: proof === "mismatched" ? null : ownKeys(context) };
}

function ownKeys({ schema, index }: PartContext): boolean | null {
  const keys = index === null ? undefined : schema?.indexes.get(index);
  return schema === undefined || keys === undefined ? null : isPartitionedAlike(keys, schema);
}

/**
 * The path that a change to `path` reaches: removing a list's element moves those behind it, and setting one beyond the
 * end appends, so that both concern the list.
 */
export function changedPath(path: DocumentPath): DocumentPath {
  return typeof path.at(-1) === "number" ? (path.slice(0, -1) as unknown as DocumentPath) : path;
}

/** Names of the table's and the index's key attributes: an answer's LastEvaluatedKey shows them. */
export function namesOfCursor(context: PartContext): readonly string[] | null {
  const { schema, index, table, gaps } = context;
  if (schema === undefined) {
    gaps.wantingAttributes.add(table);
    return null;
  }
  if (index === null) return keyNames(schema).map(spellName);
  const keys = schema.indexes.get(index);
  if (keys === undefined) {
    if (schema.id !== null) gaps.mismatched.add(table);
    return null;
  }
  return [...keyNames(schema), ...keyNames(keys)].map(spellName);
}

function withMembers(facts: (part: JsonObject, says: Expressions, context: PartContext) => AccessFacts): PartFacts {
  return (part, context) => {
    // The validator has seen to it that these are structures.
    if (!(part instanceof Map)) return {};
    const object = part as JsonObject;
    return facts(object, expressionsOf(object, context.parameter), context);
  };
}

function readByKey(part: JsonObject, { projection }: Expressions, context: PartContext): AccessFacts {
  const key = objectAt(part, "Key");
  return {
    keys: settle(partitionOfKey(key, context.schema), context),
    reads: pathsAndNames(projection, key),
    complete: projection !== null,
    consistent: part.get("ConsistentRead") === true,
  };
}

function readManyByKey(part: JsonObject, { projection }: Expressions, context: PartContext): AccessFacts {
  const keys = part.get("Keys");
  const texts: string[] = [];
  const names = new Set<string>();
  let known = true;
  for (const key of Array.isArray(keys) ? (keys as readonly JsonObject[]) : []) {
    const found = settle(partitionOfKey(key, context.schema), context);
    if (found === null) known = false;
    else texts.push(...found);
    addNames(key, names);
  }
  return {
    keys: known ? [...new Set(texts)] : null,
    reads: [...(projection ?? []).map(spellPath), ...names],
    complete: projection !== null,
    consistent: part.get("ConsistentRead") === true,
  };
}

function checkFacts(part: JsonObject, { condition }: Expressions, context: PartContext): AccessFacts {
  const key = objectAt(part, "Key");
  const returned = returnedBy(part);
  return {
    keys: settle(partitionOfKey(key, context.schema), context),
    reads: [...pathsIn(condition), ...namesOf(key)],
    complete: returned === "NONE",
    return_values: returned,
    effects: effectsOf(returned),
  };
}

function queryFacts(part: JsonObject, says: Expressions, context: PartContext): AccessFacts {
  const equal = says.keyCondition === null ? new Map<string, never>() : equalities(says.keyCondition);
  return { ...searchFacts(part, says, context), ...keysOfSearch(partitionOfLookup, equal, context) };
}

function scanFacts(part: JsonObject, says: Expressions, context: PartContext): AccessFacts {
  return { ...searchFacts(part, says, context), own_keys: ownKeys(context), full_scan: true };
}

/** What Query and Scan read: conditions, what they return, and the keys that stand in LastEvaluatedKey. */
function searchFacts(part: JsonObject, says: Expressions, context: PartContext): AccessFacts {
  const select = textAt(part, "Select") ?? null;
  const shown = shownBySearch(select, says.projection, context);
  const cursor = shown === null ? null : namesOfCursor(context);
  return {
    reads: [...pathsIn(says.keyCondition), ...pathsIn(says.filter), ...(shown ?? []), ...(cursor ?? [])],
    complete: shown !== null && cursor !== null,
    select,
    consistent: part.get("ConsistentRead") === true,
  };
}

/** The attributes that a search returns; null for those that it does not name. */
function shownBySearch(select: string | null, projection: Projection | null, context: PartContext): string[] | null {
  if (select === "COUNT") return [];
  if (projection !== null) return projection.map(spellPath);
  if (select === "ALL_ATTRIBUTES" || context.index === null) return null;
  return projectedByIndex(context);
}

/** The attributes that the context's index holds; null when they are all, or not known. */
export function projectedByIndex({ schema, index, table, gaps }: PartContext): string[] | null {
  const keys = index === null ? undefined : schema?.indexes.get(index);
  if (keys !== undefined) {
    return keys.projected === "all" || keys.projected === null ? null : keys.projected.map(spellName);
  }
  if (schema === undefined) gaps.wantingAttributes.add(table);
  else if (schema.id !== null) gaps.mismatched.add(table);
  return null;
}

function putFacts(part: JsonObject, { condition }: Expressions, context: PartContext): AccessFacts {
  const item = objectAt(part, "Item");
  const returned = returnedBy(part);
  const replaces = replacesItem(condition, context);
  return {
    keys: settle(partitionOfItem(item, context.schema), context),
    reads: pathsIn(condition),
    writes: namesOf(item),
    complete: returned === "NONE" && replaces !== "wanting",
    whole_item: replaces !== false,
    return_values: returned,
    effects: effectsOf(returned),
  };
}

/** Whether a put can meet an item: not when its condition demands that a key attribute, which every item has, is absent. */
function replacesItem(condition: Condition | null, context: PartContext): boolean | "wanting" {
  const absent = condition === null ? undefined : provenAbsent(condition);
  if (absent === undefined || absent.size === 0) return true;
  const { schema, table, gaps } = context;
  if (schema !== undefined) return !keyNames(schema).some((name) => absent.has(name));
  gaps.wantingAttributes.add(table);
  return "wanting";
}

function updateFacts(part: JsonObject, { condition, update }: Expressions, context: PartContext): AccessFacts {
  const key = objectAt(part, "Key");
  const returned = returnedBy(part);
  const changed = update === null ? [] : changedPaths(update);
  const whole = returned.startsWith("ALL_");
  return {
    keys: settle(partitionOfKey(key, context.schema), context),
    reads: [
      ...pathsIn(condition),
      ...(update === null ? [] : pathsReadByUpdate(update).map(spellPath)),
      ...(update === null ? [] : pathsMetByUpdate(update).map((path) => spellPath(changedPath(path)))),
      ...(returned.startsWith("UPDATED_") ? shownAfterUpdate(update) : []),
    ],
    writes: [...changed, ...namesOf(key)],
    complete: !whole,
    return_values: returned,
    effects: effectsOf(returned),
  };
}

/** Whole attributes: DynamoDB Local returns all of a map of which one member was changed. */
function shownAfterUpdate(update: Update | null): string[] {
  return update === null ? [] : pathsWrittenByUpdate(update).map(([name]) => spellName(name));
}

function changedPaths(update: Update): string[] {
  return pathsWrittenByUpdate(update).map((path) => spellPath(changedPath(path)));
}

function deleteFacts(part: JsonObject, { condition }: Expressions, context: PartContext): AccessFacts {
  const key = objectAt(part, "Key");
  const returned = returnedBy(part);
  return {
    keys: settle(partitionOfKey(key, context.schema), context),
    reads: pathsIn(condition),
    writes: namesOf(key),
    complete: returned === "NONE",
    whole_item: true,
    return_values: returned,
    effects: effectsOf(returned),
  };
}

/** A table's part of BatchWriteItem: puts and deletes, without conditions. */
function batchWriteFacts(writes: JsonValue, context: PartContext): AccessFacts {
  const texts: string[] = [];
  const names = new Set<string>();
  const effects = new Set<string>();
  let known = true;
  for (const write of Array.isArray(writes) ? (writes as readonly JsonObject[]) : []) {
    const put = write.get("PutRequest");
    const item = objectAt((put ?? write.get("DeleteRequest")) as JsonObject, put === undefined ? "Key" : "Item");
    const proof = put === undefined ? partitionOfKey(item, context.schema) : partitionOfItem(item, context.schema);
    const found = settle(proof, context);
    if (found === null) known = false;
    else texts.push(...found);
    addNames(item, names);
    effects.add(put === undefined ? "dynamodb:DeleteItem" : "dynamodb:PutItem");
  }
  return {
    keys: known ? [...new Set(texts)] : null,
    writes: [...names],
    complete: true,
    whole_item: true,
    effects: [...effects],
  };
}

/** The most that a write returns, whether it succeeds (ReturnValues) or not (ReturnValuesOnConditionCheckFailure). */
export function returnedBy(beside: JsonValue): string {
  if (!(beside instanceof Map)) return "NONE";
  const object = beside as JsonObject;
  return strongest(
    textAt(object, "ReturnValues") ?? "NONE",
    textAt(object, "ReturnValuesOnConditionCheckFailure") ?? "NONE",
  );
}

/** Whoever gets the item back has read it. */
export function effectsOf(returned: string): readonly string[] {
  return returned === "NONE" ? NO_EFFECTS : READS_ITEM;
}

const NO_EFFECTS: readonly string[] = Object.freeze([]);
const READS_ITEM: readonly string[] = Object.freeze(["dynamodb:GetItem"]);

function pathsIn(condition: Condition | null): string[] {
  return condition === null ? [] : pathsOfCondition(condition).map(spellPath);
}

function pathsAndNames(projection: Projection | null, key: JsonObject): string[] {
  const paths = namesOf(key);
  if (projection !== null) for (const path of projection) paths.push(spellPath(path));
  return paths;
}

/** One more than can be told is as good as all of them. */
function namesOf(item: JsonObject): string[] {
  const names: string[] = [];
  for (const name of item.keys()) if (names.push(spellName(name)) > MOST_ATTRIBUTES) break;
  return names;
}

function addNames(item: JsonObject, names: Set<string>): void {
  for (const name of namesOf(item)) if (names.size <= MOST_ATTRIBUTES) names.add(name);
}

function objectAt(part: JsonObject, member: string): JsonObject {
  const value = part.get(member);
  return value instanceof Map ? (value as JsonObject) : NO_MEMBERS;
}

const NO_MEMBERS: JsonObject = new Map();

function textAt(part: JsonObject, member: string): string | undefined {
  const value = part.get(member);
  return typeof value === "string" ? value : undefined;
}
