/** The store in a table of DynamoDB: what several auth services share. */

import type { Clock } from "../base/clock.ts";
import { newId } from "../base/ids.ts";
import { checkKind, checkList, checkName, type CheckedWrite, checkWrites, inOrder } from "./checks.ts";
import { ask, type DynamoDbCall, pause, refusedByDynamoDb } from "./dynamodb-call.ts";
import {
  ALL_BUT_FEED,
  COUNTER_KEY,
  feedBetween,
  fromFeed,
  type Item,
  keyOf,
  toFeed,
  toResource,
} from "./dynamodb-items.ts";
import { migrateTable, TABLE_MIGRATIONS, type TableMigration } from "./dynamodb-migrations.ts";
import { cancelled, readCounter, toTransaction } from "./dynamodb-transaction.ts";
import { closed, corrupt, isCorrupt, nameOf, newer, older, unavailable } from "./store-errors.ts";
import type { Change, OnMigrated, Store, StoredResource, StoredValue, Write } from "./store.ts";
import { type Finding, type WatchLoop, watchByPolling } from "./watch-loop.ts";

export interface DynamoDbStoreOptions {
  readonly call: DynamoDbCall;
  /** Its name; `createStoreTable` makes it. */
  readonly table: string;
  readonly clock: Clock;
  /** The schemas that this version knows; for tests. */
  readonly migrations?: readonly TableMigration[];
  readonly onMigrated?: OnMigrated;
}

/** How often we read the counter: one small read each time. */
const POLL_MS = 400;
/** How often a feed may lack what the counter promises before it counts as lost. */
const PATIENCE = 5;
const WRITE_ATTEMPTS = 100;
const LONGEST_PAUSE_MS = 200;
const SNAPSHOT_ATTEMPTS = 5;

export class DynamoDbStore implements Store {
  readonly #call: DynamoDbCall;
  readonly #table: string;
  readonly #clock: Clock;
  readonly #migrations: readonly TableMigration[];
  readonly #watches = new Set<WatchLoop>();
  #closed = false;
  /** Where the counter stood when we last heard of it. */
  #seen = 0;
  /** Settles when our last write has: two of ours at once would only collide at the counter. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: DynamoDbStoreOptions) {
    this.#call = options.call;
    this.#table = options.table;
    this.#clock = options.clock;
    this.#migrations = options.migrations ?? TABLE_MIGRATIONS;
  }

  /** @throws PosternError `store_newer`, `store_corrupt`, `store_unavailable` */
  static async open(options: DynamoDbStoreOptions): Promise<DynamoDbStore> {
    const store = new DynamoDbStore(options);
    await store.#begin(options.onMigrated);
    return store;
  }

  async get(kind: string, name: string): Promise<StoredResource | undefined> {
    checkKind(kind);
    checkName(kind, name);
    const { Item: item } = await this.#ask("GetItem", { Key: keyOf(kind, name), ConsistentRead: true });
    return item === undefined ? undefined : this.#read(item as Item, (read) => toResource(read, this.#clock.now()));
  }

