/** Runs a request in two worlds that differ only outside its bounds, and says what shows that it went beyond them. */

import { Buffer } from "node:buffer";
import { type Bounds, perturbed } from "./bounds.ts";
import type { Answer, Dynamo } from "./dynamo.ts";
import type { Random } from "./random.ts";
import { spelled, within } from "./tables.ts";
import { canonical, type Item, type Value, type World } from "./world.ts";

/** One run of a request. */
export interface Run {
  readonly answer: Answer;
  readonly before: World;
  readonly after: World;
}

/** Runs a request in a world. */
export async function run(dynamo: Dynamo, send: () => Promise<Answer>, world: World): Promise<Run> {
  await dynamo.hold(world);
  const answer = await send();
  return { answer, before: world, after: await dynamo.held() };
}

/** Runs it again in a world that is another outside the bounds; says in what the two differ that must not. */
export async function leaks(
  dynamo: Dynamo,
  send: () => Promise<Answer>,
  bounds: Bounds,
  first: Run,
  random: Random,
): Promise<string[]> {
  const faults = unannounced(bounds, first);
  const second = await run(dynamo, send, perturbed(bounds, first.before, random));
  const [one, two] = [comparable(first.answer), comparable(second.answer)];
  if (one !== two) faults.push(`the answers differ: ${one} and ${two}`);
  faults.push(...unannounced(bounds, second).map((fault) => `elsewhere, ${fault}`));
  faults.push(...unequal(first, second));
  return faults;
}

/** What was changed beyond the bounds, as sentences. */
export function unannounced(bounds: Bounds, { before, after }: Run): string[] {
  const faults: string[] = [];
  for (const table of before.keys()) {
    for (const [id, was, is] of pairs(before.get(table), after.get(table))) {
      if (was !== undefined && is === undefined) {
        if (!bounds.removes(table, was)) faults.push(`${table} ${id} was removed`);
        continue;
      }
      for (const path of differences(was, is)) {
        if (!bounds.announces(table, (is ?? was) as Item, path)) faults.push(`${table} ${id} changed at ${path}`);
      }
    }
  }
  return faults;
}

/** What came to differ between the worlds though it was the same before. */
function unequal(first: Run, second: Run): string[] {
  const faults: string[] = [];
  for (const table of first.after.keys()) {
    for (const [id, one, two] of pairs(first.after.get(table), second.after.get(table))) {
      const [was, wasThere] = [first.before.get(table)?.get(id), second.before.get(table)?.get(id)];
      // Of an item that was in one world only nothing else can be said than that it was not changed.
      if ((was === undefined) !== (wasThere === undefined)) continue;
      if ((one === undefined) !== (two === undefined)) {
        faults.push(`${table} ${id} is there in one world only`);
        continue;
      }
      const before = differences(was, wasThere);
      for (const path of differences(one, two)) {
        if (!before.some((other) => path === other || within(path, other)))
          faults.push(`${table} ${id} came to differ at ${path}`);
      }
    }
  }
  return faults;
}

function* pairs(
  one: ReadonlyMap<string, Item> = new Map(),
  two: ReadonlyMap<string, Item> = new Map(),
): Generator<[id: string, one: Item | undefined, two: Item | undefined]> {
  for (const id of new Set([...one.keys(), ...two.keys()])) yield [id, one.get(id), two.get(id)];
}

/** Paths at which two items differ, as deep as maps go and, for lists of one length, their elements. */
function differences(one: Item | undefined, two: Item | undefined): string[] {
  const found: string[] = [];
  for (const name of new Set([...Object.keys(one ?? {}), ...Object.keys(two ?? {})])) {
    addDifferences(one?.[name], two?.[name], [name], found);
  }
  return found;
}

function addDifferences(
  before: Value | undefined,
  after: Value | undefined,
  path: readonly (string | number)[],
  found: string[],
): void {
  if (canonical(before) === canonical(after)) return;
  const [one, other] = [before?.["M"], after?.["M"]] as (Item | undefined)[];
  if (one !== undefined && other !== undefined) {
    for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
      addDifferences(one[name], other[name], [...path, name], found);
    }
    return;
  }
  const [list, others] = [before?.["L"], after?.["L"]] as (Value[] | undefined)[];
  if (list !== undefined && others !== undefined && list.length === others.length) {
    for (const [at, element] of list.entries()) addDifferences(element, others[at], [...path, at], found);
    return;
  }
  found.push(spelled(path));
}

/** An answer without what it may tell of everything: capacity, and when a token was made. */
function comparable(answer: Answer): string {
  const { ConsumedCapacity: _capacity, ItemCollectionMetrics: _metrics, NextToken, ...rest } = answer;
  return canonical(typeof NextToken === "string" ? { ...rest, NextToken: withoutTime(NextToken) } : rest);
}

/** A token holds the key at which a statement goes on, and when it was made; a gateway's has a seal behind it. */
function withoutTime(token: string): unknown {
  const [text = ""] = token.split("|");
  const { creationTime: _time, ...rest } = JSON.parse(Buffer.from(text, "base64").toString()) as Answer;
  return rest;
}
