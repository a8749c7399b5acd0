/** The store in a SQLite file: what an auth service keeps by default, shared with the command line beside it. */

import type Database from "libsql";
import type { Clock } from "../base/clock.ts";
import { newId } from "../base/ids.ts";
import { checkKind, checkList, checkName, type CheckedWrite, checkWrites, readValue } from "./checks.ts";
import { connect, inTransaction, openSqliteFile, whenFree } from "./sqlite-file.ts";
import { MIGRATIONS, type Migration } from "./sqlite-schema.ts";
import { closed, isCorrupt, newer, older, refused } from "./store-errors.ts";
import type { Change, OnMigrated, Store, StoredResource, Write } from "./store.ts";
import { watchByPolling } from "./watch-loop.ts";

export interface SqliteStoreOptions {
  /** The file; its directory is made when missing. */
  readonly path: string;
  readonly clock: Clock;
  /** How many changes are kept for those who watch: who is further behind is told of a gap. */
  readonly changesKept?: number;
  /** The schemas that this version knows; for tests. */
  readonly migrations?: readonly Migration[];
  readonly onMigrated?: OnMigrated;
}

/** How often we look for what other processes wrote; a look costs some microseconds. */
const POLL_MS = 200;
const CHANGES_KEPT = 10_000;
/** Expired rows stay this long, for clocks that differ. */
const EXPIRED_KEPT_MS = 3_600_000;
const PAGE = 200;

interface Row {
  readonly kind: string;
  readonly name: string;
  readonly value: string;
  readonly revision: string;
  readonly expires_at: number | null;
}

export class SqliteStore implements Store {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #changesKept: number;
  readonly #schema: number;
  readonly #db: Database.Database;
  readonly #statements: Statements;
  readonly #watches = new Set<{ end(): Promise<void>; wake(): void }>();
  #closed = false;
  /** Counts our own writes: SQLite's data_version tells only of those of others. */
  #writes = 0;

