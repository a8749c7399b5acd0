import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { describeJoinsOfTwoNodes } from "../support/two-nodes.ts";

describeJoinsOfTwoNodes(
  "SQLite",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-two-nodes-"));
    return {
      open: () => SqliteStore.open({ path: join(directory, "store.sqlite"), clock: systemClock }),
      close: async () => rmSync(directory, { recursive: true, force: true }),
    };
  },
  false,
);
