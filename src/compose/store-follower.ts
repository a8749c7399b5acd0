/** Following a cluster's store: what people put into it is read as one set, and read again whenever it changes. */

import { createHash } from "node:crypto";
import type { DatabaseSpec } from "../aws/database.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { parseDatabase } from "../config/resource-file.ts";
import { type Lock, parseLock } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import { parseOidcConnector } from "../identity/oidc-connector.ts";
import { parseRole, type Role } from "../identity/role.ts";
import { type KnownConnector, parseUser, type User, vouchedFor } from "../identity/user.ts";
import { REMOVED, voidUntil } from "../control/removed-users.ts";
import { RESTORED } from "../control/restored.ts";
import { requireWhole } from "../store/backup.ts";
import type { Store } from "../store/store.ts";
import type { ReadableStore } from "./fed-store.ts";
import { restrictedBy } from "./store-restrictions.ts";

/** What a store held at one moment. */
export interface StoredSet {
  readonly users: readonly User[];
  readonly roles: readonly Role[];
  readonly locks: readonly Lock[];
  readonly databases: readonly DatabaseSpec[];
  /** By user, until when logins are void that were given before, in milliseconds since the epoch; of all by the empty name. */
  readonly voided: ReadonlyMap<string, number>;
  /** Why everybody is shut out, also whom files define; absent: nobody is by this. */
  readonly shut?: string | undefined;
  /** The same resources in the same revisions give the same digest. */
  readonly digest: string;
}

/** Reads a set. One document that cannot be read refuses all of it. @throws PosternError `resource_unreadable`, and the store's */
export async function readStore(store: Pick<Store, "get" | "snapshot">): Promise<StoredSet> {
  const users: User[] = [];
  const roles: Role[] = [];
  const locks: Lock[] = [];
  const databases: DatabaseSpec[] = [];
  const connectors: KnownConnector[] = [];
  const voided = new Map<string, number>();
  const readers: Readonly<Record<string, (value: unknown, name: string) => void>> = {
    user: (value) => void users.push(parseUser(value).value),
    role: (value) => void roles.push(parseRole(value).value),
    lock: (value) => void locks.push(parseLock(value).value),
    oidc: (value) => void connectors.push(parseOidcConnector(value).value),
    db: (value) => void databases.push(parseDatabase(value).value),
    [REMOVED]: (value, name) => void voided.set(name, voidUntil(value)),
    [RESTORED.kind]: (value) => void voided.set("", voidUntil(value)),
  };
  const digest = createHash("sha256");
  // A snapshot, not lists: a user must not be seen without the role that was written with it.
  for await (const { kind, name, value, revision } of store.snapshot()) {
    const read = FOLLOWED.has(kind) ? readers[kind] : undefined;
    if (read === undefined) continue;
    digest.update(`${JSON.stringify([kind, name, revision])}\n`);
    try {
      read(value, name);
    } catch (cause) {
      // It vouches for nobody then, and nobody else needs it.
      if (kind === "oidc") continue;
      const reason = messageOf(cause);
      throw new PosternError(
        "resource_unreadable",
        `Cannot read ${quoted(`${kind}/${name}`)} in the store: ${reason}`,
        {
          cause,
          hint: `write it anew with postern ctl create -f, or remove it with postern ctl rm ${kind}/${name}`,
        },
      );
    }
  }
  await requireWhole(store, "put this store in force");
  return { users: vouchedFor(users, connectors), roles, locks, databases, voided, digest: digest.digest("hex") };
}

const FOLLOWED: ReadonlySet<string> = new Set(["user", "role", "lock", "db", "oidc", REMOVED, RESTORED.kind]);

/** Keeps up with a store, which is its own from then on. */
export class StoreFollower {
  readonly #store: ReadableStore;
  #current: StoredSet | undefined;
  #stale = false;
  #reading: Promise<void> | undefined;
  #unwatch: (() => Promise<void>) | undefined;
  #again: NodeJS.Timeout | undefined;
  #onChange: ((set: StoredSet) => Promise<void>) | undefined;
  #onError: ((error: unknown) => void) | undefined;
  #failure: string | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  /** Reads a store and begins to watch it. @throws PosternError what keeps it from being read; the store is closed then */
  static async open(store: ReadableStore): Promise<StoreFollower> {
    const follower = new StoreFollower(store);
    try {
      // First the watch: what is written between the two must not go unseen.
      follower.#unwatch = await store.watch(
        (changes) => {
          if (changes.some(({ kind }) => FOLLOWED.has(kind))) follower.#changed();
        },
        () => follower.#changed(),
      );
      follower.#current = await readStore(store);
      return follower;
    } catch (error) {
      await follower.close();
      throw error;
    }
  }

  /** Use `open`. */
  constructor(store: ReadableStore) {
    this.#store = store;
  }

  /** What was read last and, once started, is in force. */
  get current(): StoredSet | undefined {
    return this.#current;
  }

  /** Calls `onChange` for each new set until it is closed, one after another; what keeps one from being in force goes to `onError`, once. */
  start(onChange: (set: StoredSet) => Promise<void>, onError: (error: unknown) => void): void {
    this.#onChange = onChange;
    this.#onError = onError;
    if (this.#stale) this.#changed();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#unwatch?.();
    await this.#reading;
    await this.#store.close();
  }

  #changed(): void {
    this.#stale = true;
    if (this.#onChange !== undefined && !this.#closed) this.#reading ??= this.#keepUp();
  }

  async #keepUp(): Promise<void> {
    while (this.#stale && !this.#closed) {
      this.#stale = false;
      try {
        const next = await readStore(this.#store);
        if (next.digest !== this.#current?.digest || this.#failure !== undefined) await this.#onChange?.(next);
        this.#current = next;
        this.#failure = undefined;
        this.#retryMs = FIRST_RETRY_MS;
      } catch (error) {
        const restricted = await this.#restrict();
        this.#failed(error, restricted);
      }
    }
    this.#reading = undefined;
  }

  /** What takes away binds, whatever else is there. @returns whether something else is in force now */
  async #restrict(): Promise<boolean> {
    const inForce = this.#current;
    if (inForce === undefined) return false;
    try {
      const restricted = await restrictedBy(this.#store, inForce);
      if (restricted.digest === inForce.digest) return false;
      await this.#onChange?.(restricted);
      this.#current = restricted;
      return true;
    } catch {
      // What it was tried for is told.
      return false;
    }
  }

  /** What is in force stays. What the next change may not mend, such as a disk that is full, is tried again by itself. */
  #failed(error: unknown, changed: boolean): void {
    const message = messageOf(error);
    if (changed || message !== this.#failure) this.#onError?.(error);
    this.#failure = message;
    clearTimeout(this.#again);
    if (this.#closed) return;
    this.#again = setTimeout(() => this.#changed(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
