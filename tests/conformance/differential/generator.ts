/** A seeded grammar of requests over every operation on items. */

import { INDEX_KEYS, type Item, NAMES, valueFor } from "./world.ts";
import type { Random } from "./random.ts";

export interface Request {
  readonly operation: string;
  readonly body: Record<string, unknown>;
}

/** A request as it is sent: a body as bytes is sent as it is. */
export interface SentRequest {
  readonly operation: string;
  readonly body: Record<string, unknown> | Uint8Array;
}

type Body = Record<string, unknown>;

const PATHS = [...NAMES, "m.x", "m.y", "m.d.t", "li[0]", "li[1].z", "li[2]", "li[9]", "zz", "pk", "sk"] as const;

export function requestOf(random: Random): Request {
  const [operation, make] = random.pick(OPERATIONS);
  const body = make(random);
  for (const [name, value] of Object.entries(body)) if (value === undefined) delete body[name];
  return { operation, body };
}

const OPERATIONS: readonly (readonly [string, (random: Random) => Body])[] = [
  ["GetItem", (random) => ({ ...at(random), ...read(random) })],
  ["Query", query],
  ["Query", query],
  ["Scan", scan],
  [
    "PutItem",
    (random) => ({ ...table(random, itemFor), ...conditional(random), ...returns(random, ["NONE", "ALL_OLD"]) }),
  ],
  ["UpdateItem", update],
  ["UpdateItem", update],
  ["DeleteItem", (random) => ({ ...at(random), ...conditional(random), ...returns(random, ["NONE", "ALL_OLD"]) })],
  ["BatchGetItem", batchGet],
  ["BatchWriteItem", batchWrite],
  ["TransactGetItems", transactGet],
  ["TransactWriteItems", transactWrite],
  ["ExecuteStatement", statement],
  ["ExecuteStatement", statement],
  ["BatchExecuteStatement", batchStatement],
  ["ExecuteTransaction", transactStatement],
];

/** Placeholders of one part, made as they are needed. */
class Placeholders {
  readonly names: Record<string, string> = {};
  readonly values: Record<string, unknown> = {};
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  path(path: string): string {
    const steps = stepsOf(path);
    return steps
      .map((step, at) => {
        if (typeof step === "number") return `[${step}]`;
        const plain = /^[a-z]\w*$/.test(step) && !RESERVED.has(step) && this.#random.chance(0.6);
        return `${at === 0 ? "" : "."}${plain ? step : this.#name(step)}`;
      })
      .join("");
  }

  value(value: unknown): string {
    const placeholder = `:v${Object.keys(this.values).length}`;
    this.values[placeholder] = value;
    return placeholder;
  }

  toBody(): Body {
    return {
      ...(Object.keys(this.names).length > 0 ? { ExpressionAttributeNames: this.names } : {}),
      ...(Object.keys(this.values).length > 0 ? { ExpressionAttributeValues: this.values } : {}),
    };
  }

  #name(name: string): string {
    const known = Object.entries(this.names).find(([, each]) => each === name)?.[0];
    if (known !== undefined && this.#random.chance(0.7)) return known;
    const placeholder = `#n${Object.keys(this.names).length}`;
    this.names[placeholder] = name;
    return placeholder;
  }
}

const RESERVED = new Set(["l"]);

/** `m.d.t` is the member `d.t` of `m`, `d.t` an attribute. */
function stepsOf(path: string): (string | number)[] {
  if (path === "d.t") return ["d.t"];
  if (path === "m.d.t") return ["m", "d.t"];
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== "")
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

function number(text: string, random: Random): string {
  return random.pick([text, text, `${text}.0`, `${text}e0`, `+${text}`, `0${text}`]);
}

function keyFor(name: string, random: Random): Item {
  if (name === "plain") return { id: { N: number(random.pick(["1", "2", "3", "4"]), random) } };
  return { pk: { S: random.pick(["a", "b", "c"]) }, sk: { N: number(random.pick(["1", "2", "3"]), random) } };
}

function at(random: Random): Body {
  const name = random.pick(["items", "items", "plain"]);
  return { TableName: name, Key: keyFor(name, random) };
}

function itemFor(name: string, random: Random): Body {
  const item = keyFor(name, random);
  for (const attribute of random.some(NAMES, 0, 4)) item[attribute] = valueFor(attribute, random);
  return { Item: item };
}

