/** What every store must do when its schema changes, as one suite; the test files beside it run it over each kind of store. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { OnMigrated, Store } from "../../src/store/store.ts";

/** A place with a store that binaries of two versions use: one knows schema 1, the other schema 2 as well. */
export interface MigratingPlace {
  open(known: 1 | 2, onMigrated?: OnMigrated): Promise<Store>;
  /** The newer binary takes it back to schema 1. */
  back(): Promise<void>;
  /** How many resources have what schema 2 gives each, and how many have not. */
  notes(): Promise<{ readonly with: number; readonly without: number }>;
  /** What `migration-writer.ts` is to be told of the place. */
  readonly writer: { readonly place: string; readonly table?: string };
  close(): Promise<void>;
}

const WRITER = fileURLToPath(new URL("./migration-writer.ts", import.meta.url));
const COUNT = 8;

/** Declares the suite; each test has a new place. */
export function describeMigrations(
  title: string,
  place: () => Promise<() => Promise<MigratingPlace>>,
  skip: string | false = false,
): void {
  describe(title, { skip }, () => {
    let next: () => Promise<MigratingPlace>;
    let at: MigratingPlace;
    before(async () => {
      next = await place();
    });
    after(() => at?.close());

    const filled = async (known: 1 | 2): Promise<MigratingPlace> => {
      at = await next();
      const store = await at.open(1);
      for (let n = 0; n < COUNT; n += 1) await store.write([{ op: "create", kind: "k", name: `n${n}`, value: n }]);
      await store.close();
      if (known === 2) await (await at.open(2)).close();
      return at;
    };
    const values = async (store: Store): Promise<unknown[]> => (await store.list("k")).map(({ value }) => value);
    const all = Array.from({ length: COUNT }, (_, n) => n);
    const killed = async (direction: "up" | "down"): Promise<void> => {
      const words = [WRITER, at.writer.place, direction, ...(at.writer.table === undefined ? [] : [at.writer.table])];
      const child = spawn(process.execPath, ["--import", "tsx", ...words], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = once(child, "close");
      await Promise.race([once(child.stdout, "data"), ended]);
      // A moment for what cannot say when it is in its midst; whichever instant it is, the store must be whole.
      await sleep(100);
      child.kill("SIGKILL");
      await ended;
      assert.equal(child.signalCode, "SIGKILL");
    };

    it("goes forward when a newer binary opens it, and back on demand, and loses nothing", async () => {
      await filled(1);
      const told: string[] = [];
      const store = await at.open(2, (from, to) => void told.push(`${from} to ${to}`));
      assert.deepEqual(told, ["1 to 2"]);
      assert.deepEqual(await at.notes(), { with: COUNT, without: 0 });
      assert.deepEqual(await values(store), all);
      await store.write([{ op: "put", kind: "k", name: "n0", value: 0 }]);
      await store.close();
      await (await at.open(2, (from, to) => void told.push(`${from} to ${to}`))).close();
      assert.equal(told.length, 1, "once");
      await at.back();
      const old = await at.open(1);
      assert.deepEqual(await values(old), all);
      await old.write([{ op: "put", kind: "k", name: "n1", value: 1 }]);
      await old.close();
    });

    it("is taken forward once by several nodes that start at the same time, and all of them write", async () => {
      await filled(1);
      const stores = await Promise.all([1, 2, 3, 4].map(() => at.open(2)));
      assert.equal((await at.notes()).without, 0);
      for (const [n, store] of stores.entries())
        await store.write([{ op: "create", kind: "by", name: `node${n}`, value: n }]);
      assert.equal((await stores[0]?.list("by"))?.length, 4);
      await Promise.all(stores.map((store) => store.close()));
    });

    it("is refused to an older binary, one that runs and one that starts, which change nothing", async () => {
      await filled(1);
      const running = await at.open(1);
      const store = await at.open(2);
      const newer = { code: "store_newer", message: /schema 2.*up to 1/, hint: /newer Postern/ };
      await assert.rejects(running.write([{ op: "put", kind: "k", name: "n0", value: "old" }]), newer);
      await assert.rejects(at.open(1), newer);
      assert.deepEqual(await values(store), all);
      await Promise.all([running.close(), store.close()]);
    });

    it("is refused to a newer binary that runs while it is taken back", async () => {
      await filled(2);
      const running = await at.open(2);
      await at.back();
      await assert.rejects(running.write([{ op: "put", kind: "k", name: "n0", value: "new" }]), {
        code: "store_older",
        hint: /restart/,
      });
      await running.close();
      const old = await at.open(1);
      assert.deepEqual(await values(old), all);
      await old.close();
    });

    for (const direction of ["up", "down"] as const) {
      it(`is whole after a kill in the midst of the way ${direction === "up" ? "forward" : "back"}`, async () => {
        await filled(direction === "up" ? 1 : 2);
        await killed(direction);
        const store = await at.open(2);
        assert.deepEqual(await at.notes(), { with: COUNT, without: 0 });
        assert.deepEqual(await values(store), all);
        await store.close();
        await at.back();
        const old = await at.open(1);
        assert.deepEqual(await values(old), all);
        await old.write([{ op: "create", kind: "k", name: "z", value: "later" }]);
        await old.close();
      });
    }
  });
}
