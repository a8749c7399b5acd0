/** The parameters that were there before expressions, turned into the same trees. */

import { type JsonObject, type JsonValue, LazyObject } from "../../base/json.ts";
import { withoutParts } from "../attribute-value.ts";
import { printable, RequestError } from "../request-error.ts";
import type { AttributeValue, Comparator, Condition, Operand, Projection, Update, UpdateAction } from "./ast.ts";

/** AttributesToGet. Names are whole attributes here: `a.b` is one name. */
export function legacyProjection(list: JsonValue): Projection {
  return (list as readonly string[]).map((name) => [name]);
}

/** Expected: the old form with Value and Exists, or the newer one with ComparisonOperator. */
export function legacyExpected(
  expected: JsonObject,
  operator: JsonValue | undefined,
  parameter: string,
): Condition | null {
  const conditions: Condition[] = [];
  for (const [name, entry] of expected) {
    const comparison = entry as JsonObject;
    const at = `${parameter}.${printable(name)}`;
    if (comparison.has("ComparisonOperator")) {
      const both = comparison.has("Exists")
        ? "Exists and ComparisonOperator"
        : comparison.has("Value") && comparison.has("AttributeValueList")
          ? "Value and AttributeValueList"
          : undefined;
      if (both !== undefined) {
        const why = `${both} cannot be used together for Attribute: ${printable(name)}`;
        throw refused(`One or more parameter values were invalid: ${why}`, at);
      }
      conditions.push(legacyComparison(name, comparison, at));
    } else {
      conditions.push(existence(name, comparison, at));
    }
  }
  return joined(conditions, operator);
}

/** QueryFilter, ScanFilter and KeyConditions. */
export function legacyConditions(
  conditions: JsonObject,
  operator: JsonValue | undefined,
  parameter: string,
): Condition | null {
  const all: Condition[] = [];
  for (const [name, entry] of conditions) {
    all.push(legacyComparison(name, entry as JsonObject, `${parameter}.${printable(name)}`));
  }
  return joined(all, operator);
}

/** AttributeUpdates. An entry without an action is a PUT. */
export function legacyUpdate(updates: JsonObject, parameter: string): Update {
  const actions: UpdateAction[] = [];
  for (const [name, entry] of updates) {
    const update = entry as JsonObject;
    const action = update.get("Action") ?? "PUT";
    const value = valueOf(update);
    if (value === undefined) {
      if (action !== "DELETE") {
        const why = `Only DELETE action is allowed when no attribute value is specified`;
        throw refused(`One or more parameter values were invalid: ${why}`, `${parameter}.${printable(name)}`);
      }
      actions.push({ kind: "remove", path: [name] });
    } else if (action === "PUT") {
      actions.push({ kind: "set", path: [name], value: { kind: "value", value } });
    } else {
      actions.push({ kind: action === "ADD" ? "add" : "delete", path: [name], value });
    }
  }
  return actions;
}

const COMPARATORS: ReadonlyMap<JsonValue, Comparator> = new Map<JsonValue, Comparator>([
  ["EQ", "="],
  ["NE", "<>"],
  ["LT", "<"],
  ["LE", "<="],
  ["GT", ">"],
  ["GE", ">="],
]);

function legacyComparison(name: string, entry: JsonObject, parameter: string): Condition {
  const operator = entry.get("ComparisonOperator") ?? "";
  const values = valuesOf(entry).map((value): Operand => ({ kind: "value", value }));
  const path: Operand = { kind: "path", path: [name] };
  const [first, second] = values;
  const comparator = COMPARATORS.get(operator);
  if (comparator !== undefined && first !== undefined && values.length === 1) {
    return { kind: "comparison", comparator, left: path, right: first };
  }
  switch (operator) {
    case "NULL":
    case "NOT_NULL":
      if (values.length > 0) break;
      return {
        kind: "function",
        name: operator === "NULL" ? "attribute_not_exists" : "attribute_exists",
        arguments: [path],
      };
    case "BETWEEN":
      if (first === undefined || second === undefined || values.length > 2) break;
      return { kind: "between", operand: path, low: first, high: second };
    case "IN":
      if (values.length === 0) break;
      return { kind: "in", operand: path, list: values };
    case "BEGINS_WITH":
      if (first === undefined || values.length > 1) break;
      return { kind: "function", name: "begins_with", arguments: [path, first] };
    case "CONTAINS":
    case "NOT_CONTAINS": {
      if (first === undefined || values.length > 1) break;
      const contains: Condition = { kind: "function", name: "contains", arguments: [path, first] };
      return operator === "CONTAINS" ? contains : { kind: "not", of: contains };
    }
    default:
  }
  throw refused(
    "One or more parameter values were invalid: Invalid number of argument(s) for the " +
      `${printable(typeof operator === "string" ? operator : "")} ComparisonOperator`,
    parameter,
  );
}

/** The old form: a value to be equal to, or that the attribute is absent. */
function existence(name: string, entry: JsonObject, parameter: string): Condition {
  const path: Operand = { kind: "path", path: [name] };
  const value = valueOf(entry);
  const exists = entry.get("Exists") ?? true;
  if (entry.has("AttributeValueList")) {
    throw refused(
      "One or more parameter values were invalid: AttributeValueList can only be used with a ComparisonOperator for Attribute: " +
        printable(name),
      parameter,
    );
  }
  if (exists === false) {
    if (value !== undefined) {
      throw refused(
        `One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: ${printable(name)}`,
        parameter,
      );
    }
    return { kind: "function", name: "attribute_not_exists", arguments: [path] };
  }
  if (value === undefined) {
    throw refused(
      `One or more parameter values were invalid: Value must be provided when Exists is ${entry.has("Exists") ? "true" : "null"} for Attribute: ${printable(name)}`,
      parameter,
    );
  }
  return { kind: "comparison", comparator: "=", left: path, right: { kind: "value", value } };
}

function valueOf(entry: JsonObject): AttributeValue | undefined {
  const value = entry.get("Value") as AttributeValue | undefined;
  return value === undefined ? undefined : withoutParts(value);
}

/** AttributeValueList, or Value alone. */
function valuesOf(entry: JsonObject): readonly AttributeValue[] {
  if (entry instanceof LazyObject && entry.has("AttributeValueList")) {
    return Array.from(entry.elements("AttributeValueList"), (value) => withoutParts(value as AttributeValue));
  }
  const list = entry.get("AttributeValueList") as readonly AttributeValue[] | undefined;
  if (list !== undefined) return list.map(withoutParts);
  const value = valueOf(entry);
  return value === undefined ? [] : [value];
}

function joined(conditions: readonly Condition[], operator: JsonValue | undefined): Condition | null {
  const [only] = conditions;
  if (conditions.length < 2) return only ?? null;
  return { kind: operator === "OR" ? "or" : "and", of: conditions };
}

function refused(message: string, parameter: string): RequestError {
  return new RequestError("ValidationException", message, parameter);
}
