/** Random keys and items, in the spellings that clients may use. */

import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";
import { KEYS, type TableName } from "./tables.ts";
import { type Item, NAMES, PARTITIONS, type Value, valueFor } from "./world.ts";

const SOME_TABLES: readonly TableName[] = ["items", "items", "plain", "bins"];

export function someTable(random: Random): TableName {
  return random.pick(SOME_TABLES);
}

/** The same number in one of its spellings. */
export function oddNumber(text: string, random: Random): string {
  return random.pick([text, text, `${text}.0`, `${text}e0`, `+${text}`, `0${text}`, `${text}0e-1`]);
}

/** A key of the table. Partitions that begin the list come more often, so that requests meet. */
export function keyFor(table: TableName, random: Random): Item {
  const [partition = "", sort] = KEYS[table] ?? [];
  const value = random.pick(random.chance(0.9) ? PARTITIONS[table].slice(0, 3) : PARTITIONS[table]);
  const key: Item = { [partition]: oddSpelling(value, random) };
  if (sort !== undefined) key[sort] = { N: oddNumber(random.pick(["1", "2", "3"]), random) };
  return key;
}

/** A put's item: a key and some attributes. */
export function itemFor(table: TableName, random: Random): Item {
  const item = keyFor(table, random);
  for (const name of random.some(NAMES, 0, 4)) item[name] = valueFor(name, random);
  return item;
}

/** Up to `most` keys of the table, each in one spelling only. */
export function distinctKeys(table: TableName, random: Random, most: number): Item[] {
  const seen = new Set<string>();
  return Array.from({ length: 1 + random.below(most) }, () => keyFor(table, random)).filter((key) => {
    const id = identity(key);
    return seen.has(id) ? false : seen.add(id) !== undefined;
  });
}

/** The same text for a key in any spelling. */
export function identity(key: Item): string {
  return JSON.stringify(Object.entries(key).map(([name, value]) => [name, plainText(value)]));
}

/** The one text of a key value, as rules have it. */
export function plainText(value: Value | undefined): string | undefined {
  const [tag, text] = Object.entries(value ?? {})[0] ?? [];
  if (typeof text !== "string") return undefined;
  if (tag === "N") return String(Number(text));
  return tag === "B" ? Buffer.from(text, "base64").toString("base64") : text;
}

function oddSpelling(value: Value, random: Random): Value {
  const { N, B } = value as { N?: string; B?: string };
  if (N !== undefined) return { N: oddNumber(N, random) };
  // The last character's unused bits set: other text, the same bytes.
  if (B?.endsWith("w==") === true && random.chance(0.05)) return { B: `${B.slice(0, -3)}x==` };
  return value;
}