function table(random: Random, more: (name: string, random: Random) => Body): Body {
  const name = random.pick(["items", "items", "plain"]);
  return { TableName: name, ...more(name, random) };
}

function returns(random: Random, values: readonly string[]): Body {
  return {
    ...(random.chance(0.4) ? { ReturnValues: random.pick(values) } : {}),
    ...(random.chance(0.2) ? { ReturnValuesOnConditionCheckFailure: random.pick(["ALL_OLD", "NONE"]) } : {}),
  };
}

function read(random: Random): Body {
  const kind = random.next();
  if (kind < 0.25) return {};
  if (kind < 0.4) return { AttributesToGet: random.some(NAMES, 1, 3) };
  const placeholders = new Placeholders(random);
  return { ProjectionExpression: projection(random, placeholders), ...placeholders.toBody() };
}

function projection(random: Random, placeholders: Placeholders): string {
  return apart(random.some(PATHS, 1, 4))
    .map((path) => placeholders.path(path))
    .join(random.pick([",", ", ", " ,"]));
}

/** Paths none of which lies within another, as DynamoDB demands. */
function apart(paths: readonly string[]): string[] {
  const tops = new Set<string | number | undefined>();
  return paths.filter((path) => {
    const [top] = stepsOf(path);
    if (tops.has(top)) return false;
    tops.add(top);
    return true;
  });
}

function condition(
  random: Random,
  placeholders: Placeholders,
  depth: number,
  among: readonly string[] = PATHS,
): string {
  const kind = random.next();
  const path = random.pick(among);
  const [top = ""] = stepsOf(path);
  const name = placeholders.path(path);
  const value = (): string =>
    placeholders.value(
      path.includes(".") || path.includes("[") ? { N: String(random.below(3)) } : valueFor(String(top), random),
    );
  if (depth > 0 && kind < 0.2) {
    return `${condition(random, placeholders, depth - 1, among)} ${random.pick(["AND", "or", "OR", "and"])} ${condition(random, placeholders, depth - 1, among)}`;
  }
  if (depth > 0 && kind < 0.28) return `NOT (${condition(random, placeholders, depth - 1, among)})`;
  if (depth > 0 && kind < 0.33) return `(${condition(random, placeholders, 0, among)})`;
  if (kind < 0.5)
    return random.chance(0.5) ? `${name} ${random.pick(["=", "<>", "<", ">="])} ${value()}` : `${value()} = ${name}`;
  if (kind < 0.6) return `attribute_exists(${name})`;
  if (kind < 0.7) return `attribute_not_exists(${name})`;
  if (kind < 0.76) return `size(${name}) > ${placeholders.value({ N: "1" })}`;
  if (kind < 0.81) return `begins_with(${name}, ${placeholders.value({ S: "x" })})`;
  if (kind < 0.86) return `contains(${name}, ${placeholders.value({ S: "s1" })})`;
  if (kind < 0.9) return `${name} IN (${value()}, ${value()})`;
  if (kind < 0.93) return `attribute_type(${name}, ${placeholders.value({ S: random.pick(["S", "N", "M"]) })})`;
  return `${name} = ${placeholders.path(random.pick(among))}`;
}

function legacyComparison(name: string, random: Random): object {
  const operator = random.pick(["EQ", "NE", "GT", "NULL", "NOT_NULL", "BEGINS_WITH", "IN"]);
  if (operator === "NULL" || operator === "NOT_NULL") return { ComparisonOperator: operator };
  if (operator === "BEGINS_WITH") return { ComparisonOperator: operator, AttributeValueList: [{ S: "x" }] };
  const value = name === "m" || name === "li" || name === "ss" ? { S: "x" } : valueFor(name, random);
  return { ComparisonOperator: operator, AttributeValueList: [value] };
}

function legacyFilter(random: Random, member: string): Body {
  const names = random.some(NAMES, 1, 2);
  return {
    [member]: Object.fromEntries(names.map((name) => [name, legacyComparison(name, random)])),
    ...(names.length > 1 && random.chance(0.5) ? { ConditionalOperator: random.pick(["AND", "OR"]) } : {}),
  };
}

