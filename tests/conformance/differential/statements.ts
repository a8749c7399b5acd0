/** Random PartiQL: every kind of statement, alone, in batches and in transactions. */

import { apart, type Body, PATHS, stepsOf } from "./expressions.ts";
import { itemFor, keyFor, plainText, someTable } from "./keys.ts";
import type { Random } from "./random.ts";
import { INDEXES, KEYS, partitionOf, type TableName } from "./tables.ts";
import { PARTITIONS } from "./world.ts";

class Statement {
  readonly parameters: unknown[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  value(value: Readonly<Record<string, unknown>>): string {
    const [tag, content] = Object.entries(value)[0] ?? [];
    if (this.#random.chance(0.5) && tag !== "M" && tag !== "L" && tag !== "B") {
      if (tag === "S") return `'${String(content)}'`;
      if (tag === "N") return String(content);
      if (tag === "SS") return `<<${(content as string[]).map((each) => `'${each}'`).join(",")}>>`;
    }
    this.parameters.push(value);
    return "?";
  }

  path(path: string): string {
    return stepsOf(path)
      .map((step, index) => {
        if (typeof step === "number") return `[${step}]`;
        const quoted = /\W/.test(step) || this.#random.chance(0.3);
        return `${index === 0 ? "" : "."}${quoted ? `"${step}"` : step}`;
      })
      .join("");
  }

  equality(name: string, value: Readonly<Record<string, unknown>>): string {
    return this.#random.chance(0.7) ? `${name} = ${this.value(value)}` : `${this.value(value)} = ${name}`;
  }

  key(table: TableName): string {
    const key = Object.entries(keyFor(table, this.#random));
    return key.map(([name, value]) => this.equality(name, value)).join(" AND ");
  }

  /** A condition beside the key. */
  condition(): string {
    const path = this.path(this.#random.pick(["a", "n", "sec", "m.x", "li[0]", "d.t", "zz"]));
    return this.#random.pick([
      () => `${path} = ${this.value({ S: "x" })}`,
      () => `attribute_exists(${path})`,
      () => `NOT attribute_exists(${path})`,
      () => `${path} IS MISSING`,
      () => `${path} IS NOT NULL`,
      () => `(${path} = 'x' OR ${path} = 'y')`,
      () => `size(${path}) > 1`,
      () => `begins_with(${path}, 'x')`,
      () => `contains(${path}, ${this.value({ S: "x" })})`,
      () => `${path} BETWEEN 'w' AND 'y'`,
      () => `${path} IN ['x', 'z']`,
      () => `${path} = ${this.path(this.#random.pick(["a", "sec", "b"]))}`,
    ])();
  }

  /** A condition on a key attribute that no Query has: with it DynamoDB scans, though the partition is given. */
  oddKeyCondition(name: string): string {
    const value = (): string => this.value(/^(?:sk|l|n|id)$/.test(name) ? { N: "1" } : { S: "zz" });
    return this.#random.pick([
      () => `${name} <> ${value()}`,
      () => `NOT ${name} = ${value()}`,
      () => `${name} NOT BETWEEN ${value()} AND ${value()}`,
      () => `${name} >= ${value()} AND ${name} <> ${value()}`,
    ])();
  }

  toBody(text: string): { Statement: string; Parameters?: unknown[] } {
    return { Statement: text, ...(this.parameters.length > 0 ? { Parameters: this.parameters } : {}) };
  }
}

export function statement(random: Random): Body {
  const made = new Statement(random);
  const text = random.chance(0.5) ? select(random, made) : write(random, made, true);
  return {
    ...made.toBody(text),
    ...(random.chance(0.15) ? { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } : {}),
    ...(text.startsWith("SELECT") && random.chance(0.5) ? { Limit: 1 } : {}),
  };
}

export function batchStatement(random: Random): Body {
  const Statements = statements(random).map((each) =>
    each.Statement.startsWith("SELECT") || random.chance(0.8)
      ? each
      : { ...each, ReturnValuesOnConditionCheckFailure: "ALL_OLD" },
  );
  return { Statements };
}

export function transactStatement(random: Random): Body {
  const parts: object[] = statements(random);
  if (parts.length > 0 && random.chance(0.3)) {
    const made = new Statement(random);
    const table = someTable(random);
    parts.push(made.toBody(`EXISTS(SELECT * FROM ${table} WHERE ${made.key(table)} AND ${made.condition()})`));
  }
  return { TransactStatements: parts };
}

function statements(random: Random): { Statement: string }[] {
  const reads = random.chance(0.5);
  return Array.from({ length: 1 + random.below(2) }, () => {
    const made = new Statement(random);
    return made.toBody(reads ? selectOne(random, made) : write(random, made, false));
  });
}

function columns(random: Random, made: Statement, among: readonly string[]): string {
  if (random.chance(0.3)) return "*";
  return apart(random.some(among, 1, 3))
    .map((path) => made.path(path))
    .join(", ");
}

