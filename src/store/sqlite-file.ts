/** The file of a SQLite store: private, ours, whole and of a schema that we know, before it is used. */

import { closeSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "libsql";
import { messageOf, PosternError } from "../base/errors.ts";
import { makePrivateDirectory } from "../base/private-directory.ts";
import { migrate, MIGRATIONS, type Migration, schemaOf } from "./sqlite-schema.ts";
import { corrupt, invalid, newer, unavailable } from "./store-errors.ts";
import type { OnMigrated } from "./store.ts";

/** "PSTN": tells our files from those of others. */
const APPLICATION_ID = 0x50_53_54_4e;
/** How long SQLite itself waits for another process, with everything else of this one standing still. */
const BUSY_MS = 100;
/** How often we ask again after that, giving way in between: half a minute. */
const ATTEMPTS = 250;

/**
 * Opens the file, made if it is missing, and takes it to the newest schema. Foreign, damaged and newer files are not touched.
 *
 * @throws PosternError `store_exposed`, `store_corrupt`, `store_newer`, `store_unavailable`
 */
export async function openSqliteFile(
  path: string,
  migrations: readonly Migration[] = MIGRATIONS,
  onMigrated: OnMigrated = () => undefined,
): Promise<Database.Database> {
  prepareFile(path);
  const db = connect(path);
  try {
    await whenFree(path, () => {
      inspect(db, path, migrations.length);
    });
    await whenFree(path, () => {
      db.pragma("journal_mode = WAL");
    });
    // Every commit reaches the disk before it is acknowledged.
    db.pragma("synchronous = FULL");
    const found = await whenFree(path, () =>
      inTransaction(db, () => {
        if (applicationOf(db) === 0) db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
        return migrate(db, path, migrations.length, migrations);
      }),
    );
    if (found !== 0 && found !== migrations.length) onMigrated(found, migrations.length);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Takes a store that nobody uses to an earlier schema, for a binary that knows no later one.
 *
 * @throws PosternError as `openSqliteFile`, and `store_invalid` for a schema that there is not
 */
export async function migrateSqliteFile(
  path: string,
  target: number,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  if (!Number.isSafeInteger(target) || target < 1 || target > migrations.length) {
    throw invalid(
      `take the store "${path}" to schema ${target}`,
      `there are schemas 1 to ${migrations.length}`,
      "name one of them",
    );
  }
  const db = await openSqliteFile(path, migrations);
  try {
    await whenFree(path, () => {
      inTransaction(db, () => {
        migrate(db, path, target, migrations);
      });
    });
  } finally {
    db.close();
  }
}

/** A second connection to a file that is in use here already. */
export function connect(path: string): Database.Database {
  try {
    return new Database(path, { timeout: BUSY_MS });
  } catch (cause) {
    throw translated(path, cause);
  }
}

/** Runs `work` in one transaction, in which nobody else writes; undone whole when it throws. */
export function inTransaction<T>(db: Database.Database, work: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // A failed COMMIT may have ended it already.
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Runs `work`, again and again while other processes hold the file. Errors of SQLite become ours. */
export async function whenFree<T>(path: string, work: () => T): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || attempt === ATTEMPTS) throw translated(path, error);
    }
    await sleep(5 + Math.random() * 25);
  }
}

function prepareFile(path: string): void {
  const directory = dirname(path);
  try {
    makePrivateDirectory(directory);
    makeFile(path);
  } catch (cause) {
    throw unavailable(
      `open the store "${path}"`,
      messageOf(cause),
      "make its directory one that this user can write",
      cause,
    );
  }
  const exposed = (what: string, remedy: string): PosternError =>
    new PosternError("store_exposed", `Cannot open the store "${path}": other users can ${what}`, { hint: remedy });
  if ((statSync(path).mode & 0o077) !== 0) throw exposed("read or change it", `chmod 600 "${path}"`);
  if ((statSync(directory).mode & 0o022) !== 0) throw exposed("replace it", `chmod 700 "${directory}"`);
}

/** SQLite gives the files beside it the same rights. */
function makeFile(path: string): void {
  try {
    // Never opened when it is there: closing it would take away the locks of all connections that this process has to it,
    // and another process would remove their log as if nobody used it.
    closeSync(openSync(path, "wx", 0o600));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  }
}

/** Only reads. */
function inspect(db: Database.Database, path: string, known: number): void {
  const application = applicationOf(db);
  const isNew = (db.prepare("SELECT count(*) AS n FROM sqlite_master").get() as { n: number }).n === 0;
  if (application !== APPLICATION_ID && !(application === 0 && isNew)) {
    throw corrupt(`the store "${path}"`, "it is a database of something else");
  }
  const check = db.pragma("quick_check(1)") as readonly { readonly quick_check: string }[];
  const finding = check[0]?.quick_check;
  if (finding !== "ok") throw corrupt(`the store "${path}"`, `it is damaged: ${finding ?? "it cannot be checked"}`);
  const found = schemaOf(db);
  if (found > known) throw newer(path, found, known);
}

function applicationOf(db: Database.Database): number {
  return (db.prepare("PRAGMA application_id").get() as { application_id: number }).application_id;
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  return typeof code === "string" ? code : "";
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test(codeOf(error));
}

/** SQLite's words about a file hold no values. */
function translated(path: string, error: unknown): unknown {
  if (error instanceof PosternError) return error;
  const code = codeOf(error);
  if (/^SQLITE_(?:CORRUPT|NOTADB|FORMAT)/.test(code))
    return corrupt(`the store "${path}"`, `it is damaged: ${messageOf(error)}`, error);
  if (isBusy(error)) {
    return unavailable(`use the store "${path}"`, "another process holds it", "end that process, or try again", error);
  }
  if (code.startsWith("SQLITE_") || messageOf(error).startsWith("ConnectionFailed")) {
    return unavailable(`use the store "${path}"`, messageOf(error), "check the disk and the file's rights", error);
  }
  return error;
}
