/** The tables of the differential test, their items, and how DynamoDB is talked to. */

import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";

/** A value in DynamoDB's form. */
export type Value = { readonly [tag: string]: unknown };
export type Item = { [name: string]: Value };
/** Items by table, then by key. */
export type World = Map<string, Map<string, Item>>;

const key = (AttributeName: string, KeyType: string): object => ({ AttributeName, KeyType });
const attribute = (AttributeName: string, AttributeType: string): object => ({ AttributeName, AttributeType });

export const TABLES: readonly { readonly TableName: string; readonly [member: string]: unknown }[] = [
  {
    TableName: "items",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      attribute("pk", "S"),
      attribute("sk", "N"),
      attribute("g", "S"),
      attribute("h", "S"),
      attribute("l", "N"),
    ],
    KeySchema: [key("pk", "HASH"), key("sk", "RANGE")],
    GlobalSecondaryIndexes: [
      { IndexName: "by-g", KeySchema: [key("g", "HASH")], Projection: { ProjectionType: "KEYS_ONLY" } },
      {
        IndexName: "by-h",
        KeySchema: [key("h", "HASH"), key("sk", "RANGE")],
        Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["a", "m"] },
      },
    ],
    LocalSecondaryIndexes: [
      { IndexName: "by-l", KeySchema: [key("pk", "HASH"), key("l", "RANGE")], Projection: { ProjectionType: "ALL" } },
    ],
  },
  {
    TableName: "plain",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [attribute("id", "N")],
    KeySchema: [key("id", "HASH")],
  },
];

/** The partition key of a table and of its indexes. */
export const PARTITION: Readonly<Record<string, string>> = {
  items: "pk",
  plain: "id",
  "by-g": "g",
  "by-h": "h",
  "by-l": "pk",
};
export const KEYS: Readonly<Record<string, readonly string[]>> = { items: ["pk", "sk"], plain: ["id"] };
/** Attributes that are keys of an index, and their type. */
export const INDEX_KEYS: Readonly<Record<string, string>> = { g: "S", h: "S", l: "N" };
/** What items have besides their keys. */
export const NAMES = ["g", "h", "l", "a", "b", "n", "m", "li", "ss", "d.t", "sec"] as const;

export function keyOf(table: string, item: Item): string {
  return JSON.stringify((KEYS[table] ?? []).map((name) => item[name]));
}

/** A random value that an attribute of this name may have. */
export function valueFor(name: string, random: Random): Value {
  if (name === "g" || name === "h") return { S: random.pick(["u", "v", "w"]) };
  if (name === "l" || name === "n") return { N: String(random.below(4)) };
  if (name === "m") {
    return {
      M: {
        x: { N: String(random.below(3)) },
        y: { S: random.pick(["p", "q"]) },
        "d.t": { S: random.pick(["p", "q"]) },
      },
    };
  }
  if (name === "li")
    return { L: [{ S: random.pick(["e", "f"]) }, { M: { z: { N: String(random.below(3)) } } }, { N: "7" }] };
  if (name === "ss") return { SS: random.some(["s1", "s2", "s3"], 1, 3) };
  return { S: random.pick(["x", "y", "xx", "z"]) };
}

function itemOf(keys: Item, random: Random): Item {
  const item: Item = { ...keys };
  for (const name of NAMES) if (random.chance(0.8)) item[name] = valueFor(name, random);
  return item;
}

export function worldOf(random: Random): World {
  const world: World = new Map([
    ["items", new Map()],
    ["plain", new Map()],
  ]);
  for (const pk of ["a", "b", "c"]) {
    for (const sk of ["1", "2"])
      if (random.chance(0.85)) add(world, "items", itemOf({ pk: { S: pk }, sk: { N: sk } }, random));
  }
  for (const id of ["1", "2", "3"]) if (random.chance(0.8)) add(world, "plain", itemOf({ id: { N: id } }, random));
  return world;
}

export function add(world: World, table: string, item: Item): void {
  world.get(table)?.set(keyOf(table, item), item);
}

/** DynamoDB, and what is in its tables as far as we put it there. */
export class Dynamo {
  readonly #url: string;
  #held: World = new Map();

  constructor(url: string) {
    this.#url = url;
  }

  async call(operation: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.#url, {
      method: "POST",
      headers: {
        "x-amz-target": `DynamoDB_20120810.${operation}`,
        "content-type": "application/x-amz-json-1.0",
        authorization:
          "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
      },
      body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body),
    });
    const text = await response.text();
    return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  async create(): Promise<void> {
    for (const table of TABLES) {
      const answer = await this.call("CreateTable", table);
      if (answer["__type"] !== undefined) throw new Error(`Cannot create a table: ${JSON.stringify(answer)}`);
      this.#held.set(table.TableName, new Map());
    }
  }

  /** Makes the tables hold this world, writing only what differs. */
  async hold(world: World): Promise<void> {
    const requests: Record<string, object[]> = {};
    for (const [table, items] of world) {
      const held = this.#held.get(table) ?? new Map<string, Item>();
      const writes: object[] = [];
      for (const [id, item] of items) {
        if (canonical(held.get(id)) !== canonical(item)) writes.push({ PutRequest: { Item: item } });
      }
      for (const [id, item] of held) {
        if (items.has(id)) continue;
        writes.push({
          DeleteRequest: { Key: Object.fromEntries((KEYS[table] ?? []).map((name) => [name, item[name]])) },
        });
      }
      if (writes.length > 0) requests[table] = writes;
    }
    if (Object.keys(requests).length > 0) {
      const answer = await this.call("BatchWriteItem", { RequestItems: requests });
      if (answer["__type"] !== undefined) throw new Error(`Cannot write: ${JSON.stringify(answer)}`);
    }
    this.#held = new Map([...world].map(([table, items]) => [table, new Map(items)]));
  }

  /** What the tables hold now. */
  async held(): Promise<World> {
    const world: World = new Map();
    for (const { TableName } of TABLES) {
      const answer = await this.call("Scan", { TableName });
      const items = new Map<string, Item>();
      for (const item of answer["Items"] as Item[]) items.set(keyOf(TableName, item), item);
      world.set(TableName, items);
    }
    this.#held = world;
    return world;
  }
}

/** One text for equal values: members sorted, sets sorted. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (name, part: unknown) => {
      if ((name === "SS" || name === "NS" || name === "BS") && Array.isArray(part))
        return [...(part as string[])].sort();
      if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
      return Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)));
    }) ?? "undefined"
  );
}
