import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { openSqliteFile } from "../../src/store/sqlite-file.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";

const LIVES = 15;
const writer = fileURLToPath(new URL("../unit/store/crash-writer.ts", import.meta.url));

interface Life {
  readonly name: string;
  readonly child: ChildProcess;
  readonly output: string;
}

describe("A SQLite store whose writers are killed with SIGKILL", () => {
  it("opens whole after each kill, with every acknowledged write and none by half", async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "postern-crash-"));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, "data", "cluster.db");
    const begin = (number: number): Life => {
      // Acknowledgements go to a file, which takes them however slowly this process reads.
      const output = join(directory, `life${number}`);
      const file = openSync(output, "w");
      const child = spawn(process.execPath, ["--import", "tsx", writer, path, `life${number}`], {
        stdio: ["ignore", file, "inherit"],
      });
      closeSync(file);
      return { name: `life${number}`, child, output };
    };
    const alive = new Set<Life>();
    t.after(() => {
      for (const { child } of alive) child.kill("SIGKILL");
    });
    let acknowledged = 0;
    // While one is killed the next writes already: a crash among several processes.
    for (let number = 0; number <= LIVES; number += 1) {
      if (number < LIVES) alive.add(begin(number));
      const [oldest] = alive;
      if (number === 0 || oldest === undefined) continue;
      while (statSync(oldest.output).size === 0 && oldest.child.exitCode === null) await sleep(2);
      await sleep(Math.random() * 150);
      const ended = once(oldest.child, "close");
      oldest.child.kill("SIGKILL");
      await ended;
      alive.delete(oldest);
      assert.equal(oldest.child.signalCode, "SIGKILL");
      acknowledged += await inspect(path, oldest);
    }
    assert.ok(acknowledged > LIVES * 2, `${acknowledged} writes in all`);
    t.diagnostic(`${LIVES} kills, ${acknowledged} acknowledged writes`);
  });
});

/** How many writes a life had acknowledged, all of which must be there. */
async function inspect(path: string, { name, output }: Life): Promise<number> {
  const lines = readFileSync(output, "utf8").split("\n");
  const last = Number(lines.at(-2) ?? 0);
  const store = await SqliteStore.open({ path, clock: systemClock });
  try {
    const [left, right] = [await store.get("left", name), await store.get("right", name)];
    assert.deepEqual(left?.value, right?.value, "two writes of one call are never apart");
    const reached = (left?.value as { n: number } | undefined)?.n ?? 0;
    // One more may have been written than was acknowledged, and no more than that.
    assert.ok(reached === last || reached === last + 1, `${name}: ${reached} written, ${last} acknowledged`);
    const kept = new Set((await store.list("kept")).map((resource) => resource.name));
    for (let n = 1; n <= reached; n += 1) {
      const gone = n % 3 === 2 && n < reached;
      assert.equal(kept.has(`${name}.${n}`), !gone, `${name}.${n}`);
    }
  } finally {
    await store.close();
  }
  const db = await openSqliteFile(path);
  assert.deepEqual(db.pragma("integrity_check"), [{ integrity_check: "ok" }]);
  db.close();
  return last;
}
