import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { systemClock } from "../../src/base/clock.ts";
import { migrateSqliteFile } from "../../src/store/sqlite-file.ts";
import { MIGRATIONS } from "../../src/store/sqlite-schema.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { describeMigrations, type MigratingPlace } from "./migration-suite.ts";
import { sqliteMigrations } from "./test-migrations.ts";

describeMigrations("The schema of a store in SQLite", async () => async (): Promise<MigratingPlace> => {
  const directory = mkdtempSync(join(tmpdir(), "postern-migrations-"));
  const path = join(directory, "data", "cluster.db");
  return {
    open: (known, onMigrated = () => undefined) => {
      const migrations = known === 1 ? MIGRATIONS : sqliteMigrations();
      return SqliteStore.open({ path, clock: systemClock, migrations, onMigrated });
    },
    back: () => migrateSqliteFile(path, 1, sqliteMigrations()),
    notes: async () => {
      const db = new Database(path);
      const count = (where: string): number =>
        (db.prepare(`SELECT count(*) AS n FROM resources WHERE note IS ${where}`).get() as { n: number }).n;
      const found = { with: count("NOT NULL"), without: count("NULL") };
      db.close();
      return found;
    },
    writer: { place: path },
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
});
