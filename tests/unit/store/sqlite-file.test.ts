import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { describe, it, type TestContext } from "node:test";
import Database from "libsql";
import { connect, inTransaction, migrateSqliteFile, openSqliteFile } from "../../../src/store/sqlite-file.ts";
import { type Migration, MIGRATIONS, schemaOf } from "../../../src/store/sqlite-schema.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { eventually } from "../../support/eventually.ts";
import { newStore, temporaryPath } from "./support.ts";

const NEXT: readonly Migration[] = [
  ...MIGRATIONS,
  {
    up: ["ALTER TABLE resources ADD COLUMN note TEXT", "CREATE INDEX by_note ON resources (note)"],
    down: ["DROP INDEX by_note", "ALTER TABLE resources DROP COLUMN note"],
  },
];
const LATEST = MIGRATIONS.length;

describe("The file of a SQLite store", () => {
  it("is for its owner alone, in a directory of its own", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    await store.write([{ op: "put", kind: "role", name: "a", value: 1 }]);
    const names = readdirSync(dirname(path)).sort();
    assert.deepEqual(names, ["cluster.db", "cluster.db-shm", "cluster.db-wal"]);
    for (const name of names) assert.equal(statSync(join(dirname(path), name)).mode & 0o777, 0o600, name);
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  });

  it("has all of the store in itself when it is closed", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    await store.write([{ op: "put", kind: "role", name: "a", value: "here" }]);
    await store.close();
    const copy = join(dirname(path), "copy.db");
    writeFileSync(copy, readFileSync(path), { mode: 0o600 });
    assert.equal((await (await newStore(t, copy)).get("role", "a"))?.value, "here");
  });

  it("is refused when others can read it, or replace it", async (t) => {
    const path = temporaryPath(t);
    await (await newStore(t, path)).close();
    chmodSync(path, 0o640);
    await assert.rejects(openSqliteFile(path), { code: "store_exposed", message: /read or change/, hint: /chmod 600/ });
    assert.equal(statSync(path).mode & 0o777, 0o640);
    chmodSync(path, 0o600);
    chmodSync(dirname(path), 0o770);
    await assert.rejects(openSqliteFile(path), { code: "store_exposed", message: /replace/, hint: /chmod 700/ });
  });

  it("reaches the disk with each commit", async (t) => {
    const db = await openSqliteFile(temporaryPath(t));
    t.after(() => db.close());
    assert.equal((db.prepare("PRAGMA synchronous").get() as { synchronous: number }).synchronous, 2);
    assert.equal((db.prepare("PRAGMA journal_mode").get() as { journal_mode: string }).journal_mode, "wal");
  });

  it("is refused when it is no database, of something else, cut, or damaged; and not touched", async (t) => {
    const whole = await filled(t);
    const damages: Readonly<Record<string, (path: string) => void>> = {
      text: (path) => writeFileSync(path, "kind: role\n".repeat(500)),
      "of something else": (path) => {
        const db = new Database(path);
        db.exec("CREATE TABLE theirs (a)");
        db.close();
      },
      cut: (path) => {
        writeFileSync(path, whole);
        truncateSync(path, Math.floor(whole.length / 2));
      },
      damaged: (path) =>
        writeFileSync(path, Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096, 90)])),
      // What no statement of the opening reads.
      "damaged at its end": (path) =>
        writeFileSync(path, Buffer.concat([whole.subarray(0, -4096), Buffer.alloc(4096, 90)])),
    };
    for (const [name, damage] of Object.entries(damages)) {
      const path = temporaryPath(t);
      mkdirSync(dirname(path), { mode: 0o700 });
      damage(path);
      chmodSync(path, 0o600);
      const before = readFileSync(path);
      await assert.rejects(SqliteStore.open({ path, clock: systemClock }), (error: Error & { code: string }) => {
        assert.equal(error.code, "store_corrupt", name);
        assert.ok(error.message.includes(path), error.message);
        return true;
      });
      assert.ok(readFileSync(path).equals(before), name);
    }
  });

  it("is named when it cannot be made", async () => {
    await assert.rejects(openSqliteFile("/proc/postern/cluster.db"), {
      code: "store_unavailable",
      message: /\/proc\/postern/,
    });
  });
});

