/** Turns a PartiQL statement of a request into its access, as the plain operation that does the same would have it. */

import { type JsonObject, type JsonValue, LazyObject } from "../../base/json.ts";
import { type AccessFacts, strongest } from "../access.ts";
import type { Reading } from "../accesses.ts";
import { withoutParts } from "../attribute-value.ts";
import { spellName, spellPath } from "../document-path.ts";
import type { AttributeValue } from "../expressions/ast.ts";
import { isInside } from "../expressions/facts.ts";
import {
  changedPath,
  effectsOf,
  keysOfSearch,
  namesOfCursor,
  type PartContext,
  projectedByIndex,
  settle,
} from "../item-facts.ts";
import type { KeySchema, TableSchema } from "../key-schema.ts";
import { type Equalities, type KeyProof, partitionOfItem, partitionOfLookup, partitionOfSearch } from "../keys.ts";
import type { Found } from "../path.ts";
import { RequestError } from "../request-error.ts";
import { tableByName } from "../resource-arn.ts";
import type {
  DeleteStatement,
  InsertStatement,
  PartiqlCondition,
  PartiqlStatement,
  SelectStatement,
  UpdateStatement,
} from "./ast.ts";
import { equalities, pathsOfCondition, readPaths, searchesByKey, writtenPaths } from "./facts.ts";
import { parseStatement } from "./statement.ts";
import { ParameterCountError, PartiqlError } from "./tokens.ts";

const ACTIONS: Readonly<Record<PartiqlStatement["kind"], string>> = {
  select: "dynamodb:PartiQLSelect",
  insert: "dynamodb:PartiQLInsert",
  update: "dynamodb:PartiQLUpdate",
  delete: "dynamodb:PartiQLDelete",
};

const INDEX_NAME = /^[a-zA-Z0-9_.-]{3,255}$/;

/**
 * Adds the access of one statement of an operation.
 *
 * @throws RequestError when the statement is not understood to its last character
 */
export function addStatement({ operation, place, schemas, accesses, gaps }: Reading, found: Found): void {
  const statement = parsed(found);
  const index = statement.kind === "select" ? statement.index : null;
  if (statement.kind === "select" && statement.exists && operation.name !== "ExecuteTransaction") {
    throw refused(found.parameter, "EXISTS stands only in transactions");
  }
  // A batch of DynamoDB Local reads the table whatever index is named, and shows what the index does not hold.
  if (index !== null && operation.name !== "ExecuteStatement") {
    throw refused(found.parameter, "an index is read by ExecuteStatement alone");
  }
  if (index !== null && !INDEX_NAME.test(index)) throw refused(found.parameter, "malformed index name");
  const resource = tableByName(statement.table, index, place, found.parameter);
  const facts = factsOf(statement, {
    operation: operation.name,
    parameter: found.parameter,
    table: statement.table,
    index,
    schema: schemas.schemaOf(statement.table),
    gaps,
  });
  accesses.add(ACTIONS[statement.kind], resource, withRequest(facts, statement, operation.name, found.beside));
}

function factsOf(statement: PartiqlStatement, context: PartContext): AccessFacts {
  switch (statement.kind) {
    case "select":
      return selectFacts(statement, context);
    case "insert":
      return insertFacts(statement, context);
    case "update":
      return updateFacts(statement, context);
    case "delete":
      return deleteFacts(statement, context);
  }
}

/** A select without its partition key, or with an odd condition on keys, is a scan; only the schema tells what keys are. */
function selectFacts(statement: SelectStatement, context: PartContext): AccessFacts {
  const { where } = statement;
  const found = keysOfSearch((...known) => partitionOfSelect(where, ...known), equalitiesOf(where), context);
  const isScan = found.keys === null;
  const shown = shownBy(statement, context);
  // Only ExecuteStatement goes on where it stopped, and tells the key at which it did.
  const cursor = shown === null || context.operation !== "ExecuteStatement" ? [] : namesOfCursor(context);
  return {
    ...found,
    reads: [...readPaths(statement).map(spellPath), ...(shown ?? []), ...(cursor ?? [])],
    complete: shown !== null && cursor !== null,
    full_scan: isScan,
    effects: [
      "dynamodb:GetItem",
      "dynamodb:Query",
      ...(isScan ? ["dynamodb:Scan"] : []),
      ...(statement.exists ? ["dynamodb:ConditionCheckItem"] : []),
    ],
  };
}

function partitionOfSelect(
  where: SelectStatement["where"],
  equal: Equalities,
  keys: KeySchema | undefined,
  schema?: TableSchema,
): KeyProof {
  const proof = partitionOfSearch(equal, keys, schema);
  const scans = where !== null && keys !== undefined && !searchesByKey(where, keys);
  return scans && typeof proof !== "string" ? "unprovable" : proof;
}

