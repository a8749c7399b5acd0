/** A cluster's own state: its name, the key that guards its store, and its certificate authorities; made when it is new. */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { Secret } from "../base/secret.ts";
import {
  type Authority,
  type AuthorityKind,
  forHosts,
  newAuthority,
  parseAuthority,
  pinsOf,
} from "../identity/authority.ts";
import { newAuthorityKey } from "../identity/authority-keys.ts";
import { quoted } from "../identity/names.ts";
import type { KeyRing, SealingContext } from "../identity/sealing.ts";
import { requireWhole } from "../store/backup.ts";
import { GUARD_KEY, GuardedStore, type OnTampered, UNGUARDED } from "../store/guarded-store.ts";
import type { Store, StoredValue, Write } from "../store/store.ts";

export interface ClusterOptions {
  /** The store as it is; what is read and written from here on goes through its guard. */
  readonly store: Store;
  readonly ring: KeyRing;
  /** The name of a new cluster; a cluster that is there must have it. */
  readonly name: string;
  readonly clock: Clock;
  /** Told of what in the store is not as it was written. */
  readonly onTampered?: OnTampered | undefined;
}

/** An open cluster. */
export interface Cluster {
  readonly name: string;
  /** Made with the cluster; no other has it. */
  readonly id: string;
  readonly store: GuardedStore;
  authority(kind: AuthorityKind): Promise<Authority>;
  /** By what new nodes know the cluster: the pins of the host authority, first the one of which doors show a certificate. */
  pins(): Promise<readonly string[]>;
}

/**
 * Opens a cluster, or makes it in an empty store. Several nodes may do so at once; the first makes it.
 *
 * @throws PosternError `cluster_name_changed`, `store_unguarded` when the store holds resources but no guard's key, and what
 * store and ring throw
 */
export async function openCluster({ store: inner, ring, name, clock, onTampered }: ClusterOptions): Promise<Cluster> {
  await requireWhole(inner, "open the cluster in this store");
  const store = new GuardedStore(inner, await guardKey(inner, ring), onTampered);
  const known = (await store.get(CLUSTER.kind, CLUSTER.name))?.value ?? (await make(store, { ring, name, clock }));
  const { name: found, id } = known as { readonly name?: unknown; readonly id?: unknown };
  if (typeof found !== "string" || typeof id !== "string")
    throw unguarded("what it says of its cluster cannot be read");
  if (found !== name) {
    throw new PosternError(
      "cluster_name_changed",
      `Cannot open the cluster as ${quoted(name)}: its name is ${quoted(found)}`,
      {
        hint: `set auth_service.cluster_name to ${found}; certificates name it, so that it cannot change`,
      },
    );
  }
  const authority = async (kind: AuthorityKind): Promise<Authority> => {
    const kept = await store.get(AUTHORITY, kind);
    // Another one in its place would be one that nobody knows.
    if (kept === undefined) throw unguarded(`its ${kind} authority is missing`);
    return parseAuthority(kept.value);
  };
  await authority("host");
  await authority("user");
  return { name, id, store, authority, pins: async () => pinsOf(forHosts(await authority("host"))) };
}

/** Makes all that a cluster is at once, so that a part of it that is missing later was taken away. */
async function make(
  store: GuardedStore,
  { ring, name, clock }: Pick<ClusterOptions, "ring" | "name" | "clock">,
): Promise<StoredValue> {
  const authorities = (["host", "user"] as const).map(async (kind): Promise<Write> => {
    const key = await newAuthorityKey(kind, name, { ring, clock });
    const value = newAuthority(kind, name, key) as unknown as StoredValue;
    return { op: "create", kind: AUTHORITY, name: kind, value };
  });
  const value = { name, id: newId(), created: clock.now() };
  const writes: Write[] = [{ op: "create", ...CLUSTER, value }, ...(await Promise.all(authorities))];
  try {
    for await (const { kind } of store.snapshot()) throw unguarded(`it holds ${kind} resources, but no cluster`);
    await store.write(writes);
    return value;
  } catch (thrown) {
    // Another node may have been faster.
    const found = await store.get(CLUSTER.kind, CLUSTER.name);
    if (found === undefined) throw thrown;
    return found.value;
  }
}

/** Whether nobody has made a cluster in this store yet. */
export async function isNew(store: Store): Promise<boolean> {
  return (await store.get(GUARD_KEY.kind, GUARD_KEY.name)) === undefined;
}

/** The kind of a certificate authority in the store. */
export const AUTHORITY = "authority";
const CLUSTER = { kind: "cluster", name: "cluster" } as const;
/** Where the key of the store's guard belongs. */
export const GUARD_CONTEXT: SealingContext = {
  kind: GUARD_KEY.kind,
  name: GUARD_KEY.name,
  purpose: "guard of the store",
};

/** The key of the store's guard, which is itself sealed by the ring: so the ring's keys can change and no resource with them. */
async function guardKey(store: Store, ring: KeyRing): Promise<Uint8Array> {
  const found = await store.get(GUARD_KEY.kind, GUARD_KEY.name);
  if (found === undefined) {
    for await (const one of store.snapshot()) {
      if (UNGUARDED.has(one.kind)) continue;
      // Another node may have made it meanwhile.
      if (!(await isNew(store))) break;
      throw unguarded(`it holds ${one.kind} resources, but not the key of its guard`);
    }
  }
  const sealed = await once(store, GUARD_KEY, async () => ({
    sealed: ring.seal(new Secret(randomBytes(32).toString("base64")), GUARD_CONTEXT),
  }));
  return openGuardKey(sealed, ring);
}

/** The key of a guard as it lies in a store. @throws PosternError `store_unguarded`, and what the ring throws */
export function openGuardKey(value: StoredValue, ring: KeyRing): Uint8Array {
  const text = (value as { readonly sealed?: unknown } | null)?.sealed;
  if (typeof text !== "string") throw unguarded("the key of its guard cannot be read");
  return Buffer.from(ring.open(text, GUARD_CONTEXT).reveal(), "base64");
}

/** What is there, or what is made when nothing is; of several who make it the first one's stays. */
async function once(
  store: Store,
  { kind, name }: { readonly kind: string; readonly name: string },
  make: () => Promise<StoredValue>,
): Promise<StoredValue> {
  const found = await store.get(kind, name);
  if (found !== undefined) return found.value;
  try {
    const [made] = await store.write([{ op: "create", kind, name, value: await make() }]);
    if (made !== undefined) return made.value;
  } catch (thrown) {
    if (!(thrown instanceof PosternError) || thrown.code !== "store_exists") throw thrown;
  }
  return (await store.get(kind, name))?.value ?? null;
}

function unguarded(reason: string): PosternError {
  return new PosternError("store_unguarded", `Cannot trust the store: ${reason}`, {
    hint: "restore it from a backup, and find out who can write to it",
  });
}