  private constructor(options: SqliteStoreOptions, db: Database.Database) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#changesKept = options.changesKept ?? CHANGES_KEPT;
    this.#schema = (options.migrations ?? MIGRATIONS).length;
    this.#db = db;
    this.#statements = prepare(db);
  }

  /** @throws PosternError `store_exposed`, `store_corrupt`, `store_newer`, `store_unavailable` */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    return new SqliteStore(options, await openSqliteFile(options.path, options.migrations, options.onMigrated));
  }

  async get(kind: string, name: string): Promise<StoredResource | undefined> {
    checkKind(kind);
    checkName(kind, name);
    return this.#run(() => this.#read(kind, name));
  }

  async list(
    kind: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<StoredResource[]> {
    checkList(kind, options);
    return this.#run(() => {
      const rows = this.#statements.list.all(kind, options.after ?? "", this.#clock.now(), options.limit ?? -1);
      return (rows as Row[]).map(toResource);
    });
  }

  async write(writes: readonly Write[]): Promise<StoredResource[]> {
    const checked = checkWrites(writes);
    const written = await this.#run(() => inTransaction(this.#db, () => this.#apply(checked)));
    this.#writes += 1;
    for (const watch of this.#watches) watch.wake();
    return written;
  }

  async watch(onChange: (changes: readonly Change[]) => void, onGap: () => void): Promise<() => Promise<void>> {
    let position = await this.#run(() => this.#newest());
    let version = -1;
    let writes = -1;
    const watch = watchByPolling(POLL_MS, () =>
      this.#run(() => {
        const seen = (this.#statements.dataVersion.get() as { data_version: number }).data_version;
        if (seen === version && writes === this.#writes) return undefined;
        const { position: newest, changes } = this.#since(position);
        [position, version, writes] = [newest, seen, this.#writes];
        if (changes === null) return onGap;
        return changes.length === 0 ? undefined : () => onChange(changes);
      }),
    );
    this.#watches.add(watch);
    return async () => {
      this.#watches.delete(watch);
      await watch.end();
    };
  }

  async *snapshot(): AsyncGenerator<StoredResource> {
    await this.#run(() => undefined);
    const now = this.#clock.now();
    // A connection of its own: on ours, what we write meanwhile would be seen.
    const db = connect(this.#path);
    try {
      const next = db.prepare(
        `SELECT * FROM resources WHERE (kind, name) > (?, ?) AND (expires_at IS NULL OR expires_at >= ?)
         ORDER BY kind, name LIMIT ${PAGE}`,
      );
      let last = { kind: "", name: "" };
      db.exec("BEGIN");
      for (;;) {
        const { kind, name } = last;
        const rows = await whenFree(this.#path, () => next.all(kind, name, now) as Row[]);
        for (const row of rows) yield toResource(row);
        const end = rows.at(-1);
        if (end === undefined) break;
        last = end;
      }
    } finally {
      // libsql closes a connection when the last of its statements is collected: until then it must hold nothing.
      if (db.inTransaction) db.exec("ROLLBACK");
      db.close();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#watches].map((watch) => watch.end()));
    this.#watches.clear();
    try {
      // So that the one file has everything, for those who copy it. While others use it, the last of them does.
      this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // The log beside it has the rest, as after a crash.
    }
    this.#db.close();
  }

  #run<T>(work: () => T): Promise<T> {
    return whenFree(this.#path, () => {
      if (this.#closed) throw closed();
      return work();
    });
  }

  #read(kind: string, name: string): StoredResource | undefined {
    const row = this.#statements.get.get(kind, name, this.#clock.now()) as Row | undefined;
    return row === undefined ? undefined : toResource(row);
  }

  #apply(checked: readonly CheckedWrite[]): StoredResource[] {
    const statements = this.#statements;
    // Another process may have gone on to a newer schema while we ran.
    const { value: schema } = statements.schema.get() as { value: number };
    if (schema > this.#schema) throw newer(this.#path, schema, this.#schema);
    if (schema < this.#schema) throw older(this.#path, schema, this.#schema);
    const written: StoredResource[] = [];
    let changed = false;
    for (const { write, text } of checked) {
      demand(write, this.#read(write.kind, write.name)?.revision);
      if (write.op === "expect") continue;
      changed = true;
      const { kind, name } = write;
      if (write.op === "delete") {
        statements.remove.run(kind, name);
      } else {
        const resource = toResource({
          kind,
          name,
          value: text ?? "null",
          revision: newId(),
          expires_at: write.expiresAt ?? null,
        });
        statements.put.run(kind, name, text, resource.revision, write.expiresAt ?? null);
        written.push(resource);
      }
      statements.change.run(kind, name);
    }
    if (changed) {
      statements.prune.run(this.#newest() - this.#changesKept);
      statements.purge.run(this.#clock.now() - EXPIRED_KEPT_MS);
    }
    return written;
  }

  #newest(): number {
    return (this.#statements.newest.get() as { seq: number | null } | undefined)?.seq ?? 0;
  }

  /** What changed behind a position, each resource once, at the place of its last change; null when that cannot be told. */
  #since(position: number): { readonly position: number; readonly changes: Change[] | null } {
    // One moment for the list of changes and what they are about.
    this.#db.exec("BEGIN");
    try {
      const rows = this.#statements.since.all(position) as { seq: number; kind: string; name: string }[];
      const newest = rows.at(-1)?.seq ?? this.#newest();
      if (newest !== position + rows.length) return { position: newest, changes: null };
      const last = new Map<string, { readonly kind: string; readonly name: string }>();
      for (const { kind, name } of rows) {
        const key = `${kind}/${name}`;
        last.delete(key);
        last.set(key, { kind, name });
      }
      const changes = [...last.values()].map(({ kind, name }): Change => {
        const resource = this.#read(kind, name);
        return resource === undefined ? { kind, name } : { kind, name, resource };
      });
      return { position: newest, changes };
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      // Whoever waited until it can be read would never hear of anything again.
      return { position: this.#newest(), changes: null };
    } finally {
      this.#db.exec("COMMIT");
    }
  }
}

/** @throws PosternError when a write does not fit the revision that is there */
function demand(write: Write, there: string | undefined): void {
  if (write.op === "create" && there !== undefined) throw refused("store_exists", write);
  if (write.op === "update" && there !== write.revision) throw refused("store_conflict", write);
  if (write.op === "expect" && (there ?? null) !== write.revision) throw refused("store_conflict", write);
  if (write.op !== "delete") return;
  if (there === undefined) throw refused("store_missing", write);
  if (write.revision !== undefined && there !== write.revision) throw refused("store_conflict", write);
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: Database.Database) {
  return {
    get: db.prepare("SELECT * FROM resources WHERE kind = ? AND name = ? AND (expires_at IS NULL OR expires_at >= ?)"),
    list: db.prepare(
      `SELECT * FROM resources WHERE kind = ? AND name > ? AND (expires_at IS NULL OR expires_at >= ?)
       ORDER BY name LIMIT ?`,
    ),
    put: db.prepare(
      `INSERT INTO resources (kind, name, value, revision, expires_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (kind, name) DO UPDATE
       SET value = excluded.value, revision = excluded.revision, expires_at = excluded.expires_at`,
    ),
    remove: db.prepare("DELETE FROM resources WHERE kind = ? AND name = ?"),
    change: db.prepare("INSERT INTO changes (kind, name) VALUES (?, ?)"),
    newest: db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'changes'"),
    since: db.prepare("SELECT seq, kind, name FROM changes WHERE seq > ? ORDER BY seq"),
    prune: db.prepare("DELETE FROM changes WHERE seq <= ?"),
    purge: db.prepare("DELETE FROM resources WHERE expires_at < ?"),
    schema: db.prepare("SELECT value FROM meta WHERE name = 'schema'"),
    dataVersion: db.prepare("PRAGMA data_version"),
  };
}

/** @throws PosternError `store_corrupt` */
function toResource(row: Row): StoredResource {
  const { kind, name, revision } = row;
  const value = readValue(row, row.value);
  return { kind, name, value, revision, ...(row.expires_at !== null && { expiresAt: row.expires_at }) };
}
