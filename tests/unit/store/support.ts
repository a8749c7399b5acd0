/** What the tests of the store room share. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";

/** The path of a store that is gone after the test. */
export function temporaryPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-store-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "data", "cluster.db");
}

/** A store of its own, or another instance on a path. */
export async function newStore(t: TestContext, path = temporaryPath(t)): Promise<SqliteStore> {
  const store = await SqliteStore.open({ path, clock: systemClock });
  t.after(() => store.close());
  return store;
}
