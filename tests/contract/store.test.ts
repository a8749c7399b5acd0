import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { GuardedStore } from "../../src/store/guarded-store.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { describeStore, type StorePlace } from "./store-suite.ts";

describeStore("A store in SQLite", sqlitePlace);
describeStore("A guarded store in SQLite", async () => {
  const key = randomBytes(32);
  const place = await sqlitePlace();
  return { ...place, open: async (clock) => new GuardedStore(await place.open(clock), key) };
});

async function sqlitePlace(): Promise<StorePlace> {
  const directory = mkdtempSync(join(tmpdir(), "postern-store-"));
  return {
    open: (clock = systemClock) => SqliteStore.open({ path: join(directory, "cluster.db"), clock, changesKept: 60 }),
    // More in one go than is kept.
    behindTheBackOf: async (_, write) => {
      const other = await SqliteStore.open({ path: join(directory, "cluster.db"), clock: systemClock, changesKept: 5 });
      await write();
      await other.write([{ op: "create", kind: "prune", name: "now", value: 1 }]);
      await other.write([{ op: "delete", kind: "prune", name: "now" }]);
      await other.close();
    },
    close: async () => {
      rmSync(directory, { recursive: true });
    },
  };
}