/** A select of one item by its whole key, of the table or, by the same key, of an index. */
function selectOne(random: Random, made: Statement): string {
  const table = someTable(random);
  const index = random.chance(0.15) ? indexOf(table, random) : undefined;
  const from = index === undefined ? table : `"${table}"."${index}"`;
  const shown = columns(random, made, PATHS);
  return `SELECT ${shown} FROM ${from} WHERE ${made.key(table)}`;
}

function indexOf(table: TableName, random: Random): string | undefined {
  const own = Object.entries(INDEXES).filter(([, index]) => index.table === table);
  return own.length === 0 ? undefined : random.pick(own)[0];
}

function select(random: Random, made: Statement): string {
  const table = someTable(random);
  const index = random.chance(0.45) ? indexOf(table, random) : undefined;
  const holds = index === undefined ? [] : (INDEXES[index]?.holds ?? []);
  const shown = columns(random, made, holds.length > 0 ? holds : PATHS);
  const from = index === undefined ? random.pick([table, `"${table}"`]) : `"${table}"."${index}"`;
  const where: string[] = [];
  const partition = partitionOf(table, index ?? null);
  const values = partitionOf(table, null) === partition ? PARTITIONS[table] : [{ S: "u" }, { S: "v" }];
  const ordered = random.chance(0.1) ? KEYS[table]?.[1] : undefined;
  if (random.chance(0.8)) {
    const form = random.next();
    const [one = {}, other = {}] = random.some(values, 2, 2);
    if (form < 0.15) where.push(`${partition} IN [${made.value(one)}, ${made.value(other)}]`);
    else if (form < 0.25) where.push(`(${made.equality(partition, one)} OR ${made.equality(partition, other)})`);
    else if (form < 0.3) where.push(`${partition} <> ${made.value(one)}`);
    else if (form < 0.5 && index === undefined) where.push(made.key(table));
    else where.push(made.equality(partition, random.pick(values)));
  }
  if (index === undefined && random.chance(0.4)) where.push(made.condition());
  if (random.chance(0.25)) {
    const sort = index === undefined ? KEYS[table]?.[1] : INDEXES[index]?.sort;
    where.push(made.oddKeyCondition(random.pick([sort ?? partition, partitionOf(table, null)])));
  }
  const text = `SELECT ${shown} FROM ${from}${where.length > 0 ? ` WHERE ${where.join(" AND ")}` : ""}`;
  return ordered === undefined ? text : `${text} ORDER BY ${ordered}${random.pick(["", " DESC"])}`;
}

function write(random: Random, made: Statement, returning: boolean): string {
  const table = someTable(random);
  const kind = random.next();
  if (kind < 0.3) {
    const members = Object.entries(itemFor(table, random)).map(([name, value]) => `'${name}': ${made.value(value)}`);
    return `INSERT INTO ${table} VALUE {${members.join(", ")}}`;
  }
  if (kind < 0.5) {
    const key = made.key(table);
    const also = random.chance(0.4) ? ` AND ${made.condition()}` : "";
    return `DELETE FROM "${table}" WHERE ${key}${also}${returning && random.chance(0.4) ? " RETURNING ALL OLD *" : ""}`;
  }
  // Literals and parameters are bound in the order in which they stand: the key comes last.
  const changes = apart(random.some(["a", "b", "n", "ss", "m.x", "li[0]", "li[9]", "zz", "sec"], 1, 3));
  const sets = changes.map((path) => change(path, random, made)).join(" ");
  const key = made.key(table);
  const also = random.chance(0.4) ? ` AND ${made.condition()}` : "";
  const tail = ` RETURNING ${random.pick(["ALL", "MODIFIED"])} ${random.pick(["OLD", "NEW"])} *`;
  return `UPDATE ${table} ${sets} WHERE ${key}${also}${returning && random.chance(0.5) ? tail : ""}`;
}

function change(path: string, random: Random, made: Statement): string {
  const place = made.path(path);
  if (random.chance(0.25)) return `REMOVE ${place}`;
  if (path === "n" && random.chance(0.5)) return `SET ${place} = ${place} + 1`;
  if (path === "ss") return `SET ${place} = ${random.pick(["set_add", "set_delete"])}(${place}, <<'s1'>>)`;
  const value = random.pick([
    () => made.value({ S: "new" }),
    () => made.path(random.pick(["sec", "a", "m.y", "d.t", "b"])),
    () => `if_not_exists(${made.path("sec")}, ${made.value({ S: "new" })})`,
    () => `list_append(${made.path("li")}, ['t'])`,
  ])();
  return `SET ${place} = ${value}`;
}

/** Key values that a text of PartiQL names: its strings and numbers. */
export function literalsOf(text: string): string[] {
  const strings = [...text.matchAll(/'((?:[^']|'')*)'/g)].map(([, inner = ""]) => inner.replaceAll("''", "'"));
  const numbers = [...text.replaceAll(/'(?:[^']|'')*'/g, " ").matchAll(/[-+]?\d[\d.]*(?:e[-+]?\d+)?/gi)];
  return [...strings, ...numbers.map(([number]) => plainText({ N: number }) ?? number)];
}