function conditional(random: Random): Body {
  const kind = random.next();
  if (kind < 0.4) return {};
  if (kind < 0.5) return legacyFilter(random, "Expected");
  if (kind < 0.55) return { Expected: { [random.pick(["pk", "id", "a", "sec"])]: { Exists: false } } };
  if (kind < 0.6) return { Expected: { [random.pick(["a", "sec"])]: { Value: { S: random.pick(["x", "y"]) } } } };
  const placeholders = new Placeholders(random);
  const text = random.chance(0.25)
    ? `attribute_not_exists(${placeholders.path(random.pick(["pk", "sk", "id"]))})`
    : condition(random, placeholders, 2);
  return { ConditionExpression: text, ...placeholders.toBody() };
}

function updateExpression(random: Random, placeholders: Placeholders): string {
  const paths = apart(
    random.some(
      PATHS.filter((path) => path !== "pk" && path !== "sk"),
      1,
      4,
    ),
  );
  const clauses = new Map<string, string[]>();
  const put = (clause: string, text: string): void => {
    clauses.set(clause, [...(clauses.get(clause) ?? []), text]);
  };
  for (const path of paths) {
    const name = placeholders.path(path);
    const [top = ""] = stepsOf(path);
    const other = placeholders.path.bind(placeholders);
    const kind = random.next();
    if (kind < 0.25) put("REMOVE", name);
    else if (kind < 0.33 && (path === "n" || path === "m.x" || path === "zz"))
      put("ADD", `${name} ${placeholders.value({ N: "1" })}`);
    else if (kind < 0.4 && path === "ss")
      put(random.pick(["ADD", "DELETE"]), `${name} ${placeholders.value({ SS: ["s1"] })}`);
    else if (kind < 0.55 && !(top in INDEX_KEYS))
      put("SET", `${name} = ${other(random.pick(["sec", "a", "m.y", "li[0]", "d.t"]))}`);
    else if (kind < 0.65 && !(top in INDEX_KEYS)) {
      put(
        "SET",
        `${name} = if_not_exists(${other(random.pick(["zz", "sec", "b"]))}, ${placeholders.value({ S: "new" })})`,
      );
    } else if (kind < 0.72 && path === "li")
      put("SET", `${name} = list_append(${other("li")}, ${placeholders.value({ L: [{ S: "t" }] })})`);
    else if (kind < 0.8 && path === "n") put("SET", `${name} = ${other("n")} + ${placeholders.value({ N: "1" })}`);
    else put("SET", `${name} = ${placeholders.value(valueFor(String(top), random))}`);
  }
  return [...clauses].map(([clause, actions]) => `${clause} ${actions.join(", ")}`).join(" ");
}

function update(random: Random): Body {
  const all = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"];
  if (random.chance(0.15)) {
    const updates = random.some(["a", "b", "n", "sec", "zz"], 1, 3).map((name): [string, object] => {
      const action = random.pick(["PUT", "DELETE", "PUT"]);
      return [name, action === "DELETE" ? { Action: action } : { Action: action, Value: valueFor(name, random) }];
    });
    return {
      ...at(random),
      AttributeUpdates: Object.fromEntries(updates),
      ...(random.chance(0.4) ? legacyFilter(random, "Expected") : {}),
      ...returns(random, all),
    };
  }
  const placeholders = new Placeholders(random);
  return {
    ...at(random),
    UpdateExpression: updateExpression(random, placeholders),
    ...(random.chance(0.4) ? { ConditionExpression: condition(random, placeholders, 1) } : {}),
    ...placeholders.toBody(),
    ...returns(random, all),
  };
}

function searched(random: Random, index: string | undefined, placeholders: Placeholders): Body {
  const kind = random.next();
  const filter = random.chance(0.5) ? { FilterExpression: condition(random, placeholders, 1, FILTERS) } : {};
  const limit = random.chance(0.3) ? { Limit: 1 + random.below(2) } : {};
  if (kind < 0.25) return { ...filter, ...limit };
  if (kind < 0.4) return { ...filter, ...limit, Select: "COUNT" };
  if (kind < 0.5 && index === undefined) return { ...filter, ...limit, Select: "ALL_ATTRIBUTES" };
  if (kind < 0.6 && index !== undefined) return { ...filter, ...limit, Select: "ALL_PROJECTED_ATTRIBUTES" };
  const within = index === "by-g" ? ["g", "pk", "sk"] : index === "by-h" ? ["h", "a", "m.x", "m", "pk"] : PATHS;
  const paths = apart(random.some(within, 1, 3)).map((path) => placeholders.path(path));
  return { ...filter, ...limit, ProjectionExpression: paths.join(", ") };
}

