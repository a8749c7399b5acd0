/** A process that writes to a SQLite store as fast as it can and prints each acknowledged write, until it is killed. */

import { writeSync } from "node:fs";
import process from "node:process";
import { systemClock } from "../../../src/base/clock.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";

const [path = "", life = ""] = process.argv.slice(2);
const store = await SqliteStore.open({ path, clock: systemClock });

for (let n = 1; ; n += 1) {
  const value = { n, filling: "x".repeat((n * 7919) % 9000) };
  // A pair that must never be seen apart, one that stays, one that goes again.
  await store.write([
    { op: "put", kind: "left", name: life, value },
    { op: "create", kind: "kept", name: `${life}.${n}`, value },
    { op: "put", kind: "right", name: life, value },
    ...(n % 3 === 0 ? ([{ op: "delete", kind: "kept", name: `${life}.${n - 1}` }] as const) : []),
  ]);
  writeSync(1, `${n}\n`);
}
