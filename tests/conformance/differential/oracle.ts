/** Compares what a request did with what policy was told of it, by changing everything that policy was not told of. */

import { Buffer } from "node:buffer";
import type { Access } from "../../../src/dynamodb/accesses.ts";
import { spellName, spellPath } from "../../../src/dynamodb/document-path.ts";
import type { SentRequest } from "./generator.ts";
import type { Random } from "./random.ts";
import {
  add,
  canonical,
  type Dynamo,
  INDEX_KEYS,
  type Item,
  KEYS,
  keyOf,
  NAMES,
  PARTITION,
  type Value,
  valueFor,
  type World,
} from "./world.ts";

/** What the accesses say of one table together. */
class Told {
  readonly #accesses: readonly Access[];

  constructor(accesses: readonly Access[]) {
    this.#accesses = accesses;
  }

  /** Whether the item lies where an access may work. */
  reaches(item: Item): boolean {
    return this.#accesses.some((access) => isIn(access, item));
  }

  /** Whether a change of this path of the item was announced. */
  announces(item: Item, path: string): boolean {
    return this.#accesses.some(
      (access) =>
        access.level === "write" &&
        isIn(access, item) &&
        (access.whole_item || !access.attributes_known || access.writes.some((told) => overlaps(told, path))),
    );
  }

  /** Whether the item may be removed as a whole. */
  removes(item: Item): boolean {
    return this.#accesses.some((access) => access.whole_item && isIn(access, item));
  }

  /** Whether what stands at the path of this item may matter to the request. */
  knows(item: Item, path: string): boolean {
    return this.#accesses.some(
      (access) =>
        isIn(access, item) && (!access.attributes_known || access.attributes.some((told) => overlaps(told, path))),
    );
  }
}

function isIn(access: Access, item: Item): boolean {
  if (!access.keys_known) return true;
  // The keys that are said to be the table's own are taken for that, of an index too.
  const place = access.own_keys === true ? access.table : access.index;
  const [tag, text] = Object.entries(item[PARTITION[place ?? access.table ?? ""] ?? ""] ?? {})[0] ?? [];
  return access.leading_keys.some((key) => (tag === "N" ? Number(key) === Number(text) : key === text));
}

/** Whether one path lies within the other, or they are the same. */
function overlaps(one: string, other: string): boolean {
  return one === other || within(one, other) || within(other, one);
}

function within(inner: string, outer: string): boolean {
  return inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
}

function toldOf(accesses: readonly Access[], table: string): Told {
  return new Told(accesses.filter((access) => access.table === table));
}

/** Where an access says of an index's keys whose they are, though the index is made otherwise. */
export function misattributed(accesses: readonly Access[]): string[] {
  return accesses.flatMap(({ table, index, own_keys }) => {
    const own = PARTITION[index ?? table ?? ""] === PARTITION[table ?? ""];
    return own_keys === null || own_keys === own ? [] : [`keys of ${table} ${index} are said to be own: ${own_keys}`];
  });
}

/** Paths at which two items differ, as deep as maps go and, for lists of one length, their elements. */
function differences(before: Value | undefined, after: Value | undefined, path: string, found: string[]): void {
  if (canonical(before) === canonical(after)) return;
  const [one, other] = [before?.["M"], after?.["M"]] as (Item | undefined)[];
  if (one !== undefined && other !== undefined) {
    for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
      differences(one[name], other[name], `${path}.${spellName(name)}`, found);
    }
    return;
  }
  const [list, others] = [before?.["L"], after?.["L"]] as (Value[] | undefined)[];
  if (list !== undefined && others !== undefined && list.length === others.length) {
    for (const [at, element] of list.entries()) differences(element, others[at], `${path}[${at}]`, found);
    return;
  }
  found.push(path);
}

/** What was changed without having been announced, as sentences. */
export function unannounced(accesses: readonly Access[], before: World, after: World): string[] {
  const faults: string[] = [];
  for (const table of before.keys()) {
    const told = toldOf(accesses, table);
    const [old, now] = [before.get(table) ?? new Map<string, Item>(), after.get(table) ?? new Map<string, Item>()];
    for (const id of new Set([...old.keys(), ...now.keys()])) {
      const [was, is] = [old.get(id), now.get(id)];
      if (was !== undefined && is === undefined) {
        if (!told.removes(was)) faults.push(`${table} ${id} was removed`);
        continue;
      }
      const paths: string[] = [];
      for (const name of new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})])) {
        differences(was?.[name], is?.[name], spellName(name), paths);
      }
      for (const path of paths)
        if (!told.announces((is ?? was) as Item, path)) faults.push(`${table} ${id} changed at ${path}`);
    }
  }
  return faults;
}

/** Another world in which everything that policy was told of is the same, and much else is not. */
export function perturbed(accesses: readonly Access[], world: World, random: Random): World {
  const other: World = new Map();
  for (const [table, items] of world) {
    const told = toldOf(accesses, table);
    const changed = new Map<string, Item>();
    for (const [id, item] of items) {
      if (told.reaches(item)) changed.set(id, withinTold(told, item, table, random));
      else if (random.chance(0.6)) changed.set(id, elsewhere(told, item, table, random));
    }
    other.set(table, changed);
    for (const item of strangers(table)) {
      if (!told.reaches(item) && !changed.has(keyOf(table, item)) && random.chance(0.5)) {
        add(other, table, elsewhere(told, item, table, random));
      }
    }
  }
  return other;
}