  async list(
    kind: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<StoredResource[]> {
    checkList(kind, options);
    const { after, limit = Infinity } = options;
    const now = this.#clock.now();
    const found: StoredResource[] = [];
    const query = {
      ConsistentRead: true,
      KeyConditionExpression: after === undefined ? "pk = :kind" : "pk = :kind AND sk > :after",
      ExpressionAttributeValues: { ":kind": { S: kind }, ...(after !== undefined && { ":after": { S: after } }) },
      ...(limit < 1000 && { Limit: limit }),
    };
    for await (const item of this.#pages("Query", query)) {
      const resource = this.#read(item, (read) => toResource(read, now));
      if (resource !== undefined) found.push(resource);
      if (found.length >= limit) break;
    }
    return found;
  }

  async write(writes: readonly Write[]): Promise<StoredResource[]> {
    const checked = checkWrites(writes);
    if (this.#closed) throw closed();
    if (checked.length === 0) return [];
    const turn = this.#turn.then(() => this.#commit(checked));
    this.#turn = turn.catch(() => undefined);
    const written = await turn;
    for (const watch of this.#watches) watch.wake();
    return written;
  }

  async watch(onChange: (changes: readonly Change[]) => void, onGap: () => void): Promise<() => Promise<void>> {
    let position = await this.#counter();
    let missed = 0;
    const look = async (): Promise<Finding> => {
      const newest = await this.#counter();
      if (newest === position) return undefined;
      // What cannot be read now will not be later: whoever waited for it would never hear of anything again.
      const found = newest > position ? await this.#feed(position + 1, newest).catch(unreadable) : undefined;
      if (found !== undefined && found.changes.length > 0) {
        [position, missed] = [found.last, 0];
        return () => onChange(found.changes);
      }
      missed += 1;
      // The counter may be seen before the feed; a counter that went back is another table.
      if (found !== undefined && missed < PATIENCE) return undefined;
      [position, missed] = [newest, 0];
      return onGap;
    };
    const watch = watchByPolling(POLL_MS, look);
    this.#watches.add(watch);
    return async () => {
      this.#watches.delete(watch);
      await watch.end();
    };
  }

  /** What a scan finds is of many moments: the feed of that while brings all of it to the last of them. */
  async *snapshot(): AsyncGenerator<StoredResource> {
    for (let attempt = 1; attempt <= SNAPSHOT_ATTEMPTS; attempt += 1) {
      const now = this.#clock.now();
      const before = await this.#counter();
      const found = new Map<string, StoredResource>();
      for await (const item of this.#pages("Scan", { ConsistentRead: true, ...ALL_BUT_FEED })) {
        const resource = this.#read(item, (read) => toResource(read, now));
        if (resource !== undefined) found.set(`${resource.kind}/${resource.name}`, resource);
      }
      const newest = await this.#counter();
      const feed = await this.#feed(before + 1, newest);
      if (feed.last !== newest) continue;
      for (const { kind, name, resource } of feed.changes) {
        if (resource === undefined) found.delete(`${kind}/${name}`);
        else found.set(`${kind}/${name}`, resource);
      }
      yield* [...found.values()].sort(inOrder);
      return;
    }
    throw unavailable(`read the whole table "${this.#table}"`, "its feed of changes has gaps", "try again in a moment");
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#watches].map((watch) => watch.end()));
    this.#watches.clear();
    await this.#turn;
  }

  async #begin(onMigrated: OnMigrated = () => undefined): Promise<void> {
    const known = this.#migrations.length;
    const found = await migrateTable({ call: this.#call, table: this.#table }, known, this.#migrations);
    if (found !== known) onMigrated(found, known);
    await this.#counter();
  }

  async #commit(checked: readonly CheckedWrite[]): Promise<StoredResource[]> {
    const resources = new Map<CheckedWrite, StoredResource>();
    const revisions = new Map<CheckedWrite, string>();
    for (const one of checked) {
      if (one.text === undefined) continue;
      const { kind, name } = one.write;
      const expiresAt = "expiresAt" in one.write ? one.write.expiresAt : undefined;
      const [revision, value] = [newId(), JSON.parse(one.text) as StoredValue];
      resources.set(one, { kind, name, value, revision, ...(expiresAt !== undefined && { expiresAt }) });
      revisions.set(one, revision);
    }
    const feed = toFeed(checked, revisions, this.#clock.now());
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
      const now = this.#clock.now();
      const seen = this.#seen;
      const counter = { seen, schema: this.#migrations.length };
      const items = toTransaction(this.#table, checked, resources, feed, counter, now);
      try {
        // The token makes it happen once, however often an answer gets lost.
        const body = { ClientRequestToken: newId(), TransactItems: items };
        await ask(this.#call, this.#table, "TransactWriteItems", body);
        this.#seen = Math.max(this.#seen, seen + feed.length);
        return [...resources.values()];
      } catch (error) {
        const why = cancelled(error, checked, now);
        if (why === undefined) throw refusedByDynamoDb(this.#table, "TransactWriteItems", error);
        if (why.by === "write") throw why.error;
        if (why.by === "counter") this.#heard(why.counter);
      }
      await pause(attempt, LONGEST_PAUSE_MS);
    }
    throw unavailable(
      `write to table "${this.#table}"`,
      "too many others write at the same time",
      "try again in a moment",
    );
  }

  /** The number of the newest change. */
  async #counter(): Promise<number> {
    const { Item: item } = await this.#ask("GetItem", { Key: COUNTER_KEY, ConsistentRead: true });
    return this.#heard(item as Item | undefined);
  }

  #heard(counter: Item | undefined): number {
    const { seq, schema } = counter === undefined ? { seq: NaN, schema: NaN } : readCounter(counter);
    const known = this.#migrations.length;
    if (schema > known) throw newer(this.#table, schema, known);
    if (schema >= 1 && schema < known) throw older(this.#table, schema, known);
    if (!Number.isSafeInteger(seq) || schema !== known) {
      throw corrupt(`table "${this.#table}"`, "the item that counts its changes is missing or damaged");
    }
    this.#seen = seq;
    return seq;
  }

  /** The changes of these numbers, as far as none is missing before them; `last` is the number that they reach. */
  async #feed(first: number, newest: number): Promise<{ readonly last: number; readonly changes: Change[] }> {
    let last = first - 1;
    const changes: Change[] = [];
    if (newest < first) return { last, changes };
    const now = this.#clock.now();
    for await (const item of this.#pages("Query", { ConsistentRead: true, ...feedBetween(first, newest) })) {
      const entry = this.#read(item, (read) => fromFeed(read, now));
      if (entry.seq !== last + 1) break;
      last = entry.seq;
      changes.push(...entry.changes);
    }
    return { last, changes };
  }

  async *#pages(operation: "Query" | "Scan", body: object): AsyncGenerator<Item> {
    let start: unknown;
    do {
      const page = await this.#ask(operation, { ...body, ...(start !== undefined && { ExclusiveStartKey: start }) });
      yield* page["Items"] as Item[];
      start = page["LastEvaluatedKey"];
    } while (start !== undefined);
  }

  async #ask(operation: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    if (this.#closed) throw closed();
    try {
      return await ask(this.#call, this.#table, operation, { TableName: this.#table, ...body });
    } catch (error) {
      throw refusedByDynamoDb(this.#table, operation, error);
    }
  }

  /** An item that is not of our form is damage. The parser's own words would quote it. */
  #read<T>(item: Item, parse: (item: Item) => T): T {
    try {
      return parse(item);
    } catch {
      const [kind, name] = [item["pk"], item["sk"]].map((key) => (key !== undefined && "S" in key ? key.S : "?"));
      throw corrupt(
        `table "${this.#table}"`,
        `its item ${nameOf({ kind: kind ?? "?", name: name ?? "?" })} cannot be read`,
      );
    }
  }
}

function unreadable(error: unknown): undefined {
  if (!isCorrupt(error)) throw error;
}
