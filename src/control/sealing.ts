/** The life of the keys that seal a cluster's secrets: which one seals, a new one, and the end of an old one. */

import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { KeyRing } from "../identity/sealing.ts";
import { UNGUARDED } from "../store/guarded-store.ts";
import { isRace } from "../store/store-errors.ts";
import type { Store, StoredResource, StoredValue, Write } from "../store/store.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";
import { keysSealing, resealed, SEALED_KINDS } from "./sealed-values.ts";

/** Where the keys of a ring are kept. */
export interface KeyPlace {
  readonly type: "file" | "kms";
  /** How long other processes take to know a key that was added, in milliseconds. */
  readonly spread: number;
  /** All that are there. */
  read(): Promise<KeyRing>;
  /** Adds one, which opens from now on and does not seal yet. @returns its id */
  add(): Promise<string>;
  drop(id: string): Promise<void>;
}

export interface SealingOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly keys: KeyPlace;
  readonly events: EventSink;
  readonly clock: Clock;
  /** Told how many values were sealed anew so far. */
  readonly progress?: (count: number) => void;
}

/** A key, and what hangs on it. */
export interface KeyStatus {
  readonly id: string;
  /** `sealing`: seals. `new`: opens, and will seal after the next rotation. `old`: only opens. `missing`: is not here. */
  readonly state: "sealing" | "new" | "old" | "missing";
  /** How many resources hold something that it sealed, by kind. */
  readonly seals: Readonly<Record<string, number>>;
}

/** The kind under which the store says which key seals. */
export const SEALING_STATE = "sealing_state";
const STATE = { kind: SEALING_STATE, name: "ring" } as const;
/** Whoever had an old key in memory when a new one came has sealed its last value and written it by then. */
const RETIRE_AFTER_MS = 60_000;
const BATCH = 20;
const MAX_PASSES = 100;

interface State {
  readonly version: 1;
  readonly seals: string;
  /** Milliseconds since the epoch from when on. */
  readonly since: number;
  /** Those that sealed before, also when they are gone: none of them ever seals again. */
  readonly old: readonly string[];
}

const FORM: z.ZodType<State> = z.strictObject({
  version: z.literal(1),
  seals: z.string(),
  since: z.number().int(),
  old: z.array(z.string()),
});

/** Lets the key seal of which the cluster's store says so. @throws PosternError `sealing_key_lost` when it is not here */
export async function followState(cluster: Cluster, ring: KeyRing, keys: KeyRing = ring): Promise<void> {
  const { state } = await readState(cluster.store);
  ring.become(keys, state?.seals ?? ring.ids[0] ?? "");
}

/** The keys that are here or that something is sealed by. */
export async function sealingStatus({
  cluster,
  ring,
  keys,
}: Pick<SealingOptions, "cluster" | "ring" | "keys">): Promise<readonly KeyStatus[]> {
  const { state } = await readState(cluster.store);
  const here = (await keys.read()).ids;
  const seals = state?.seals ?? ring.ids[0] ?? "";
  const counts = await countBySealing(cluster.store.inner);
  return [...new Set([seals, ...here, ...counts.keys()])].map((id) => ({
    id,
    state: !here.includes(id) ? "missing" : id === seals ? "sealing" : state?.old.includes(id) === true ? "old" : "new",
    seals: counts.get(id) ?? {},
  }));
}

/** What a rotation did. */
export interface SealingRotation {
  readonly key: string;
  /** `prepared`: the key opens and does not seal yet. `finished`: an earlier rotation was brought to its end. */
  readonly done: "prepared" | "rotated" | "finished";
  /** How many resources were sealed anew. */
  readonly resealed: number;
}

/**
 * Lets a new key seal, and seals anew what others sealed. Broken off at any instant, it is gone on with by the next call,
 * which then makes no further key.
 *
 * @param options `prepare`: only adds the key, so that it can be carried to other machines before it seals
 * @throws PosternError `sealing_rotation_raced` when somebody else does the same, and what keys and store throw
 */
export async function rotateSealing(
  user: string,
  options: SealingOptions & { readonly prepare: boolean },
): Promise<SealingRotation> {
  const { cluster, ring, keys, clock, events } = options;
  const first = await stateOf(cluster, ring, clock);
  const counts = await countBySealing(cluster.store.inner);
  const here = (await keys.read()).ids;
  const isUnfinished = first.state.old.some((id) => counts.has(id) && here.includes(id));
  if (isUnfinished) return { key: first.state.seals, done: "finished", resealed: await resealAll(options) };
  const known = new Set([first.state.seals, ...first.state.old]);
  const waiting = here.find((id) => !known.has(id));
  const key = waiting ?? (await keys.add());
  if (options.prepare) return { key, done: "prepared", resealed: 0 };
  // What is sealed must open wherever it is read.
  if (waiting === undefined) await sleep(keys.spread);
  const fresh = await keys.read();
  const { seals, old } = first.state;
  const next: State = { version: 1, seals: key, since: clock.now(), old: [...old.filter((id) => id !== key), seals] };
  try {
    await cluster.store.write([{ op: "update", ...STATE, value: { ...next }, revision: first.revision }]);
  } catch (thrown) {
    if (!isRace(thrown)) throw thrown;
    throw new PosternError("sealing_rotation_raced", "Cannot rotate the sealing key: somebody else does it just now", {
      cause: thrown,
      hint: "look at postern ctl sealing status",
    });
  }
  ring.become(fresh, key);
  await events.record({ event: "postern.sealing.rotated", code: "PSK01I", user, key_id: key });
  return { key, done: "rotated", resealed: await resealAll(options) };
}

