/** What expressions tell: the paths that they read and write, and what a condition proves. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue, Condition, Operand, SetValue, Update } from "./ast.ts";

/** Every path that a condition looks at, as often as it stands there. */
export function pathsOfCondition(condition: Condition): DocumentPath[] {
  const paths: DocumentPath[] = [];
  addCondition(condition, paths);
  return paths;
}

/** Every path on the right-hand sides of an update. */
export function pathsReadByUpdate(update: Update): DocumentPath[] {
  const paths: DocumentPath[] = [];
  for (const action of update) if (action.kind === "set") addSetValue(action.value, paths);
  return paths;
}

/**
 * Every path that an update changes and of which it tells what was there: what is added to, or taken from, must be of its
 * kind, and what holds a member or an element must be there, or DynamoDB answers with an error.
 */
export function pathsMetByUpdate(update: Update): DocumentPath[] {
  const paths: DocumentPath[] = [];
  for (const { kind, path } of update) if (kind === "add" || kind === "delete" || isInside(path)) paths.push(path);
  return paths;
}

/** Whether the path leads into an attribute. */
export function isInside(path: DocumentPath): boolean {
  return path.length > 1;
}

/** Every path that an update changes. */
export function pathsWrittenByUpdate(update: Update): DocumentPath[] {
  return update.map(({ path }) => path);
}

/**
 * Top-level attributes that the condition confines to values: only equalities of a conjunction prove something, in either
 * operand order. An attribute that is equal to several values has all of them here.
 */
export function equalities(condition: Condition): ReadonlyMap<string, readonly AttributeValue[]> {
  const found = new Map<string, AttributeValue[]>();
  addEqualities(condition, found);
  return found;
}

/** The top-level attributes that are all absent whenever the condition is satisfied. */
export function provenAbsent(condition: Condition): ReadonlySet<string> {
  switch (condition.kind) {
    case "and":
      return new Set(condition.of.flatMap((part) => [...provenAbsent(part)]));
    case "or": {
      const [first = new Set<string>(), ...others] = condition.of.map(provenAbsent);
      return new Set([...first].filter((name) => others.every((names) => names.has(name))));
    }
    case "function": {
      const [operand] = condition.arguments;
      const name = operand === undefined ? undefined : attributeOf(operand);
      return new Set(condition.name === "attribute_not_exists" && name !== undefined ? [name] : []);
    }
    default:
      return new Set();
  }
}

function addCondition(condition: Condition, paths: DocumentPath[]): void {
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
      addOperand(condition.operand, paths);
      addOperand(condition.low, paths);
      addOperand(condition.high, paths);
      return;
    case "in":
      addOperand(condition.operand, paths);
      for (const operand of condition.list) addOperand(operand, paths);
      return;
    case "function":
      for (const operand of condition.arguments) addOperand(operand, paths);
  }
}

function addOperand(operand: Operand, paths: DocumentPath[]): void {
  if (operand.kind === "path") paths.push(operand.path);
  else if (operand.kind === "size") addOperand(operand.of, paths);
}

function addSetValue(value: SetValue, paths: DocumentPath[]): void {
  switch (value.kind) {
    case "path":
      paths.push(value.path);
      return;
    case "value":
      return;
    case "if_not_exists":
      paths.push(value.path);
      addSetValue(value.otherwise, paths);
      return;
    case "list_append":
    case "sum":
      addSetValue(value.left, paths);
      addSetValue(value.right, paths);
  }
}

function addEqualities(condition: Condition, found: Map<string, AttributeValue[]>): void {
  if (condition.kind === "and") for (const part of condition.of) addEqualities(part, found);
  if (condition.kind !== "comparison" || condition.comparator !== "=") return;
  const { left, right } = condition;
  addEquality(left, right, found);
  addEquality(right, left, found);
}

function addEquality(attribute: Operand, value: Operand, found: Map<string, AttributeValue[]>): void {
  const name = attributeOf(attribute);
  if (name === undefined || value.kind !== "value") return;
  const values = found.get(name);
  if (values === undefined) found.set(name, [value.value]);
  else values.push(value.value);
}

/** The attribute that an operand is as a whole. */
function attributeOf(operand: Operand): string | undefined {
  return operand.kind === "path" && operand.path.length === 1 ? operand.path[0] : undefined;
}
