/** A process that begins to take a store forward or back and gets stuck in the midst of it, until it is killed. */

import { writeSync } from "node:fs";
import process from "node:process";
import { systemClock } from "../../src/base/clock.ts";
import { migrateTable } from "../../src/store/dynamodb-migrations.ts";
import { migrateSqliteFile } from "../../src/store/sqlite-file.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { dynamoDbCaller } from "./dynamodb-caller.ts";
import { forever, sqliteMigrations, tableMigrations } from "./test-migrations.ts";

const [place = "", direction = "", table] = process.argv.slice(2);
const stuck = direction === "up" ? "up" : "down";

if (table === undefined) {
  writeSync(1, "begun\n");
  if (stuck === "up") await SqliteStore.open({ path: place, clock: systemClock, migrations: sqliteMigrations("up") });
  else await migrateSqliteFile(place, 1, sqliteMigrations("down"));
} else {
  const call = await dynamoDbCaller(place);
  const migrations = tableMigrations(async () => {
    writeSync(1, "begun\n");
    await forever();
  });
  await migrateTable({ call, table }, stuck === "up" ? 2 : 1, migrations);
}