/**
 * Drops the keys that nothing is sealed by any more. @returns their ids
 *
 * @throws PosternError `sealing_key_in_use` with what is still sealed by one, or how long to wait
 */
export async function retireSealing({ cluster, ring, keys, clock }: SealingOptions): Promise<readonly string[]> {
  const { state } = await stateOf(cluster, ring, clock);
  const here = (await keys.read()).ids;
  const old = here.filter((id) => id !== state.seals && state.old.includes(id));
  const waits = state.since + RETIRE_AFTER_MS;
  if (old.length > 0 && clock.now() < waits) {
    throw inUse(old[0] ?? "", `another process may still be writing what it sealed`, {
      hint: `try again after ${new Date(waits).toISOString()}`,
    });
  }
  const counts = await countBySealing(cluster.store.inner);
  for (const id of old) {
    const sealed = Object.entries(counts.get(id) ?? {});
    if (sealed.length === 0) continue;
    const what = sealed.map(([kind, count]) => `${count} of ${kind}`).join(", ");
    throw inUse(id, `it still seals ${what}`, { hint: remedyFor(sealed.map(([kind]) => kind)) });
  }
  for (const id of old) await keys.drop(id);
  return old;
}

function remedyFor(kinds: readonly string[]): string {
  const unknown = kinds.find((kind) => !SEALED_KINDS.some((one) => one.kind === kind));
  return unknown === undefined
    ? "seal them anew: postern ctl sealing rotate"
    : `this version does not know how kind ${unknown} is sealed: use the version that wrote it`;
}

/** Seals anew what other keys sealed, until a pass finds nothing. Who writes meanwhile is never overwritten. */
async function resealAll({ cluster, ring, progress }: SealingOptions): Promise<number> {
  let count = 0;
  for (let pass = 1; pass <= MAX_PASSES; pass += 1) {
    let found = 0;
    for (const { kind } of SEALED_KINDS) {
      // What has no seal of the guard must not get one.
      const store: Store = UNGUARDED.has(kind) ? cluster.store.inner : cluster.store;
      for (let after: string | undefined; ;) {
        const page = await store.list(kind, { limit: BATCH, ...(after === undefined ? {} : { after }) });
        after = page.at(-1)?.name;
        const writes = page.flatMap((one) => writeOf(one, resealed(one, ring)));
        found += writes.length;
        count += await written(store, writes);
        progress?.(count);
        if (after === undefined || page.length < BATCH) break;
      }
    }
    if (found === 0) return count;
  }
  throw new PosternError("store_unavailable", "Cannot seal everything anew: others write all the while", {
    hint: "run postern ctl sealing rotate again",
  });
}

/** All at once, or one by one when somebody was faster with one of them; that one is for the next pass. */
async function written(store: Store, writes: readonly Write[]): Promise<number> {
  if (writes.length === 0) return 0;
  try {
    await store.write(writes);
    return writes.length;
  } catch (thrown) {
    if (!isRace(thrown)) throw thrown;
    if (writes.length === 1) return 0;
  }
  let count = 0;
  for (const write of writes) count += await written(store, [write]);
  return count;
}

function writeOf({ kind, name, revision, expiresAt }: StoredResource, value: StoredValue | undefined): Write[] {
  if (value === undefined) return [];
  return [{ op: "update", kind, name, value, revision, ...(expiresAt === undefined ? {} : { expiresAt }) }];
}

/** By id of the key, how many resources of each kind it seals. */
async function countBySealing(inner: Store): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>> {
  const counts = new Map<string, Record<string, number>>();
  for await (const resource of inner.snapshot()) {
    const { kind } = resource;
    for (const id of new Set(keysSealing(resource))) {
      const one = counts.get(id) ?? {};
      one[kind] = (one[kind] ?? 0) + 1;
      counts.set(id, one);
    }
  }
  return counts;
}

async function readState(store: Store): Promise<{ readonly state: State | undefined; readonly revision: string }> {
  const found = await store.get(STATE.kind, STATE.name);
  if (found === undefined) return { state: undefined, revision: "" };
  return { state: FORM.parse(found.value), revision: found.revision };
}

/** The state, written when there is none: before a second key comes, the store must say that the first one seals. */
async function stateOf(
  { store }: Cluster,
  ring: KeyRing,
  clock: Clock,
): Promise<{ readonly state: State; readonly revision: string }> {
  const { state, revision } = await readState(store);
  if (state !== undefined) return { state, revision };
  const value: State = { version: 1, seals: ring.ids[0] ?? "", since: clock.now(), old: [] };
  await store.write([{ op: "create", ...STATE, value: { ...value } }]).catch((thrown: unknown) => {
    if (!isRace(thrown)) throw thrown;
  });
  return stateOf({ store } as Cluster, ring, clock);
}

function inUse(id: string, reason: string, options: { readonly hint: string }): PosternError {
  return new PosternError("sealing_key_in_use", `Cannot retire sealing key ${id}: ${reason}`, options);
}