/** Items that may or may not be there. */
function strangers(table: string): Item[] {
  if (table === "plain") return ["1", "2", "3", "4"].map((id) => ({ id: { N: id } }));
  return ["a", "b", "c", "d"].flatMap((pk) => ["1", "2", "3"].map((sk): Item => ({ pk: { S: pk }, sk: { N: sk } })));
}

/** An item that policy was not told of, with quite other attributes, but still not where policy was told of. */
function elsewhere(told: Told, item: Item, table: string, random: Random): Item {
  for (let tries = 0; tries < 5; tries++) {
    const other: Item = {};
    for (const name of KEYS[table] ?? []) other[name] = item[name] as Value;
    for (const name of NAMES) if (random.chance(0.7)) other[name] = valueFor(name, random);
    if (!told.reaches(other)) return other;
  }
  return item;
}

/** The item with what policy was not told of it changed. */
function withinTold(told: Told, item: Item, table: string, random: Random): Item {
  const other: Item = { ...item };
  for (const name of [...NAMES, "extra"]) {
    if (KEYS[table]?.includes(name) === true) continue;
    const path = spellPath([name]);
    if (!told.knows(item, path)) {
      const changed = change(name, random);
      if (changed === undefined) delete other[name];
      else other[name] = changed;
    } else if (name === "m" && other["m"]?.["M"] !== undefined) {
      const members = { ...(other["m"]["M"] as Item) };
      for (const member of ["x", "y", "d.t"])
        if (!told.knows(item, spellPath(["m", member]))) members[member] = { S: random.pick(["new", "newer"]) };
      other["m"] = { M: members };
    } else if (name === "li" && other["li"]?.["L"] !== undefined) {
      const list = [...(other["li"]["L"] as Value[])];
      for (const at of [0, 1, 2])
        if (at < list.length && !told.knows(item, spellPath(["li", at])))
          list[at] = { S: random.pick(["new", "newer"]) };
      other["li"] = { L: list };
    }
  }
  return other;
}

function change(name: string, random: Random): Value | undefined {
  if (random.chance(0.25)) return undefined;
  if (name in INDEX_KEYS || random.chance(0.5)) return valueFor(name, random);
  return random.pick<Value>([{ S: "other" }, { N: "99" }, { BOOL: true }, { L: [] }, { M: {} }]);
}

/** An answer without what it may tell of everything: capacity, and how much was looked at in a full scan. */
export function comparable(answer: Record<string, unknown>): string {
  const { ConsumedCapacity: _capacity, ItemCollectionMetrics: _metrics, NextToken, ...rest } = answer;
  return canonical(typeof NextToken === "string" ? { ...rest, NextToken: withoutTime(NextToken) } : rest);
}

/** A token holds the key at which a statement goes on, and when it was made. */
function withoutTime(token: string): unknown {
  const { creationTime: _time, ...rest } = JSON.parse(Buffer.from(token, "base64").toString()) as Record<
    string,
    unknown
  >;
  return rest;
}

/** Runs a request in two worlds that policy cannot tell apart; says in what they differ. */
export async function leaks(
  dynamo: Dynamo,
  { operation, body }: SentRequest,
  accesses: readonly Access[],
  world: World,
  random: Random,
): Promise<{ readonly faults: string[]; readonly answer: Record<string, unknown> }> {
  await dynamo.hold(world);
  const answer = await dynamo.call(operation, body);
  const after = await dynamo.held();
  const faults = unannounced(accesses, world, after);
  const other = perturbed(accesses, world, random);
  await dynamo.hold(other);
  const answerThere = await dynamo.call(operation, body);
  const afterThere = await dynamo.held();
  const [one, two] = [comparable(answer), comparable(answerThere)];
  if (one !== two) faults.push(`the answers differ: ${one} and ${two}`);
  faults.push(...unannounced(accesses, other, afterThere).map((fault) => `elsewhere, ${fault}`));
  faults.push(...unequalChanges(accesses, after, afterThere));
  return { faults, answer };
}

/** What policy was told of must be the same after the request in both worlds. */
function unequalChanges(accesses: readonly Access[], after: World, afterThere: World): string[] {
  const faults: string[] = [];
  for (const [table, items] of after) {
    const told = toldOf(accesses, table);
    const there = afterThere.get(table) ?? new Map<string, Item>();
    for (const id of new Set([...items.keys(), ...there.keys()])) {
      const [one, two] = [items.get(id), there.get(id)];
      const item = one ?? two;
      if (item === undefined || !told.reaches(item)) continue;
      if ((one === undefined) !== (two === undefined)) {
        // An item that was reached in one world only by what the request itself wrote is compared by its answer.
        faults.push(`${table} ${id} is there in one world only`);
        continue;
      }
      const paths: string[] = [];
      for (const name of new Set([...Object.keys(one ?? {}), ...Object.keys(two ?? {})])) {
        differences(one?.[name], two?.[name], spellName(name), paths);
      }
      for (const path of paths)
        if (told.announces(item, path) && told.knows(item, path) && isExact(accesses, table, path))
          faults.push(`${table} ${id} came to differ at ${path}`);
    }
  }
  return faults;
}

/** Only what was named exactly must be equal; around a named path other members may differ. */
function isExact(accesses: readonly Access[], table: string, path: string): boolean {
  return accesses.some(
    (access) => access.table === table && access.writes.some((told) => told === path || within(path, told)),
  );
}