/** What `*` shows; nothing more than is named when the projection names it; null when that is all, or not known. */
function shownBy({ projection, exists }: SelectStatement, context: PartContext): string[] | null {
  if (projection !== "all" || exists) return [];
  return context.index === null ? null : projectedByIndex(context);
}

function insertFacts({ item }: InsertStatement, context: PartContext): AccessFacts {
  return {
    keys: settle(partitionOfItem(item, context.schema), context),
    writes: [...item.keys()].map(spellName),
    // It fails when the item is there, so nothing is replaced.
    complete: true,
    effects: ["dynamodb:PutItem"],
  };
}

function updateFacts(statement: UpdateStatement, context: PartContext): AccessFacts {
  const { schema } = context;
  const written = writtenPaths(statement);
  const { returning } = statement;
  return {
    keys: settle(partitionOfChange(statement.where, schema), context),
    reads: [
      ...readPaths(statement).map(spellPath),
      // An error tells whether what holds a member or an element is there.
      ...written.filter(isInside).map((path) => spellPath(changedPath(path))),
      ...(returning.startsWith("UPDATED_") ? written.map(([name]) => spellName(name)) : []),
    ],
    writes: written.map((path) => spellPath(changedPath(path))),
    complete: !returning.startsWith("ALL_"),
    return_values: returning,
    effects: ["dynamodb:UpdateItem"],
  };
}

function deleteFacts(statement: DeleteStatement, context: PartContext): AccessFacts {
  const { schema } = context;
  return {
    keys: settle(partitionOfChange(statement.where, schema), context),
    reads: readPaths(statement).map(spellPath),
    complete: statement.returning === "NONE",
    whole_item: true,
    return_values: statement.returning,
    effects: ["dynamodb:DeleteItem"],
  };
}

/**
 * The partition of the one item that a statement changes. Without the schema, an attribute that stands beside the only
 * equality could be the key, confined in a way that is not seen here: `a = 'x' AND NOT pk <> 'y'`.
 */
function partitionOfChange(where: PartiqlCondition | null, schema: TableSchema | undefined): KeyProof {
  const proof = partitionOfLookup(equalitiesOf(where), schema, schema);
  const isAlone = where === null || new Set(pathsOfCondition(where).map(([name]) => name)).size === 1;
  return schema === undefined && !isAlone && typeof proof !== "string" ? "wanting" : proof;
}

/** Adds what the request says beside the statement. */
function withRequest(
  facts: AccessFacts,
  { kind }: PartiqlStatement,
  operation: string,
  beside: JsonValue,
): AccessFacts {
  const onFailure = memberOf(beside, "ReturnValuesOnConditionCheckFailure");
  const returned = strongest(facts.return_values ?? "NONE", typeof onFailure === "string" ? onFailure : "NONE");
  const effects = [...(facts.effects ?? []), ...effectsOf(returned)];
  if (operation === "BatchExecuteStatement") {
    effects.push(kind === "select" ? "dynamodb:BatchGetItem" : "dynamodb:BatchWriteItem");
  }
  return {
    ...facts,
    return_values: returned,
    complete: facts.complete === true && !returned.startsWith("ALL_"),
    consistent: memberOf(beside, "ConsistentRead") === true,
    effects,
  };
}

function equalitiesOf(where: PartiqlCondition | null): ReadonlyMap<string, readonly AttributeValue[]> {
  return where === null ? new Map() : equalities(where);
}

function parsed(found: Found): PartiqlStatement {
  try {
    return parseStatement(found.value, parametersOf(found.beside));
  } catch (cause) {
    if (cause instanceof ParameterCountError) {
      throw new RequestError("ValidationException", cause.message, found.parameter, { cause });
    }
    if (cause instanceof PartiqlError) throw refused(found.parameter, cause.message, cause);
    throw cause;
  }
}

function parametersOf(beside: JsonValue): readonly AttributeValue[] {
  if (beside instanceof LazyObject) {
    return Array.from(beside.elements("Parameters"), (value) => withoutParts(value as AttributeValue));
  }
  const given = memberOf(beside, "Parameters");
  return Array.isArray(given) ? (given as readonly AttributeValue[]) : [];
}

function memberOf(beside: JsonValue, member: string): JsonValue | undefined {
  return beside instanceof Map ? (beside as JsonObject).get(member) : undefined;
}

function refused(parameter: string, reason: string, cause?: unknown): RequestError {
  return new RequestError(
    "ValidationException",
    `Statement wasn't well formed, can't be processed: ${parameter}: ${reason}`,
    parameter,
    { cause },
  );
}
