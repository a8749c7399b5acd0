import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import {
  DATABASE_SERVER,
  type DatabaseServer,
  Presence,
  type PresenceOptions,
  type PresentAgent,
} from "../../../src/control/presence.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { eventually } from "../../support/eventually.ts";

const SECOND = 1000;

function serving(name: string, more: Partial<PresentAgent["news"]> = {}, hostId = "host-1"): PresentAgent {
  const database = { name, labels: {}, uri: "", region: "us-east-1", account_id: "123456789012", fault: null };
  return { hostId, news: { node_name: "db-1", version: "1", draining: false, databases: [database], ...more } };
}

describe("who is there", () => {
  let directory: string;
  let store: SqliteStore;
  let now: number;
  let log: string;
  let open: Presence[];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "postern-presence-"));
    now = Date.parse("2026-11-26T12:00:00Z");
    store = await SqliteStore.open({ path: join(directory, "store.sqlite"), clock: clock() });
    log = "";
    open = [];
  });
  afterEach(async () => {
    mock.timers.reset();
    await Promise.all(open.map((one) => one.end()));
    await store.close();
    rmSync(directory, { recursive: true });
  });

  const clock = () => ({ now: () => now, monotonic: () => now });
  async function proxy(over: PresenceOptions["store"] = store): Promise<Presence> {
    const write = (line: string): void => void (log += line);
    const one = new Presence({
      store: over,
      clock: clock(),
      version: "1",
      log: createLog({ severity: "debug", format: "text", write }),
    });
    open.push(one);
    await one.begin();
    return one;
  }
  const noted = async (): Promise<DatabaseServer[]> =>
    (await store.list(DATABASE_SERVER)).map(({ value }) => value as unknown as DatabaseServer);
  const knows = (one: Presence, others: readonly Presence[]): Promise<void> =>
    eventually(
      () =>
        one.proxies().join() ===
        others
          .map(({ id }) => id)
          .toSorted()
          .join(),
    );

  it("is every proxy that lives, and none that has ended in order", async () => {
    const first = await proxy();
    assert.deepEqual(first.proxies(), [first.id]);
    const second = await proxy();
    await knows(first, [first, second]);
    await knows(second, [first, second]);
    await second.end();
    await knows(first, [first]);
  });

  it("is no proxy that has said nothing for 40 s", async () => {
    let isAlive = true;
    const first = await proxy();
    // As one that was killed: what it wrote stands, and it writes no more.
    const killed = await proxy({
      list: store.list.bind(store),
      watch: store.watch.bind(store),
      write: async (...given: Parameters<SqliteStore["write"]>) => (isAlive ? await store.write(...given) : []),
    });
    await knows(first, [first, killed]);
    isAlive = false;
    now += 39 * SECOND;
    first.report([serving("orders")]);
    await eventually(async () => (await noted()).length === 1);
    assert.ok(first.proxies().includes(killed.id));
    now += 2 * SECOND;
    first.report([]);
    await knows(first, [first]);
  });

  it("is heard of by what changes in the store, not only now and then", async () => {
    // What is done now and then is done never.
    mock.timers.enable({ apis: ["setInterval"] });
    const first = await proxy();
    const second = await proxy();
    await knows(first, [first, second]);
  });

  it("is every agent whose tunnel a proxy holds, for as long as it does; others know what it serves", async () => {
    const [first, second] = [await proxy(), await proxy()];
    first.report([serving("orders")]);
    await eventually(() => second.servedElsewhere().some(({ name }) => name === "orders"));
    assert.deepEqual(first.servedElsewhere(), [], "what it serves itself is not elsewhere");
    const [one] = await noted();
    assert.deepEqual(
      [one?.host_id, one?.proxy, one?.node_name, one?.draining, one?.heard],
      ["host-1", first.id, "db-1", false, now],
    );
    first.report([serving("orders", { draining: true })]);
    await eventually(async () => (await noted())[0]?.draining === true);
    first.report([]);
    await eventually(async () => (await noted()).length === 0);
    await eventually(() => second.servedElsewhere().length === 0);
    first.report([serving("orders")]);
    await eventually(() => second.servedElsewhere().length === 1);
    await first.end();
    await eventually(() => second.servedElsewhere().length === 0);
    assert.deepEqual(await noted(), []);
  });

  it("counts nothing that a proxy which lives no more has noted", async () => {
    const first = await proxy();
    const value = { host_id: "h", proxy: "dead", databases: [{ name: "orders" }], heard: now };
    await store.write([{ op: "put", kind: DATABASE_SERVER, name: "h.dead", value, expiresAt: now + 600 * SECOND }]);
    first.report([serving("customers")]);
    await eventually(async () => (await noted()).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(first.servedElsewhere(), []);
  });

  it("is written when it changes, and once a minute", async () => {
    let writes = 0;
    const counting = {
      list: store.list.bind(store),
      watch: store.watch.bind(store),
      write: async (...given: Parameters<SqliteStore["write"]>) => {
        writes += given[0].filter(({ kind }) => kind === DATABASE_SERVER).length;
        return await store.write(...given);
      },
    };
    const first = await proxy(counting);
    first.report([serving("orders")]);
    await eventually(() => writes === 1);
    first.report([serving("orders")]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(writes, 1);
    now += 61 * SECOND;
    first.report([serving("orders")]);
    await eventually(() => writes === 2);
    first.report([serving("customers")]);
    await eventually(() => writes === 3);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(writes, 3);
  });

  it("is noted again when the store is back, and its failure is said once", async () => {
    let failing = false;
    const flaky = {
      list: store.list.bind(store),
      watch: store.watch.bind(store),
      write: async (...given: Parameters<SqliteStore["write"]>) => {
        if (failing) throw new Error("the store is away");
        return await store.write(...given);
      },
    };
    const first = await proxy(flaky);
    failing = true;
    first.report([serving("orders")]);
    await eventually(() => log.includes("the store is away"));
    first.report([serving("orders")]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(log.split("the store is away").length, 2);
    failing = false;
    first.report([serving("orders")]);
    await eventually(async () => (await noted()).length === 1);
  });
});
