/** What the tables of the differential tests hold: random items, and one text for equal values. */

import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";
import { KEYS, NAMES_OF_TABLES, type TableName } from "./tables.ts";

/** A value in DynamoDB's form. */
export type Value = { readonly [tag: string]: unknown };
export type Item = { [name: string]: Value };
/** Items by table, then by key. */
export type World = Map<string, Map<string, Item>>;

/** What items have besides their keys. */
export const NAMES = ["g", "h", "l", "a", "b", "n", "m", "li", "ss", "d.t", "sec"] as const;

/** Partition key values of each table; the last is nobody's at first. No attribute and no other value is called so. */
export const PARTITIONS: Readonly<Record<TableName, readonly Value[]>> = {
  items: ["ka", "kb", "kc", "kd"].map((text) => ({ S: text })),
  plain: ["11", "12", "13", "14"].map((text) => ({ N: text })),
  bins: ["k", "kk", "\u00ffk~", "kkkk"].map((text) => ({ B: Buffer.from(text, "latin1").toString("base64") })),
};
const SORTS: readonly Value[] = [{ N: "1" }, { N: "2" }, { N: "3" }];

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

/** Every key that an item of the table may have here. */
export function keysOf(table: TableName): Item[] {
  const [partition = "", sort] = KEYS[table] ?? [];
  return PARTITIONS[table].flatMap((value): Item[] =>
    sort === undefined ? [{ [partition]: value }] : SORTS.map((other) => ({ [partition]: value, [sort]: other })),
  );
}

export function worldOf(random: Random): World {
  const world: World = new Map();
  for (const table of NAMES_OF_TABLES) {
    world.set(table, new Map());
    const [partition = "", sort = ""] = KEYS[table] ?? [];
    const [last] = PARTITIONS[table].slice(-1);
    for (const key of keysOf(table)) {
      if (key[partition] === last || key[sort]?.["N"] === "3" || !random.chance(0.85)) continue;
      const item: Item = { ...key };
      for (const name of NAMES) if (random.chance(0.8)) item[name] = valueFor(name, random);
      add(world, table, item);
    }
  }
  return world;
}

export function add(world: World, table: string, item: Item): void {
  world.get(table)?.set(keyOf(table, item), item);
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
