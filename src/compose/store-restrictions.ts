/** What a store takes away while not all of it can be read: the set in force stays, and gets no wider by what cannot be read. */

import { createHash } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import { type Lock, parseLock } from "../identity/lock.ts";
import { parseOidcConnector } from "../identity/oidc-connector.ts";
import { type KnownConnector, parseUser, type User, vouchedFor } from "../identity/user.ts";
import { REMOVED, voidUntil } from "../control/removed-users.ts";
import { RESTORED } from "../control/restored.ts";
import { requireWhole } from "../store/backup.ts";
import type { Store, StoredValue } from "../store/store.ts";
import { namesOfRoles, restrictedRoles } from "./restricted-roles.ts";
import type { StoredSet } from "./store-follower.ts";

/**
 * The set that is in force, as far as the store still bears it out:
 *
 * - each lock that can be read shuts out; where one cannot be read nobody knows whom it is for, and everybody is shut out;
 * - a user who is gone is gone, and one who can be read has the roles and traits that are in the store, of the roles in force;
 * - whose connector is gone, or cannot be read, is shut out;
 * - a role that allows something else in the store, or is gone, allows nothing; who holds one that denies something else, or that
 *   cannot be read, is shut out.
 *
 * Locks, and what roles deny, that are gone from the store stay until all of it can be read. What takes nothing away is the very
 * set that is in force.
 *
 * @throws PosternError what keeps the store from being read at all
 */
export async function restrictedBy(store: Readable, inForce: StoredSet): Promise<StoredSet> {
  const locks = await lockDocuments(store);
  const documents = await documentsOf(store, "user", new Set(inForce.users.map(({ name }) => name)));
  const asked = { inForce: inForce.roles, users: usersIn(documents, inForce) };
  const { roles, users } = restrictedRoles(asked, await documentsOf(store, "role", namesOfRoles(asked)));
  const origins = new Set(users.flatMap(({ origin }) => (origin === undefined ? [] : [origin.connector])));
  const connectors = connectorsIn(await documentsOf(store, "oidc", origins));
  // What is half put back says nothing of anybody yet.
  await requireWhole(store, "look at what this store takes away");
  const voided = await voidedIn(store, inForce);
  const next = { ...inForce, ...locksIn(locks, inForce), roles, users: vouchedFor(users, connectors), voided };
  const restrictions = restrictionsOf(next);
  if (restrictions === restrictionsOf(inForce)) return inForce;
  return { ...next, digest: createHash("sha256").update(`${inForce.digest}\n${restrictions}`).digest("hex") };
}

function restrictionsOf({ locks, users, roles, shut, voided }: StoredSet): string {
  return JSON.stringify([locks, users, roles, shut ?? null, [...voided].map(String)]);
}

/** What voids logins is added to; where it cannot be read, it voids all of them. */
async function voidedIn(store: Readable, { users, voided }: StoredSet): Promise<ReadonlyMap<string, number>> {
  const ended = await documentsOf(store, REMOVED, new Set(users.map(({ name }) => name)));
  const restored = await unlessDamaged(async () => ({ resource: await store.get(RESTORED.kind, RESTORED.name) }));
  const next = new Map(voided);
  for (const [name, value] of ended) next.set(name, voidUntil(value));
  if (restored?.resource !== undefined || restored === undefined) next.set("", voidUntil(restored?.resource?.value));
  return next;
}

type Readable = Pick<Store, "get" | "list">;

/** Undefined where somebody has written to them what is not ours. */
function lockDocuments(store: Readable): Promise<readonly StoredValue[] | undefined> {
  return unlessDamaged(async () => (await store.list("lock")).map(({ value }) => value));
}

/**
 * What is there under these names; undefined for what is not ours. One by one where one of them, or what somebody put beside
 * them, keeps the kind from being listed.
 */
async function documentsOf(
  store: Readable,
  kind: string,
  names: ReadonlySet<string>,
): Promise<ReadonlyMap<string, StoredValue | undefined>> {
  if (names.size === 0) return new Map();
  const listed = await unlessDamaged(() => store.list(kind));
  if (listed !== undefined) return new Map(listed.map(({ name, value }) => [name, value]));
  const found = new Map<string, StoredValue | undefined>();
  for (const name of names) {
    const one = await unlessDamaged(async () => ({ resource: await store.get(kind, name) }));
    if (one === undefined || one.resource !== undefined) found.set(name, one?.resource?.value);
  }
  return found;
}

async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof PosternError && DAMAGED.has(thrown.code)) return undefined;
    throw thrown;
  }
}

const DAMAGED: ReadonlySet<string> = new Set(["store_tampered", "store_corrupt"]);

function locksIn(
  found: readonly StoredValue[] | undefined,
  inForce: StoredSet,
): { readonly locks: readonly Lock[]; readonly shut: string | undefined } {
  const read = (found ?? []).map((value) => readOr(() => parseLock(value).value));
  const readable = read.filter((lock) => lock !== undefined);
  const names = new Set(readable.map(({ name }) => name));
  const locks = [...inForce.locks.filter(({ name }) => !names.has(name)), ...readable];
  return { locks, shut: found === undefined || readable.length < read.length ? WHY : undefined };
}

const WHY = "a lock in the store cannot be read, and may be for anybody";

/** With the roles that the store gives them, whatever these are; who cannot be read stays as in force. */
function usersIn(documents: ReadonlyMap<string, StoredValue | undefined>, { users }: StoredSet): readonly User[] {
  return users.flatMap((user) =>
    documents.has(user.name) ? [readOr(() => parseUser(documents.get(user.name)).value) ?? user] : [],
  );
}

/** One that cannot be read vouches for nobody. */
function connectorsIn(documents: ReadonlyMap<string, StoredValue | undefined>): readonly KnownConnector[] {
  const read = [...documents.values()].map((value) => readOr(() => parseOidcConnector(value).value));
  return read.filter((connector) => connector !== undefined);
}

function readOr<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
