/** The SQLite store's tables, version by version, and the way from each to the next and back. */

import type Database from "libsql";
import { newer } from "./store-errors.ts";

/** One version of the schema: how it is made of the one before it, and how it is unmade. */
export interface Migration {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

/** Version n is the n-th. Released ones never change. */
export const MIGRATIONS: readonly Migration[] = [
  {
    up: [
      "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)",
      `CREATE TABLE resources (
        kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, revision TEXT NOT NULL, expires_at INTEGER,
        PRIMARY KEY (kind, name)
      )`,
      "CREATE INDEX resources_by_expiry ON resources (expires_at) WHERE expires_at IS NOT NULL",
      // AUTOINCREMENT: a number is never given twice, so that a missing one tells of a gap.
      "CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL)",
    ],
    down: ["DROP TABLE changes", "DROP TABLE resources", "DROP TABLE meta"],
  },
];

/** The version of the schema in a database; 0 where there is none. */
export function schemaOf(db: Database.Database): number {
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").get();
  if (table === undefined) return 0;
  const row = db.prepare("SELECT value FROM meta WHERE name = 'schema'").get() as { value: number } | undefined;
  return row?.value ?? 0;
}

/**
 * Takes a database to a version of the schema, forward or back. Runs in the caller's transaction.
 *
 * @returns the version that was found; 0 for a new database
 * @throws PosternError `store_newer` when the database has a version that the list does not
 */
export function migrate(
  db: Database.Database,
  place: string,
  target: number,
  migrations: readonly Migration[] = MIGRATIONS,
): number {
  const found = schemaOf(db);
  if (found > migrations.length) throw newer(place, found, migrations.length);
  for (const { up } of migrations.slice(found, target)) for (const statement of up) db.exec(statement);
  for (const { down } of migrations.slice(target, found).reverse()) for (const statement of down) db.exec(statement);
  if (target > 0 && found !== target) {
    db.prepare("INSERT INTO meta VALUES ('schema', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value").run(
      target,
    );
  }
  return found;
}