const FILTERS = PATHS.filter((path) => !["pk", "sk", "g", "h", "l"].includes(path));

function query(random: Random): Body {
  const index = random.pick([undefined, undefined, undefined, "by-g", "by-h", "by-l"]);
  const placeholders = new Placeholders(random);
  const partition = index === "by-g" ? "g" : index === "by-h" ? "h" : "pk";
  const sort = index === "by-l" ? "l" : index === "by-g" ? undefined : "sk";
  const value = partition === "pk" ? { S: random.pick(["a", "b", "c"]) } : { S: random.pick(["u", "v"]) };
  const base = { TableName: "items", ...(index === undefined ? {} : { IndexName: index }) };
  if (random.chance(0.15)) {
    return {
      ...base,
      KeyConditions: {
        [partition]: { ComparisonOperator: "EQ", AttributeValueList: [value] },
        ...(sort !== undefined && random.chance(0.5)
          ? { [sort]: { ComparisonOperator: random.pick(["EQ", "GE"]), AttributeValueList: [{ N: "1" }] } }
          : {}),
      },
      ...(random.chance(0.5) ? legacyFilterOf(random) : {}),
      ...(random.chance(0.3) ? { Select: "COUNT" } : {}),
    };
  }
  const equality = random.chance(0.7)
    ? `${placeholders.path(partition)} = ${placeholders.value(value)}`
    : `${placeholders.value(value)} = ${placeholders.path(partition)}`;
  const range =
    sort === undefined || random.chance(0.5)
      ? undefined
      : random.pick([
          () => `${placeholders.path(sort)} = ${placeholders.value({ N: number("1", random) })}`,
          () =>
            `${placeholders.path(sort)} BETWEEN ${placeholders.value({ N: "0" })} AND ${placeholders.value({ N: "2" })}`,
          () => `${placeholders.path(sort)} >= ${placeholders.value({ N: "1" })}`,
        ])();
  const parts = range === undefined ? [equality] : random.chance(0.5) ? [equality, range] : [range, equality];
  return {
    ...base,
    KeyConditionExpression: random.chance(0.2) ? parts.map((part) => `(${part})`).join(" and ") : parts.join(" AND "),
    ...searched(random, index, placeholders),
    ...placeholders.toBody(),
    ...(random.chance(0.3) ? { ScanIndexForward: false } : {}),
  };
}

function legacyFilterOf(random: Random): Body {
  const name = random.pick(["a", "n", "sec", "b"]);
  return { QueryFilter: { [name]: legacyComparison(name, random) } };
}

function scan(random: Random): Body {
  const index = random.pick([undefined, undefined, "by-g", "by-h"]);
  const placeholders = new Placeholders(random);
  const TableName = index === undefined ? random.pick(["items", "plain"]) : "items";
  const base = { TableName, ...(index === undefined ? {} : { IndexName: index }) };
  if (random.chance(0.15)) return { ...base, ...legacyFilter(random, "ScanFilter") };
  return { ...base, ...searched(random, index, placeholders), ...placeholders.toBody() };
}

function distinctKeys(name: string, random: Random, most: number): Item[] {
  const seen = new Set<string>();
  return Array.from({ length: 1 + random.below(most) }, () => keyFor(name, random)).filter((key) => {
    const id = JSON.stringify(
      Object.values(key).map((value) => (value["N"] === undefined ? value : Number(value["N"]))),
    );
    return seen.has(id) ? false : seen.add(id) !== undefined;
  });
}

function batchGet(random: Random): Body {
  const tables = random.some(["items", "plain"], 1, 2);
  return {
    RequestItems: Object.fromEntries(
      tables.map((name) => [name, { Keys: distinctKeys(name, random, 3), ...read(random) }]),
    ),
  };
}

function batchWrite(random: Random): Body {
  const tables = random.some(["items", "plain"], 1, 2);
  const writes = (name: string): object[] =>
    distinctKeys(name, random, 3).map((key) => {
      if (random.chance(0.4)) return { DeleteRequest: { Key: key } };
      const item = { ...key };
      for (const attribute of random.some(NAMES, 0, 3)) item[attribute] = valueFor(attribute, random);
      return { PutRequest: { Item: item } };
    });
  return { RequestItems: Object.fromEntries(tables.map((name) => [name, writes(name)])) };
}

