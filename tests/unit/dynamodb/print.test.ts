import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DocumentPath } from "../../../src/dynamodb/document-path.ts";
import type {
  AttributeValue,
  Comparator,
  Condition,
  Operand,
  SetValue,
  Update,
} from "../../../src/dynamodb/expressions/ast.ts";
import { parseCondition, parseProjection, parseUpdate } from "../../../src/dynamodb/expressions/parser.ts";
import { type Printed, printCondition, printProjection, printUpdate } from "../../../src/dynamodb/expressions/print.ts";
import { ExpressionScope } from "../../../src/dynamodb/expressions/scope.ts";
import type { PartiqlCondition, PartiqlOperand, PartiqlStatement } from "../../../src/dynamodb/partiql/ast.ts";
import { printStatement } from "../../../src/dynamodb/partiql/print.ts";
import { parseStatement } from "../../../src/dynamodb/partiql/statement.ts";
import { Random } from "../../conformance/differential/random.ts";

const NAMES = ["a", "status", "a.b", "c[0]", "`", `"`, "'", "é", "AND", " ", "#n0", "x".repeat(50)] as const;
const COMPARATORS: readonly Comparator[] = ["=", "<>", "<", "<=", ">", ">="];

function path(random: Random): DocumentPath {
  const steps: [string, ...(string | number)[]] = [random.pick(NAMES)];
  while (random.chance(0.4)) steps.push(random.chance(0.5) ? random.below(100) : random.pick(NAMES));
  return steps;
}

function value(random: Random): AttributeValue {
  const [tag, content] = random.pick<readonly [string, string | boolean]>([
    ["S", `v${random.below(9)}`],
    ["N", "1"],
    ["BOOL", true],
  ]);
  return new Map([[tag, content]]);
}

function operand(random: Random): Operand {
  const kind = random.below(5);
  if (kind < 2) return { kind: "path", path: path(random) };
  if (kind < 4) return { kind: "value", value: value(random) };
  return { kind: "size", of: { kind: "path", path: path(random) } };
}

function condition(random: Random, depth: number): Condition {
  const kind = random.below(depth > 0 ? 8 : 5);
  const some = (least: number): Operand[] => Array.from({ length: least + random.below(3) }, () => operand(random));
  if (kind === 0) {
    return { kind: "comparison", comparator: random.pick(COMPARATORS), left: operand(random), right: operand(random) };
  }
  if (kind === 1) return { kind: "between", operand: operand(random), low: operand(random), high: operand(random) };
  if (kind === 2) return { kind: "in", operand: operand(random), list: some(1) };
  if (kind === 3)
    return { kind: "function", name: "attribute_exists", arguments: [{ kind: "path", path: path(random) }] };
  if (kind === 4) return { kind: "function", name: "contains", arguments: [operand(random), operand(random)] };
  if (kind === 5) return { kind: "not", of: condition(random, depth - 1) };
  const of = Array.from({ length: 2 + random.below(3) }, () => condition(random, depth - 1));
  return { kind: kind === 6 ? "and" : "or", of };
}

function setValue(random: Random, depth: number): SetValue {
  const kind = random.below(depth > 0 ? 5 : 2);
  if (kind === 0) return { kind: "path", path: path(random) };
  if (kind === 1) return { kind: "value", value: value(random) };
  if (kind === 2) return { kind: "if_not_exists", path: path(random), otherwise: setValue(random, depth - 1) };
  const [left, right] = [setValue(random, depth - 1), setValue(random, depth - 1)];
  if (kind === 3) return { kind: "list_append", left, right };
  return { kind: "sum", operator: random.pick(["+", "-"]), left, right };
}

/** Actions clause by clause, as they come back. */
function update(random: Random): Update {
  const count = (): number[] => Array.from({ length: random.below(3) });
  const actions: Update = [
    ...count().map(() => ({ kind: "set" as const, path: path(random), value: setValue(random, 2) })),
    ...count().map(() => ({ kind: "remove" as const, path: path(random) })),
    ...count().map(() => ({ kind: "add" as const, path: path(random), value: value(random) })),
    ...count().map(() => ({ kind: "delete" as const, path: path(random), value: value(random) })),
  ];
  return actions.length > 0 ? actions : [{ kind: "remove", path: path(random) }];
}

