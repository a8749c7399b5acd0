/** A process that opens a SQLite store, writes to it and closes it: as a command beside an auth service does. */

import process from "node:process";
import { systemClock } from "../../../src/base/clock.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";

const store = await SqliteStore.open({ path: process.argv[2] ?? "", clock: systemClock });
await store.write([{ op: "put", kind: "role", name: "theirs", value: 1 }]);
await store.close();