function transactGet(random: Random): Body {
  const parts = Array.from({ length: 1 + random.below(3) }, () => {
    const { AttributesToGet: _, ...rest } = read(random);
    return { Get: { ...at(random), ...rest } };
  });
  return { TransactItems: unique(parts, (part) => part.Get as Body) };
}

function transactWrite(random: Random): Body {
  const parts = Array.from({ length: 1 + random.below(3) }, (): Body => {
    const placeholders = new Placeholders(random);
    const onFailure = random.chance(0.2) ? { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } : {};
    const kind = random.pick(["Put", "Update", "Delete", "ConditionCheck"]);
    const conditionText = (): Body => ({ ConditionExpression: condition(random, placeholders, 1) });
    const maybe = (): Body => (random.chance(0.5) ? conditionText() : {});
    const part: Body =
      kind === "Put"
        ? { ...table(random, itemFor), ...maybe() }
        : kind === "Update"
          ? { ...at(random), UpdateExpression: updateExpression(random, placeholders), ...maybe() }
          : { ...at(random), ...(kind === "Delete" ? maybe() : conditionText()) };
    return { [kind]: { ...part, ...placeholders.toBody(), ...onFailure } };
  });
  return { TransactItems: unique(parts, (part) => Object.values(part)[0] as Body) };
}

/** Transactions name each item once. */
function unique<T>(parts: readonly T[], bodyOf: (part: T) => Body): T[] {
  const seen = new Set<string>();
  return parts.filter((part) => {
    const body = bodyOf(part);
    const source = (body["Key"] ?? body["Item"]) as Item;
    const id = JSON.stringify([body["TableName"], source["pk"], source["id"] ?? Number(source["sk"]?.["N"])]);
    return seen.has(id) ? false : seen.add(id) !== undefined;
  });
}

