/** Turns a PartiQL statement of a request into its access. */

import type { JsonObject, JsonValue } from "../../base/json.ts";
import { type AccessList, strongest } from "../access.ts";
import type { Found } from "../path.ts";
import { RequestError } from "../request-error.ts";
import { type Place, tableByName } from "../resource-arn.ts";
import { parseStatement, type Statement, type StatementKind } from "./statement.ts";
import { PartiqlError } from "./tokens.ts";

const ACTIONS: Readonly<Record<StatementKind, string>> = {
  select: "dynamodb:PartiQLSelect",
  insert: "dynamodb:PartiQLInsert",
  update: "dynamodb:PartiQLUpdate",
  delete: "dynamodb:PartiQLDelete",
  exists: "dynamodb:PartiQLSelect",
};

/** What a statement amounts to. A select may be any kind of read as long as its condition is not understood. */
const EFFECTS: Readonly<Record<StatementKind, readonly string[]>> = {
  select: ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
  insert: ["dynamodb:PutItem"],
  update: ["dynamodb:UpdateItem"],
  delete: ["dynamodb:DeleteItem"],
  exists: ["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
};

const INDEX_NAME = /^[a-zA-Z0-9_.-]{3,255}$/;

/**
 * Adds the access of one statement of an operation.
 *
 * @throws RequestError when the statement is not understood to its last character
 */
export function addStatement(operation: string, found: Found, place: Place, accesses: AccessList): void {
  const statement = parsed(found);
  const { kind, table, index } = statement;
  if (kind === "exists" && operation !== "ExecuteTransaction") {
    throw refused(found.parameter, "EXISTS stands only in transactions");
  }
  if (index !== null && !INDEX_NAME.test(index)) throw refused(found.parameter, "malformed index name");
  checkParameters(statement, found);
  const returned = strongest(
    statement.returning,
    memberOf(found.beside, "ReturnValuesOnConditionCheckFailure") ?? "NONE",
  );
  const reads = kind === "select" || kind === "exists";
  accesses.add(ACTIONS[kind], tableByName(table, index, place, found.parameter), {
    return_values: returned,
    full_scan: reads,
    consistent: found.beside instanceof Map && (found.beside as JsonObject).get("ConsistentRead") === true,
    effects: [
      ...EFFECTS[kind],
      ...(returned === "NONE" ? [] : ["dynamodb:GetItem"]),
      ...(operation === "BatchExecuteStatement" ? [reads ? "dynamodb:BatchGetItem" : "dynamodb:BatchWriteItem"] : []),
    ],
  });
}

function parsed(found: Found): Statement {
  try {
    return parseStatement(found.value);
  } catch (cause) {
    if (cause instanceof PartiqlError) throw refused(found.parameter, cause.message, cause);
    throw cause;
  }
}

/** Values are bound by position: with another number of them, what the statement does is not what it says. */
function checkParameters(statement: Statement, found: Found): void {
  const given: JsonValue | undefined =
    found.beside instanceof Map ? (found.beside as JsonObject).get("Parameters") : undefined;
  const count = Array.isArray(given) ? given.length : 0;
  if (count !== statement.parameters) {
    throw new RequestError(
      "ValidationException",
      "Number of parameters in request and statement don't match.",
      found.parameter,
    );
  }
}

function memberOf(beside: JsonValue, member: string): string | undefined {
  const value = beside instanceof Map ? (beside as JsonObject).get(member) : undefined;
  return typeof value === "string" ? value : undefined;
}

function refused(parameter: string, reason: string, cause?: unknown): RequestError {
  return new RequestError(
    "ValidationException",
    `Statement wasn't well formed, can't be processed: ${parameter}: ${reason}`,
    parameter,
    { cause },
  );
}