function scopeOf({ names, values }: Printed): ExpressionScope {
  const part = new Map<string, never>();
  if (names.size > 0) part.set("ExpressionAttributeNames", names as never);
  if (values.size > 0) part.set("ExpressionAttributeValues", values as never);
  return new ExpressionScope(part, "");
}

/** What is printed is parsed with its placeholders, every one of which is used. */
function parsedAgain<T>(printed: Printed, parse: (text: string, scope: ExpressionScope, parameter: string) => T): T {
  const scope = scopeOf(printed);
  const tree = parse(printed.expression, scope, "Expression");
  scope.finish();
  return tree;
}

function partiqlOperand(random: Random, depth: number): PartiqlOperand {
  const kind = random.below(depth > 0 ? 6 : 4);
  if (kind < 2) return { kind: "path", path: path(random) };
  if (kind < 4) return { kind: "value", value: value(random) };
  if (kind === 4) return { kind: "call", name: "size", arguments: [partiqlOperand(random, depth - 1)] };
  const [left, right] = [partiqlOperand(random, depth - 1), partiqlOperand(random, depth - 1)];
  return { kind: "arithmetic", operator: random.pick(["+", "-"]), left, right };
}

function partiqlCondition(random: Random, depth: number): PartiqlCondition {
  const kind = random.below(depth > 0 ? 8 : 5);
  const one = (): PartiqlOperand => partiqlOperand(random, 1);
  if (kind === 0) return { kind: "comparison", comparator: random.pick(COMPARATORS), left: one(), right: one() };
  if (kind === 1) return { kind: "between", operand: one(), low: one(), high: one() };
  if (kind === 2) return { kind: "in", operand: one(), list: [one(), one()] };
  if (kind === 3) return { kind: random.pick(["missing", "null"]), operand: one(), negated: random.chance(0.5) };
  if (kind === 4) return { kind: "function", name: "begins_with", arguments: [one(), one()] };
  if (kind === 5) return { kind: "not", of: partiqlCondition(random, depth - 1) };
  const of = Array.from({ length: 2 + random.below(2) }, () => partiqlCondition(random, depth - 1));
  return { kind: kind === 6 ? "and" : "or", of };
}

function statement(random: Random): PartiqlStatement {
  const table = random.pick(["orders", "my.table", "a-b"]);
  const where = random.chance(0.8) ? partiqlCondition(random, 2) : null;
  const paths = (least: number): DocumentPath[] => Array.from({ length: least + random.below(3) }, () => path(random));
  const returning = random.pick(["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"] as const);
  switch (random.below(4)) {
    case 0: {
      const index = random.chance(0.3) ? "by-date" : null;
      const projection = random.chance(0.3) ? "all" : paths(1);
      return { kind: "select", exists: random.chance(0.2), table, index, projection, where, orderBy: paths(0) };
    }
    case 1:
      return { kind: "insert", table, item: new Map(random.some(NAMES, 1, 4).map((name) => [name, value(random)])) };
    case 2: {
      const set = paths(1).map((each) => ({ path: each, value: partiqlOperand(random, 2) }));
      return { kind: "update", table, set, remove: paths(0), where, returning };
    }
    default:
      return { kind: "delete", table, where, returning };
  }
}

describe("printers", () => {
  it("write what parses to the same tree, whatever the names", () => {
    const random = new Random(4);
    for (let round = 0; round < 1_500; round++) {
      const wanted = condition(random, 3);
      const printed = printCondition(wanted);
      assert.deepEqual(parsedAgain(printed, parseCondition), wanted, printed.expression);
      const projection = Array.from({ length: 1 + random.below(4) }, () => path(random));
      assert.deepEqual(parsedAgain(printProjection(projection), parseProjection), projection);
      const actions = update(random);
      const written = printUpdate(actions);
      assert.deepEqual(parsedAgain(written, parseUpdate), actions, written.expression);
    }
  });

  it("write statements that parse to the same tree with their parameters", () => {
    const random = new Random(5);
    for (let round = 0; round < 2_000; round++) {
      const wanted = statement(random);
      const printed = printStatement(wanted);
      assert.deepEqual(parseStatement(printed.statement, printed.parameters), wanted, printed.statement);
    }
  });
});
