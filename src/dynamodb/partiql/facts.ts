/** What a statement tells: the paths that it reads and writes, and the values to which its condition confines attributes. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue } from "../expressions/ast.ts";
import type { PartiqlCondition, PartiqlOperand, PartiqlStatement } from "./ast.ts";

/** Every path that a statement names to read: projection, condition, order, right-hand sides. */
export function readPaths(statement: PartiqlStatement): DocumentPath[] {
  const paths: DocumentPath[] = [];
  if (statement.kind === "insert") return paths;
  if (statement.kind === "select") {
    if (statement.projection !== "all") paths.push(...statement.projection);
    paths.push(...statement.orderBy);
  }
  if (statement.kind === "update") for (const { value } of statement.set) addOperand(value, paths);
  if (statement.where !== null) addCondition(statement.where, paths);
  return paths;
}

/** Every path that a statement changes; of an INSERT, the item's attributes. */
export function writtenPaths(statement: PartiqlStatement): DocumentPath[] {
  if (statement.kind === "insert") return [...statement.item.keys()].map((name) => [name]);
  if (statement.kind === "update") return [...statement.set.map(({ path }) => path), ...statement.remove];
  return [];
}

/**
 * Top-level attributes that the condition confines to values: equalities of a conjunction, in either operand order, and
 * `IN` with its list. Anything else proves nothing. An attribute that is confined twice has all the values here.
 */
export function equalities(where: PartiqlCondition): ReadonlyMap<string, readonly AttributeValue[]> {
  const found = new Map<string, AttributeValue[]>();
  addEqualities(where, found);
  return found;
}

function addEqualities(condition: PartiqlCondition, found: Map<string, AttributeValue[]>): void {
  if (condition.kind === "and") for (const part of condition.of) addEqualities(part, found);
  else if (condition.kind === "comparison" && condition.comparator === "=") {
    addValues(condition.left, [condition.right], found);
    addValues(condition.right, [condition.left], found);
  } else if (condition.kind === "in") addValues(condition.operand, condition.list, found);
}

function addValues(
  attribute: PartiqlOperand,
  values: readonly PartiqlOperand[],
  found: Map<string, AttributeValue[]>,
): void {
  if (attribute.kind !== "path" || attribute.path.length !== 1) return;
  const constants: AttributeValue[] = [];
  for (const value of values) {
    if (value.kind !== "value") return;
    constants.push(value.value);
  }
  const [name] = attribute.path;
  found.set(name, [...(found.get(name) ?? []), ...constants]);
}

function addCondition(condition: PartiqlCondition, paths: DocumentPath[]): void {
  switch (condition.kind) {
    case "and":
    case "or":
      for (const part of condition.of) addCondition(part, paths);
      return;
    case "not":
      addCondition(condition.of, paths);
      return;
    case "comparison":
      addOperand(condition.left, paths);
      addOperand(condition.right, paths);
      return;
    case "between":
      for (const operand of [condition.operand, condition.low, condition.high]) addOperand(operand, paths);
      return;
    case "in":
      for (const operand of [condition.operand, ...condition.list]) addOperand(operand, paths);
      return;
    case "missing":
    case "null":
      addOperand(condition.operand, paths);
      return;
    case "function":
      for (const operand of condition.arguments) addOperand(operand, paths);
  }
}

function addOperand(operand: PartiqlOperand, paths: DocumentPath[]): void {
  switch (operand.kind) {
    case "path":
      paths.push(operand.path);
      return;
    case "value":
      return;
    case "call":
      for (const each of operand.arguments) addOperand(each, paths);
      return;
    case "arithmetic":
      addOperand(operand.left, paths);
      addOperand(operand.right, paths);
  }
}