describe("The schema of a SQLite store", () => {
  it("goes forward and back without losing a resource", async (t) => {
    const path = temporaryPath(t);
    const written = await (await newStore(t, path)).write([{ op: "put", kind: "role", name: "a", value: { n: 1 } }]);
    const forward = await openSqliteFile(path, NEXT);
    assert.equal(schemaOf(forward), LATEST + 1);
    forward.exec("UPDATE resources SET note = 'x'");
    forward.close();
    await migrateSqliteFile(path, LATEST, NEXT);
    assert.deepEqual([await (await newStore(t, path)).get("role", "a")], written);
  });

  it("each step back undoes the step forward", async (t) => {
    for (let version = 1; version < NEXT.length; version += 1) {
      const path = temporaryPath(t);
      (await openSqliteFile(path, NEXT.slice(0, version))).close();
      const before = tablesOf(path);
      (await openSqliteFile(path, NEXT.slice(0, version + 1))).close();
      assert.notDeepEqual(tablesOf(path), before);
      await migrateSqliteFile(path, version, NEXT.slice(0, version + 1));
      assert.deepEqual(tablesOf(path), before);
    }
  });

  it("is undone whole when a step fails", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    await store.write([{ op: "put", kind: "role", name: "a", value: 1 }]);
    const failing = [...MIGRATIONS, { up: ["DROP TABLE changes", "DROP TABLE absent"], down: [] }];
    await assert.rejects(openSqliteFile(path, failing), { code: "store_unavailable" });
    await store.write([{ op: "put", kind: "role", name: "b", value: 1 }]);
    assert.equal((await store.list("role")).length, 2);
  });

  it("is refused with both versions and the remedy when it is newer, and not touched", async (t) => {
    const path = temporaryPath(t);
    (await openSqliteFile(path, NEXT)).close();
    const before = tablesOf(path);
    await assert.rejects(SqliteStore.open({ path, clock: systemClock }), {
      code: "store_newer",
      message: new RegExp(`schema ${LATEST + 1}.*up to ${LATEST}`),
      hint: /newer Postern.*back to schema/,
    });
    assert.deepEqual(tablesOf(path), before);
  });

  it("is watched while a store is open: nothing is written into one that became newer", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    (await openSqliteFile(path, NEXT)).close();
    await assert.rejects(store.write([{ op: "put", kind: "role", name: "a", value: 1 }]), { code: "store_newer" });
    assert.deepEqual(await store.list("role"), []);
  });

  it("goes to no version that there is not", async (t) => {
    const path = temporaryPath(t);
    for (const target of [0, -1, LATEST + 1, 0.5]) {
      await assert.rejects(migrateSqliteFile(path, target), { code: "store_invalid" });
    }
  });
});

describe("A SQLite store among processes", () => {
  it("waits for another that writes, without standing still", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    const other = connect(path);
    t.after(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 5);
    const writing = store.write([{ op: "put", kind: "role", name: "a", value: 1 }]);
    // Reads go on meanwhile.
    assert.equal(await store.get("role", "a"), undefined);
    await eventually(() => turns >= 5);
    clearInterval(timer);
    other.exec("COMMIT");
    assert.equal((await writing).length, 1);
  });

  it("is made once by several that open it at the same time", async (t) => {
    const path = temporaryPath(t);
    const stores = await Promise.all(Array.from({ length: 6 }, () => newStore(t, path)));
    for (const [n, store] of stores.entries())
      await store.write([{ op: "create", kind: "k", name: `n${n}`, value: n }]);
    assert.equal((await stores[0]?.list("k"))?.length, 6);
  });

  it("is in use for others as long as this process has it open, however often it opened it", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    await (await SqliteStore.open({ path, clock: systemClock })).close();
    const other = new URL("./other-process-writer.ts", import.meta.url).pathname;
    const child = spawnSync(process.execPath, ["--import", "tsx", other, path], { encoding: "utf8" });
    assert.equal(child.status, 0, child.stderr);
    assert.ok(existsSync(`${path}-wal`), "who closed last took the log away, which we still read");
    assert.equal((await store.get("role", "theirs"))?.value, 1);
    await store.write([{ op: "put", kind: "role", name: "ours", value: 2 }]);
    assert.equal((await (await newStore(t, path)).get("role", "ours"))?.value, 2);
  });

  it("tells of a gap where a value is no JSON, and goes on after it", async (t) => {
    const path = temporaryPath(t);
    const [store, watching] = [await newStore(t, path), await newStore(t, path)];
    const seen: string[] = [];
    let gaps = 0;
    await watching.watch(
      (changes) => seen.push(...changes.map(({ name }) => name)),
      () => (gaps += 1),
    );
    const db = connect(path);
    inTransaction(db, () => {
      db.exec("INSERT INTO resources VALUES ('role', 'bad', 'no JSON', 'r', NULL)");
      db.exec("INSERT INTO changes (kind, name) VALUES ('role', 'bad')");
    });
    db.close();
    await eventually(() => gaps > 0);
    await store.write([{ op: "put", kind: "lock", name: "a", value: 1 }]);
    await eventually(() => seen.includes("a"));
  });

  it("calls a value that is no JSON damage, and does not quote it", async (t) => {
    const path = temporaryPath(t);
    const store = await newStore(t, path);
    const db = connect(path);
    t.after(() => db.close());
    inTransaction(db, () => {
      db.exec("INSERT INTO resources VALUES ('role', 'bad', 'hunter2', 'r', NULL)");
    });
    for (const attempt of [() => store.get("role", "bad"), () => store.list("role"), () => store.snapshot().next()]) {
      await assert.rejects(attempt, (error: Error & { code: string }) => {
        assert.equal(error.code, "store_corrupt");
        assert.match(error.message, /role "bad"/);
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /hunter2/);
        return true;
      });
    }
  });
});

/** The bytes of a store with much in it, closed. */
async function filled(t: TestContext): Promise<Buffer> {
  const path = temporaryPath(t);
  const store = await newStore(t, path);
  for (let n = 0; n < 200; n += 1) {
    await store.write([{ op: "put", kind: "role", name: `n${n}`, value: "x".repeat(500) }]);
  }
  await store.close();
  return readFileSync(path);
}

function tablesOf(path: string): unknown[] {
  const db = new Database(path);
  try {
    return db
      .prepare("SELECT name, replace(replace(sql, ' ', ''), char(10), '') AS sql FROM sqlite_master ORDER BY name")
      .all();
  } finally {
    db.close();
  }
}
