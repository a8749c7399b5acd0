/** What a request may depend on and change, by somebody's word, and two worlds that nobody can tell apart within it. */

import type { Random } from "./random.ts";
import { INDEX_KEYS, KEYS, spelled, type TableName } from "./tables.ts";
import { add, type Item, keyOf, keysOf, NAMES, type Value, valueFor, type World } from "./world.ts";

export interface Bounds {
  /** Where the item lies, in one text: as long as it lies there, the same of it may matter and be changed. */
  placeOf(table: string, item: Item): string;
  /** Whether the item may matter, or be changed. */
  reaches(table: string, item: Item): boolean;
  /** Whether something of what stands at the path of this item may matter. */
  knows(table: string, item: Item, path: string): boolean;
  /** Whether the item may be changed at this path. */
  announces(table: string, item: Item, path: string): boolean;
  /** Whether the item may be removed as a whole. */
  removes(table: string, item: Item): boolean;
}

/** Another world in which everything within the bounds is the same, and much else is not. */
export function perturbed(bounds: Bounds, world: World, random: Random): World {
  const other: World = new Map();
  for (const [table, items] of world) {
    const changed = new Map<string, Item>();
    for (const [id, item] of items) {
      if (bounds.reaches(table, item)) changed.set(id, inside(bounds, table, item, random));
      else if (random.chance(0.6)) changed.set(id, elsewhere(bounds, table, item, random));
    }
    other.set(table, changed);
    // Items that may or may not be there.
    for (const item of keysOf(table as TableName)) {
      const isFree = !items.has(keyOf(table, item)) && !bounds.reaches(table, item);
      if (isFree && random.chance(0.5)) add(other, table, elsewhere(bounds, table, item, random));
    }
  }
  return other;
}

/** An item out of reach with quite other attributes, still out of reach. */
function elsewhere(bounds: Bounds, table: string, item: Item, random: Random): Item {
  for (let tries = 0; tries < 5; tries++) {
    const other: Item = {};
    for (const name of KEYS[table] ?? []) other[name] = item[name] as Value;
    for (const name of NAMES) if (random.chance(0.7)) other[name] = valueFor(name, random);
    if (!bounds.reaches(table, other)) return other;
  }
  return item;
}

/** The item with what must not matter of it changed, where it lies. */
function inside(bounds: Bounds, table: string, item: Item, random: Random): Item {
  const place = bounds.placeOf(table, item);
  for (let tries = 0; tries < 5; tries++) {
    const other = changedWithin(bounds, table, item, random);
    if (bounds.placeOf(table, other) === place) return other;
  }
  return item;
}

function changedWithin(bounds: Bounds, table: string, item: Item, random: Random): Item {
  const other: Item = { ...item };
  const knows = (...path: (string | number)[]): boolean => bounds.knows(table, item, spelled(path));
  for (const name of [...NAMES, "extra"]) {
    if (!knows(name)) {
      const changed = change(table, name, random);
      if (changed === undefined) delete other[name];
      else other[name] = changed;
    } else if (name === "m" && other["m"]?.["M"] !== undefined) {
      const members = { ...(other["m"]["M"] as Item) };
      for (const member of ["x", "y", "d.t"])
        if (!knows("m", member)) members[member] = { S: random.pick(["new", "newer"]) };
      other["m"] = { M: members };
    } else if (name === "li" && other["li"]?.["L"] !== undefined) {
      const list = [...(other["li"]["L"] as Value[])];
      for (const at of [0, 1, 2])
        if (at < list.length && !knows("li", at)) list[at] = { S: random.pick(["new", "newer"]) };
      other["li"] = { L: list };
    }
  }
  return other;
}

function change(table: string, name: string, random: Random): Value | undefined {
  if (random.chance(0.25)) return undefined;
  if (INDEX_KEYS[table]?.includes(name) === true || random.chance(0.5)) return valueFor(name, random);
  return random.pick<Value>([{ S: "other" }, { N: "99" }, { BOOL: true }, { L: [] }, { M: {} }]);
}
