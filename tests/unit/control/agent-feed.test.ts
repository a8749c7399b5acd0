import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { FedStore } from "../../../src/compose/fed-store.ts";
import { readStore } from "../../../src/compose/store-follower.ts";
import { agentFeed, type ClusterNews, type FeedLine } from "../../../src/control/agent-feed.ts";
import type { Change } from "../../../src/store/store.ts";
import { documents, ROOT, startTestCluster, type TestCluster } from "../../support/cluster.ts";
import { eventually } from "../../support/eventually.ts";

const ROLE = `
kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {env: dev}, db_users: [ExampleRole]}}
`;
const USER = (roles: string): string => `
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [${roles}]}
`;

describe("what agents are told", () => {
  let cluster: TestCluster | undefined;
  const stopping = new Set<AbortController>();
  afterEach(async () => {
    for (const each of stopping) each.abort();
    await cluster?.close();
  });

  /** Feeds a store from the cluster's until the test ends. */
  function feed(from: TestCluster, lines: FeedLine[] = [], pulse = 10): FedStore {
    const fed = new FedStore(systemClock);
    const stop = new AbortController();
    stopping.add(stop);
    void (async () => {
      for await (const line of agentFeed(from.store, { signal: stop.signal, pulse })) {
        lines.push(line);
        // As it goes over the wire.
        fed.take(JSON.parse(JSON.stringify(line)));
      }
    })();
    return fed;
  }

  it("is what the store holds, and what changes in it", async () => {
    cluster = await startTestCluster(ROLE + USER("dev"));
    const fed = feed(cluster);
    await eventually(() => fed.isFilled);
    deepEqual(await readStore(fed), await readStore(cluster.store));
    await cluster.administration.create(ROOT, documents(USER("dev, access")), { force: true });
    await eventually(async () => (await readStore(fed)).users[0]?.roles.length === 2);
    deepEqual(await readStore(fed), await readStore(cluster.store));
    await cluster.administration.remove(ROOT, "user", "alice");
    await eventually(async () => (await readStore(fed)).users.length === 0);
    const kinds = new Set<string>();
    for await (const { kind } of fed.snapshot()) kinds.add(kind);
    ok(kinds.has("user_removed"));
  });

  it("has no kind in it that holds a secret", async () => {
    cluster = await startTestCluster(ROLE);
    await cluster.store.write([{ op: "put", kind: "user_secret", name: "alice", value: { password: "hash" } }]);
    const lines: FeedLine[] = [];
    const fed = feed(cluster, lines);
    await eventually(() => fed.isFilled);
    await cluster.store.write([{ op: "put", kind: "user_secret", name: "alice", value: { password: "other" } }]);
    await cluster.administration.create(ROOT, documents(USER("dev")), { force: true });
    await eventually(async () => (await readStore(fed)).users.length === 1);
    ok(!JSON.stringify(lines).includes("password"));
  });

  it("comes anew after a gap, and what was gone meanwhile is gone", async () => {
    cluster = await startTestCluster(ROLE + USER("dev"));
    const real = cluster.store;
    let gap = (): void => undefined;
    const deaf = {
      get: (kind: string, name: string) => real.get(kind, name),
      snapshot: () => real.snapshot(),
      // Nothing is told of changes.
      watch: async (_: (changes: readonly Change[]) => void, onGap: () => void) => {
        gap = onGap;
        return async () => undefined;
      },
    };
    const fed = feed({ ...cluster, store: deaf as unknown as TestCluster["store"] });
    await eventually(() => fed.isFilled);
    await cluster.administration.remove(ROOT, "user", "alice");
    gap();
    await eventually(async () => (await readStore(fed)).users.length === 0);
  });

  it("shows nothing that is half told", async () => {
    const fed = new FedStore(systemClock);
    const resource = { type: "resource", kind: "user", name: "alice", revision: "1", value: {} };
    fed.take({ type: "begin" });
    fed.take(resource);
    deepEqual((await readStore(fed)).users, []);
    equal(fed.isFilled, false);
    fed.take({ type: "settled" });
    fed.take({ type: "begin" });
    const names: string[] = [];
    for await (const { name } of fed.snapshot()) names.push(name);
    deepEqual(names, ["alice"]);
    throws(() => fed.take({ type: "news" }), { code: "feed_invalid" });
    // A later version may tell more, of what lets nobody in.
    fed.take({ type: "news", ignorable: true });
    throws(() => fed.take({ ...resource, kind: "user_secret" }), { code: "feed_invalid" });
  });

  it("shows nothing whose time is over", async () => {
    let now = 999;
    const fed = new FedStore({ now: () => now, monotonic: () => now });
    fed.take({ type: "begin" });
    fed.take({ type: "resource", kind: "user", name: "alice", revision: "1", value: {}, expires_at: 1000 });
    fed.take({ type: "resource", kind: "user", name: "bob", revision: "1", value: {} });
    fed.take({ type: "settled" });
    const names = async (): Promise<string[]> => (await fed.list("user")).map(({ name }) => name);
    deepEqual([await names(), (await fed.get("user", "alice"))?.name], [["alice", "bob"], "alice"]);
    now = 1000;
    deepEqual([await names(), await fed.get("user", "alice")], [["bob"], undefined]);
    deepEqual((await fed.get("user", "bob"))?.name, "bob");
    deepEqual(await fed.get("user", "carol"), undefined);
  });

  it("says which proxies live and who vouches, at once when that changes", async () => {
    cluster = await startTestCluster(ROLE);
    let proxies = ["one"];
    const about = async (): Promise<ClusterNews> => ({ proxies, authorities: { host: ["a"], user: ["b"] } });
    const lines: FeedLine[] = [];
    const stop = new AbortController();
    stopping.add(stop);
    void (async () => {
      for await (const line of agentFeed(cluster.store, { signal: stop.signal, pulse: 3_600_000, about }))
        lines.push(line);
    })();
    const told = (): unknown[] => lines.flatMap((line) => (line.type === "cluster" ? [line.proxies] : []));
    await eventually(() => lines.at(-1)?.type === "settled");
    proxies = ["one", "two"];
    await cluster.store.write([{ op: "put", kind: "proxy", name: "two", value: {} }]);
    await eventually(() => told().length === 2);
    deepEqual(told(), [["one"], ["one", "two"]]);
    const fed = new FedStore(systemClock);
    const heard: unknown[] = [];
    for (const line of lines) fed.take(JSON.parse(JSON.stringify(line)));
    fed.onAbout((news) => heard.push(news.proxies));
    deepEqual(heard, [["one", "two"]]);
  });

  it("counts the time that a machine slept as silence, whatever its clocks say of it", () => {
    let [slept, awake] = [0, 1000];
    const fed = new FedStore({ now: () => 1_800_000_000_000 + slept + awake, monotonic: () => awake });
    fed.take({ type: "begin" });
    fed.take({ type: "settled" });
    awake += 1000;
    slept += 3_600_000;
    equal(fed.silence, 3_601_000);
    // A clock that is set back, at once or while it sleeps again, takes nothing away.
    slept -= 7_200_000;
    equal(fed.silence, 3_601_000);
    slept += 60_000;
    equal(fed.silence, 3_661_000);
    fed.beginAnew();
    fed.take({ type: "begin" });
    equal(fed.silence, 3_661_000);
    fed.take({ type: "settled" });
    equal(fed.silence, 0);
    // Readings of two clocks differ a little, as often as they are read.
    for (let round = 0; round < 1000; round++) {
      slept = -7_140_000 + (round % 2);
      awake += 0.5;
      ok(Math.abs(fed.silence - (round + 1) / 2) < 1);
    }
  });

  it("does not take for news what was said before a sleep", () => {
    let slept = 0;
    const fed = new FedStore({ now: () => slept, monotonic: () => 0 });
    fed.take({ type: "begin" });
    fed.take({ type: "settled" });
    slept = 3_600_000;
    throws(() => fed.take({ type: "alive" }), { code: "feed_late" });
    equal(fed.silence, 3_600_000);
    fed.beginAnew();
    fed.take({ type: "begin" });
    fed.take({ type: "settled" });
    equal(fed.silence, 0);
  });

  it("says how long nothing was heard", async () => {
    let now = 0;
    const fed = new FedStore({ now: () => now, monotonic: () => now });
    fed.take({ type: "begin" });
    fed.take({ type: "settled" });
    now = 70_000;
    equal(fed.silence, 70_000);
    fed.take({ type: "alive" });
    equal(fed.silence, 0);
    // A cluster whose store cannot be read to its end is not heard, however often it begins.
    now = 80_000;
    fed.take({ type: "begin" });
    fed.take({ type: "resource", kind: "user", name: "alice", revision: "1", value: {} });
    fed.take({ type: "alive" });
    equal(fed.silence, 10_000);
    fed.take({ type: "settled" });
    equal(fed.silence, 0);
    // What comes by another connection says nothing before it has told a state to its end; and it begins with none.
    now = 90_000;
    fed.beginAnew();
    fed.take({ type: "cluster", ignorable: true, proxies: [], authorities: { host: [], user: [] } });
    fed.take({ type: "alive" });
    equal(fed.silence, 10_000);
    deepEqual((await fed.get("user", "alice"))?.name, "alice");
    fed.take({ type: "settled" });
    deepEqual([fed.silence, await fed.get("user", "alice")], [0, undefined]);
    cluster = await startTestCluster(ROLE);
    const lines: FeedLine[] = [];
    feed(cluster, lines, 5);
    await eventually(() => lines.filter(({ type }) => type === "alive").length > 1);
  });
});
