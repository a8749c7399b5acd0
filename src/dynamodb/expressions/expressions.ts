/** Everything that one part of a request says in expressions or in the parameters before them. */

import type { JsonObject, JsonValue } from "../../base/json.ts";
import { RequestError } from "../request-error.ts";
import type { Condition, Projection, Update } from "./ast.ts";
import { legacyConditions, legacyExpected, legacyProjection, legacyUpdate } from "./legacy.ts";
import { parseCondition, parseProjection, parseUpdate } from "./parser.ts";
import { ExpressionScope } from "./scope.ts";

/** What a part says; null for what it leaves out. */
export interface Expressions {
  readonly projection: Projection | null;
  readonly condition: Condition | null;
  readonly filter: Condition | null;
  readonly keyCondition: Condition | null;
  readonly update: Update | null;
}

/** A part that says nothing. */
const SILENT: Expressions = Object.freeze({
  projection: null,
  condition: null,
  filter: null,
  keyCondition: null,
  update: null,
});

/**
 * Reads the expressions of a part (a GetItem, the `Put` of a transaction, a table of a batch), which its shape has
 * validated. `parameter` says where it stands, for messages.
 *
 * @throws RequestError in DynamoDB's words when something is malformed, undefined, unused or said twice
 */
export function expressionsOf(part: JsonObject, parameter: string): Expressions {
  let legacy = false;
  let modern = false;
  let placeholders = false;
  for (const member of part.keys()) {
    if (member.endsWith("Expression")) modern = true;
    else if (LEGACY.has(member)) legacy = true;
    else if (member.startsWith("ExpressionAttribute")) placeholders = true;
  }
  if (!legacy && !modern && !placeholders) return SILENT;
  if (legacy && (modern || placeholders)) throw mixed(part, parameter);
  return legacy ? legacyExpressions(part, parameter) : modernExpressions(part, parameter, modern);
}

const LEGACY: ReadonlySet<string> = new Set([
  "AttributesToGet",
  "AttributeUpdates",
  "Expected",
  "KeyConditions",
  "QueryFilter",
  "ScanFilter",
  "ConditionalOperator",
]);

function modernExpressions(part: JsonObject, parameter: string, hasExpressions: boolean): Expressions {
  const scope = new ExpressionScope(part, parameter);
  scope.begin(hasExpressions);
  const read = <T>(member: string, parse: (text: string, scope: ExpressionScope, at: string) => T): T | null => {
    const text = part.get(member);
    if (typeof text !== "string") return null;
    return parse(text, scope, under(parameter, member));
  };
  const expressions: Expressions = {
    projection: read("ProjectionExpression", parseProjection),
    condition: read("ConditionExpression", parseCondition),
    filter: read("FilterExpression", parseCondition),
    keyCondition: read("KeyConditionExpression", parseCondition),
    update: read("UpdateExpression", parseUpdate),
  };
  scope.finish();
  return expressions;
}

function legacyExpressions(part: JsonObject, parameter: string): Expressions {
  const operator = part.get("ConditionalOperator");
  const filter = part.has("QueryFilter") ? "QueryFilter" : "ScanFilter";
  const list = part.get("AttributesToGet");
  const expected = objectAt(part, "Expected");
  const filters = objectAt(part, filter);
  const keys = objectAt(part, "KeyConditions");
  const updates = objectAt(part, "AttributeUpdates");
  return {
    projection: list === undefined ? null : legacyProjection(list),
    condition: expected === null ? null : legacyExpected(expected, operator, under(parameter, "Expected")),
    filter: filters === null ? null : legacyConditions(filters, operator, under(parameter, filter)),
    // Keys are joined by AND, whatever the filters are joined by.
    keyCondition: keys === null ? null : legacyConditions(keys, "AND", under(parameter, "KeyConditions")),
    update: updates === null ? null : legacyUpdate(updates, under(parameter, "AttributeUpdates")),
  };
}

function mixed(part: JsonObject, parameter: string): RequestError {
  const members = [...part.keys()];
  const old = members.filter((member) => LEGACY.has(member)).sort();
  const modern = members.filter((member) => member.endsWith("Expression")).sort();
  if (modern.length === 0) {
    const names = members.find((member) => member.startsWith("ExpressionAttribute")) ?? "";
    return new RequestError(
      "ValidationException",
      `${names} can only be specified when using expressions`,
      under(parameter, names),
    );
  }
  return new RequestError(
    "ValidationException",
    "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: " +
      `{${old.join(", ")}} Expression parameters: {${modern.join(", ")}}`,
    parameter,
  );
}

function objectAt(part: JsonObject, member: string): JsonObject | null {
  const value: JsonValue | undefined = part.get(member);
  return value instanceof Map ? (value as JsonObject) : null;
}

function under(parameter: string, member: string): string {
  return parameter === "" ? member : `${parameter}.${member}`;
}