class Statement {
  readonly parameters: unknown[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  value(value: Readonly<Record<string, unknown>>): string {
    const [tag, content] = Object.entries(value)[0] ?? [];
    if (this.#random.chance(0.5)) {
      this.parameters.push(value);
      return "?";
    }
    if (tag === "S") return `'${String(content)}'`;
    if (tag === "N") return String(content);
    if (tag === "SS") return `<<${(content as string[]).map((each) => `'${each}'`).join(",")}>>`;
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

  key(name: string): string {
    const key = keyFor(name, this.#random);
    const parts = Object.entries(key).map(([attribute, value]) =>
      this.#random.chance(0.7) ? `${attribute} = ${this.value(value)}` : `${this.value(value)} = ${attribute}`,
    );
    return parts.join(" AND ");
  }

  /** A condition beside the key. */
  condition(): string {
    const path = this.path(this.#random.pick(["a", "n", "sec", "m.x", "li[0]", "d.t", "zz"]));
    return this.#random.pick([
      () => `${path} = ${this.value({ S: "x" })}`,
      () => `attribute_exists(${path})`,
      () => `NOT attribute_exists(${path})`,
      () => `${path} IS MISSING`,
      () => `(${path} = 'x' OR ${path} = 'y')`,
      () => `size(${path}) > 1`,
    ])();
  }

  /** A condition on a key attribute that no Query has: with it DynamoDB scans, though the partition is given. */
  oddKeyCondition(name: string): string {
    const value = (): string => this.value(/^(?:sk|l|id)$/.test(name) ? { N: "1" } : { S: "zz" });
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

function select(random: Random, statement: Statement, whole: boolean): string {
  const name = random.pick(["items", "items", "plain"]);
  const index = !whole && name === "items" ? random.pick([undefined, undefined, "by-g", "by-h", "by-l"]) : undefined;
  const columns =
    index === "by-g" || random.chance(0.3)
      ? "*"
      : apart(random.some(index === "by-h" ? ["a", "m.x", "h", "pk"] : PATHS, 1, 3))
          .map((path) => statement.path(path))
          .join(", ");
  const from = index === undefined ? random.pick([name, `"${name}"`]) : `"${name}"."${index}"`;
  const where: string[] = [];
  if (whole) where.push(statement.key(name));
  else if (random.chance(0.75)) {
    if (name === "plain") where.push(statement.key(name));
    else if (index === "by-g" || index === "by-h")
      where.push(`${index === "by-g" ? "g" : "h"} = ${statement.value({ S: random.pick(["u", "v"]) })}`);
    else {
      const form = random.next();
      if (form < 0.2) where.push(`pk IN [${statement.value({ S: "a" })}, ${statement.value({ S: "c" })}]`);
      else if (form < 0.4) where.push(`pk = 'a' OR pk = 'b'`);
      else where.push(`pk = ${statement.value({ S: random.pick(["a", "b", "c"]) })}`);
    }
  }
  if (!whole && index === undefined && random.chance(0.4)) where.push(statement.condition());
  if (!whole && random.chance(0.25)) {
    where.push(statement.oddKeyCondition(random.pick(name === "plain" ? ["id"] : [sortKeyOf(index), "pk"])));
  }
  return `SELECT ${columns} FROM ${from}${where.length > 0 ? ` WHERE ${where.join(" AND ")}` : ""}`;
}

function sortKeyOf(index: string | undefined): string {
  return index === "by-l" ? "l" : index === "by-g" ? "g" : "sk";
}

function write(random: Random, statement: Statement, returning: boolean): string {
  const name = random.pick(["items", "items", "plain"]);
  const kind = random.next();
  if (kind < 0.3) {
    const item = { ...keyFor(name, random), ...itemAttributes(random) };
    const members = Object.entries(item).map(([attribute, value]) => `'${attribute}': ${statement.value(value)}`);
    return `INSERT INTO ${name} VALUE {${members.join(", ")}}`;
  }
  if (kind < 0.5) {
    const also = random.chance(0.4) ? ` AND ${statement.condition()}` : "";
    const tail = returning && random.chance(0.4) ? " RETURNING ALL OLD *" : "";
    return `DELETE FROM "${name}" WHERE ${statement.key(name)}${also}${tail}`;
  }
  const sets = apart(random.some(["a", "b", "n", "m.x", "li[0]", "li[9]", "zz", "sec"], 1, 3)).map((path) => {
    const place = statement.path(path);
    if (random.chance(0.25)) return `REMOVE ${place}`;
    const value = random.pick([
      () => statement.value({ S: "new" }),
      () => statement.path(random.pick(["sec", "a", "m.y", "d.t"])),
      () => `if_not_exists(${statement.path("sec")}, ${statement.value({ S: "new" })})`,
    ])();
    return `SET ${place} = ${value}`;
  });
  const also = random.chance(0.4) ? ` AND ${statement.condition()}` : "";
  const tail =
    returning && random.chance(0.5)
      ? ` RETURNING ${random.pick(["ALL", "MODIFIED"])} ${random.pick(["OLD", "NEW"])} *`
      : "";
  // Literals and parameters are bound in the order in which they stand: the key comes last.
  return `UPDATE ${name} ${sets.join(" ")} WHERE ${statement.key(name)}${also}${tail}`;
}

function itemAttributes(random: Random): Item {
  const item: Item = {};
  for (const name of random.some(NAMES, 0, 3)) item[name] = valueFor(name, random);
  return item;
}

function statement(random: Random): Body {
  const made = new Statement(random);
  const text = random.chance(0.5) ? select(random, made, false) : write(random, made, true);
  return {
    ...made.toBody(text),
    ...(random.chance(0.15) ? { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } : {}),
    ...(text.startsWith("SELECT") && random.chance(0.5) ? { Limit: 1 } : {}),
  };
}

function statements(random: Random): { Statement: string }[] {
  const reads = random.chance(0.5);
  return Array.from({ length: 1 + random.below(2) }, () => {
    const made = new Statement(random);
    return made.toBody(reads ? select(random, made, true) : write(random, made, false));
  });
}

function batchStatement(random: Random): Body {
  return { Statements: statements(random) };
}

function transactStatement(random: Random): Body {
  const parts = statements(random);
  if (parts[0]?.Statement.startsWith("SELECT") === false && random.chance(0.3)) {
    const made = new Statement(random);
    parts.push(made.toBody(`EXISTS(SELECT * FROM items WHERE ${made.key("items")} AND ${made.condition()})`));
  }
  return { TransactStatements: parts };
}
