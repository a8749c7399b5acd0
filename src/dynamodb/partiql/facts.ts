/** What a statement tells: the paths that it reads and writes, and the values to which its condition confines attributes. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue } from "../expressions/ast.ts";
import type { KeyAttribute, KeySchema } from "../key-schema.ts";
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

/** Every path that a condition looks at. */
export function pathsOfCondition(condition: PartiqlCondition): DocumentPath[] {
  const paths: DocumentPath[] = [];
  addCondition(condition, paths);
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

/**
 * Whether DynamoDB searches by these keys instead of scanning, the partition being given: it does when the condition is a
 * conjunction in which each key attribute stands once at most, in a condition that a Query could have on it. DynamoDB
 * Local scans for `pk = 'x' AND sk <> 1`, and the key at which such a scan pauses is anybody's.
 */
export function searchesByKey(where: PartiqlCondition, { partition, sort }: KeySchema): boolean {
  const names = new Set([...partition, ...sort].map(({ name }) => name));
  const given = new Map<string, PartiqlCondition>();
  for (const part of conjuncts(where)) {
    const keys = pathsOfCondition(part).filter(([name]) => names.has(name));
    const [key] = keys;
    if (key === undefined) continue;
    if (keys.length > 1 || key.length > 1 || given.has(key[0])) return false;
    given.set(key[0], part);
  }
  const isConfined = (name: string): boolean => {
    const part = given.get(name);
    return part !== undefined && equalities(part).has(name);
  };
  return partition.every(({ name }) => isConfined(name)) && isRange(sort, given);
}

/** Of sort key attributes those in front are equal to something, and the last that is given may lie in a range. */
function isRange(sort: readonly KeyAttribute[], given: ReadonlyMap<string, PartiqlCondition>): boolean {
  let closed = false;
  for (const { name } of sort) {
    const part = given.get(name);
    if (part === undefined) closed = true;
    else if (closed || !isKeyCondition(part)) return false;
    else closed = part.kind !== "comparison" || part.comparator !== "=";
  }
  return true;
}

/** Compared with constants; which attribute stands in it is known. */
function isKeyCondition(part: PartiqlCondition): boolean {
  switch (part.kind) {
    case "comparison":
      return part.comparator !== "<>" && areValues([part.left.kind === "path" ? part.right : part.left]);
    case "between":
      return part.operand.kind === "path" && areValues([part.low, part.high]);
    case "function":
      return part.name === "begins_with" && areValues(part.arguments.slice(1));
    default:
      return false;
  }
}

function areValues(operands: readonly PartiqlOperand[]): boolean {
  return operands.every(({ kind }) => kind === "value");
}

function conjuncts(condition: PartiqlCondition): readonly PartiqlCondition[] {
  return condition.kind === "and" ? condition.of.flatMap(conjuncts) : [condition];
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
