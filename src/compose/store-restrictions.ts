/** What a store takes away while not all of it can be read: the set in force stays, and gets no wider by what cannot be read. */

import { createHash } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import { BUILT_IN_ROLES } from "../identity/built-in-roles.ts";
import { type Lock, parseLock } from "../identity/lock.ts";
import { parseUser, type User } from "../identity/user.ts";
import type { Store, StoredResource } from "../store/store.ts";
import type { StoredSet } from "./store-follower.ts";

/**
 * The set that is in force, as far as the store still bears it out:
 *
 * - each lock that can be read shuts out; where one cannot be read nobody knows whom it is for, and everybody is shut out;
 * - a user who is gone is gone, and one who can be read has the roles and traits that are in the store, of the roles in force.
 *
 * Locks and roles that are gone from the store stay until all of it can be read.
 *
 * @throws PosternError what keeps the store from being read at all
 */
export async function restrictedBy(store: Pick<Store, "list">, inForce: StoredSet): Promise<StoredSet> {
  const [locks, users] = [await listed(store, "lock"), await listed(store, "user")];
  const next = { ...inForce, locks: locksIn(locks, inForce), users: usersIn(users, inForce) };
  return { ...next, digest: createHash("sha256").update(JSON.stringify(next)).digest("hex") };
}

/** Undefined where somebody has written to it what is not ours. */
async function listed(store: Pick<Store, "list">, kind: string): Promise<StoredResource[] | undefined> {
  try {
    return await store.list(kind);
  } catch (thrown) {
    if (thrown instanceof PosternError && DAMAGED.has(thrown.code)) return undefined;
    throw thrown;
  }
}

const DAMAGED: ReadonlySet<string> = new Set(["store_tampered", "store_corrupt"]);

function locksIn(found: readonly StoredResource[] | undefined, inForce: StoredSet): readonly Lock[] {
  const read = (found ?? []).map(({ value }) => readOr(() => parseLock(value).value));
  const readable = read.filter((lock) => lock !== undefined);
  const names = new Set(readable.map(({ name }) => name));
  const kept = inForce.locks.filter(({ name }) => !names.has(name));
  if (found !== undefined && readable.length === read.length) return [...kept, ...readable];
  const everybody = inForce.users.map(({ name }): Lock => ({
    name: `${UNREADABLE}${name}`,
    target: { user: name },
    message: WHY,
  }));
  return [...kept.filter(({ name }) => !name.startsWith(UNREADABLE)), ...readable, ...everybody];
}

/** No document has such a name. */
const UNREADABLE = "unreadable/";
const WHY = "a lock in the store cannot be read, and may be for anybody";

function usersIn(found: readonly StoredResource[] | undefined, { users, roles }: StoredSet): readonly User[] {
  if (found === undefined) return users;
  const known = new Set([...BUILT_IN_ROLES, ...roles].map(({ name }) => name));
  const byName = new Map(found.map((resource) => [resource.name, resource.value]));
  return users.flatMap((user) => {
    const value = byName.get(user.name);
    if (value === undefined) return [];
    const read = readOr(() => parseUser(value).value);
    return [read === undefined ? user : { ...read, roles: read.roles.filter((role) => known.has(role)) }];
  });
}

function readOr<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
