import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { actorNow, World } from "../../../src/control/world.ts";
import type { StoredValue } from "../../../src/store/store.ts";
import { documents, ROOT, startTestCluster, type TestCluster } from "../../support/cluster.ts";

const role = (name: string): string =>
  `kind: role\nversion: v7\nmetadata: {name: ${name}}\nspec: {deny: {db_labels: {env: ${name}}}}\n`;
const user = (name: string, roles: string, more = ""): string =>
  `kind: user\nversion: v2\nmetadata: {name: ${name}${more}}\nspec: {roles: [${roles}], traits: {team: [${name}]}}\n`;
const lock = (name: string, target: string): string =>
  `kind: lock\nversion: v2\nmetadata: {name: ${name}}\nspec: {target: {${target}}}\n`;
const EVERYBODY = [
  ...["a", "b", "c"].map(role),
  user("ann", "a, access"),
  user("bea", "b, c"),
  user("cid", "access"),
  user("dan", "c", ", expires: '2020-01-01T00:00:00Z'"),
  user("eve", "editor"),
  lock("one", "user: cid"),
  lock("two", "role: b"),
  lock("three", "user: nobody"),
];
const NAMES = ["ann", "bea", "cid", "dan", "eve", "nobody", " no name"];

async function withCluster(test: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster(EVERYBODY.join("---\n"));
  try {
    await test(cluster);
  } finally {
    await cluster.close();
  }
}

/** What is known of a user, or why that cannot be told. */
function known(world: World, name: string): unknown {
  try {
    const directory = world.directoryFor(name);
    const principal = directory.principalOf(name);
    return [principal, directory.lockOf(name), (principal?.roles ?? []).map((one) => directory.role(one))];
  } catch (error) {
    return (error as Error).message;
  }
}

describe("what is read around one user", () => {
  it("tells of them what the whole store tells, also where a document in it cannot be read", () =>
    withCluster(async ({ store }) => {
      const same = async (): Promise<void> => {
        const whole = await World.read(store, systemClock);
        for (const name of NAMES)
          assert.deepEqual(known(await World.around(name, [], store, systemClock), name), known(whole, name), name);
      };
      await same();
      const seen = new Set<string>();
      for (const [kind, name] of [
        ["role", "b"],
        ["role", "c"],
        ["user", "ann"],
        ["lock", "three"],
      ] as const) {
        const value = { kind, version: "v99", metadata: { name }, spec: {} } satisfies StoredValue;
        await store.write([{ op: "put", kind, name, value }]);
        await same();
        for (const one of NAMES) seen.add(String(known(await World.around(one, [], store, systemClock), one)));
      }
      // Each of them did keep somebody out.
      for (const key of ["role/b", "role/c", "user/ann", "lock/three"])
        assert.ok(
          [...seen].some((text) => text.startsWith(`Cannot read "${key}"`)),
          key,
        );
    }));

  it("is the same amount however many others there are", () =>
    withCluster(async ({ store }) => {
      const read: string[] = [];
      const counting = {
        ...store,
        get: async (kind: string, name: string) => {
          read.push(`${kind}/${name}`);
          return store.get(kind, name);
        },
        list: async (kind: string) => {
          read.push(kind);
          return store.list(kind);
        },
      };
      await World.around("ann", ["a", "c"], counting as unknown as typeof store, systemClock);
      assert.deepEqual(read.sort(), ["lock", "oidc", "restore/pending", "role/a", "role/c", "user/ann"]);
    }));
});

describe("who acts now", () => {
  it("is who they were recognised as, as far as they still are it, and a bot only by their login", () =>
    withCluster(async (cluster) => {
      const yaml = `${user("fay", "access, a").replace("traits: {", "traits: {bot: [ci], ")}---\n${user("gus", "access")}`;
      await cluster.administration.create(ROOT, documents(yaml), { force: false });
      const { directory } = await World.read(cluster.store, systemClock);
      const as = (name: string, roles: readonly string[], traits = {}): unknown => {
        const now = actorNow({ name, roles, traits, kind: "user", address: "192.0.2.7" }, directory);
        return [now.roles, now.traits, now.address];
      };
      const [team, from] = [{ team: ["fay"] }, "192.0.2.7"];
      assert.deepEqual(as("fay", ["access", "a", "b"], { team: ["old"] }), [["access", "a"], team, from]);
      assert.deepEqual(as("fay", ["access", "a"], { bot: ["t"] }), [["access", "a"], { ...team, bot: ["t"] }, from]);
      assert.deepEqual(as("gus", ["access"]), [["access"], { team: ["gus"] }, from]);
      // Role a denies something, and was given since: it binds at once, and so they must log in again.
      assert.deepEqual(as("fay", ["access"]), [[], {}, from]);
      assert.deepEqual(as("gone", ["access"]), [[], {}, from]);
      assert.deepEqual(actorNow(ROOT, directory), ROOT);
    }));
});
