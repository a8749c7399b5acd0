import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import type { RegisteredDatabases } from "../../../src/compose/registered-databases.ts";
import { merged } from "../../../src/compose/sources.ts";
import { StoreFollower, type StoredSet } from "../../../src/compose/store-follower.ts";
import type { Resources } from "../../../src/config/resources.ts";
import { Directory } from "../../../src/identity/directory.ts";
import { documentOf } from "../../../src/identity/user.ts";
import { GuardedStore } from "../../../src/store/guarded-store.ts";
import type { StoredValue, Write } from "../../../src/store/store.ts";
import { eventually } from "../../support/eventually.ts";
import { newStore } from "../store/support.ts";

const ISSUER = "https://login.example.com";
const CONNECTOR = {
  kind: "oidc",
  version: "v3",
  metadata: { name: "corp" },
  spec: {
    issuer_url: ISSUER,
    client_id: "postern",
    redirect_url: "https://postern.example.com/web/oidc/callback",
    claims_to_roles: [{ claim: "groups", value: "dev", roles: ["access"] }],
  },
};
const userNamed = (name: string): StoredValue => ({
  kind: "user",
  version: "v2",
  metadata: { name },
  spec: { roles: ["access"] },
});
const roleNamed = (name: string, spec: object): StoredValue => ({
  kind: "role",
  version: "v7",
  metadata: { name },
  spec: JSON.parse(JSON.stringify(spec)) as StoredValue,
});
const READS = {
  allow: {
    db_labels: { env: "dev" },
    db_users: ["reader"],
    db_rules: [{ actions: ["dynamodb:GetItem", "dynamodb:Query"] }],
  },
};
const DENIES = { deny: { db_labels: { "*": "*" }, db_rules: [{ actions: ["dynamodb:DeleteItem"] }] } };
const CAME = {
  name: "came",
  roles: ["access"],
  traits: {},
  expires: Date.now() + 3_600_000,
  origin: { connector: "corp", issuer: ISSUER, subject: "1" },
};
const put = (kind: string, name: string, value: unknown): Write => ({
  op: "put",
  kind,
  name,
  value: JSON.parse(JSON.stringify(value)) as StoredValue,
});
/** What every reader of ours wrote, and this version cannot read. */
const UNREADABLE = put("role", "bad", { kind: "role", spec: 7 });
/** As who has no key writes it. */
const PLANT = put("user", "zz-plant", { kind: "user" });

const LOCK_ON_BOB = {
  kind: "lock",
  version: "v2",
  metadata: { name: "of-bob" },
  spec: { target: { user: "bob" } },
};
/** Alice with another role beside `access`. */
const given = (role: string): Write =>
  put("user", "alice", { ...(userNamed("alice") as object), spec: { roles: ["access", role] } });

/** Alice, whom an administrator made, and somebody who came by a connector, in force. */
async function followed(t: TestContext): Promise<{
  readonly store: GuardedStore;
  readonly swaps: StoredSet[];
  readonly told: unknown[];
  directory(): Directory;
}> {
  const store = new GuardedStore(await newStore(t), randomBytes(32));
  const came = documentOf(CAME, 0);
  await store.write([
    put("oidc", "corp", CONNECTOR),
    put("user", "alice", userNamed("alice")),
    put("user", "came", came),
  ]);
  const follower = await StoreFollower.open(store);
  t.after(() => follower.close());
  const [swaps, told]: [StoredSet[], unknown[]] = [[], []];
  follower.start(
    async (set) => void swaps.push(set),
    (error) => told.push(error),
  );
  const files = new Directory(
    { users: [{ name: "filed", roles: ["access"], traits: {} }], roles: [], locks: [] },
    systemClock,
  );
  const registered = { of: () => [] } as unknown as RegisteredDatabases;
  const resources = { directory: files, databases: [], warnings: [], digest: "" } as unknown as Resources;
  return {
    store,
    swaps,
    told,
    directory: () => merged(resources, follower.current, { clock: systemClock, registered }).directory,
  };
}

describe("what takes away, beside what cannot be read", () => {
  it("keeps out whose connector is gone, before and after", async (t) => {
    const { store, directory, told } = await followed(t);
    await store.write([UNREADABLE]);
    await eventually(() => told.length > 0);
    assert.equal(directory().lockOf("came"), undefined);
    await store.write([{ op: "delete", kind: "oidc", name: "corp" }]);
    await eventually(() => directory().lockOf("came") !== undefined);
    assert.equal(directory().lockOf("alice"), undefined);

    const other = await followed(t);
    await other.store.write([{ op: "delete", kind: "oidc", name: "corp" }]);
    await eventually(() => other.directory().lockOf("came") !== undefined);
    await other.store.write([UNREADABLE]);
    await eventually(() => other.told.length > 0);
    assert.notEqual(other.directory().lockOf("came"), undefined, "what cannot be read brings nobody back");
  });

  it("holds also beside what somebody planted among the users, and among the connectors", async (t) => {
    const { store, directory, told } = await followed(t);
    await store.inner.write([PLANT, put("oidc", "zz-plant", 1)]);
    await eventually(() => told.length > 0);
    assert.equal(directory().lockOf("came"), undefined);
    await store.write([{ op: "delete", kind: "user", name: "alice" }]);
    await eventually(() => directory().user("alice") === undefined);
    await store.write([{ op: "delete", kind: "oidc", name: "corp" }]);
    await eventually(() => directory().lockOf("came") !== undefined);
  });

  it("is nothing that a backup says which is half put back", async (t) => {
    const { store, swaps, told } = await followed(t);
    await store.inner.write([put("restore", "pending", "digest")]);
    await store.write([{ op: "delete", kind: "user", name: "alice" }]);
    await eventually(() => told.length > 0);
    assert.match(String(told[0]), /a backup was put into it in part/);
    assert.equal(swaps.length, 0);
  });

  it("is everybody's where it is a lock that cannot be read, also theirs whom files define", async (t) => {
    const { store, directory } = await followed(t);
    await store.write([put("lock", "bad", { kind: "lock" })]);
    for (const name of ["alice", "came", "filed"]) {
      await eventually(() => directory().lockOf(name) !== undefined);
      assert.match(directory().lockOf(name)?.message ?? "", /a lock in the store cannot be read/);
    }
    await store.write([{ op: "delete", kind: "lock", name: "bad" }]);
    for (const name of ["alice", "came", "filed"]) await eventually(() => directory().lockOf(name) === undefined);
  });

  /** Alice holds `access` and `reads`, and beside all there is a document that cannot be read. */
  async function withReads(t: TestContext): ReturnType<typeof followed> {
    const at = await followed(t);
    await at.store.write([
      put("role", "reads", roleNamed("reads", READS)),
      put("user", "alice", { ...(userNamed("alice") as object), spec: { roles: ["access", "reads"] } }),
    ]);
    await eventually(() => at.directory().user("alice")?.roles.length === 2);
    await at.store.write([UNREADABLE]);
    await eventually(() => at.told.length > 0);
    return at;
  }
  const allowed = (directory: Directory): unknown => directory.role("reads")?.allow;
  const NOTHING = { db_labels: {}, db_users: [] };

  it("is what a role allowed that was changed or is gone, until all can be read", async (t) => {
    const narrower = { allow: { ...READS.allow, db_rules: [{ actions: ["dynamodb:GetItem"] }] } };
    for (const change of [
      put("role", "reads", roleNamed("reads", narrower)),
      { op: "delete", kind: "role", name: "reads" } as const,
    ]) {
      const { store, directory } = await withReads(t);
      await store.write([change]);
      await eventually(() => JSON.stringify(allowed(directory())) === JSON.stringify(NOTHING));
      // What else they hold, they hold still.
      assert.equal(directory().lockOf("alice"), undefined);
      assert.deepEqual(directory().user("alice")?.roles, ["access", "reads"]);
      await store.write([
        put("role", "reads", roleNamed("reads", narrower)),
        { op: "delete", kind: "role", name: "bad" },
      ]);
      await eventually(() => JSON.stringify(allowed(directory())) !== JSON.stringify(NOTHING));
    }
  });

  it("is nothing of a role in which only words have changed", async (t) => {
    const { store, directory, swaps } = await withReads(t);
    const before = swaps.length;
    const worded = roleNamed("reads", { ...READS, options: { max_session_ttl: "1h" } });
    await store.write([
      put("role", "reads", { ...(worded as object), metadata: { name: "reads", description: "new" } }),
    ]);
    await store.write([put("lock", "of-bob", LOCK_ON_BOB)]);
    await eventually(() => directory().locks().length === 1);
    assert.equal(swaps.length, before + 1);
    assert.notDeepEqual(allowed(directory()), NOTHING);
  });

  it("is everything from whoever holds a role of which nobody knows what it denies now", async (t) => {
    for (const change of [
      put("role", "reads", roleNamed("reads", { ...READS, ...DENIES })),
      put("role", "reads", { kind: "role", spec: 7 }),
      // Given since, and in force nowhere.
      [put("role", "no-deletes", roleNamed("no-deletes", DENIES)), given("no-deletes")],
      [given("bad")],
      [given("nowhere")],
    ]) {
      const { store, directory } = await withReads(t);
      await store.write([change].flat());
      await eventually(() => directory().lockOf("alice") !== undefined);
      assert.match(directory().lockOf("alice")?.message ?? "", /^what role "[a-z-]+" denies cannot be put in force/);
      assert.equal(directory().lockOf("came"), undefined);
      const restored = [put("role", "reads", roleNamed("reads", READS)), given("reads")];
      await store.write(restored);
      await eventually(() => directory().lockOf("alice") === undefined);
    }
    const { store, directory } = await withReads(t);
    await store.write([put("role", "writes", roleNamed("writes", READS)), given("writes")]);
    await eventually(() => directory().user("alice")?.roles.join() === "access");
    assert.equal(directory().lockOf("alice"), undefined, "a role that only allows waits");
  });

  it("is put in force once, however often it is looked at", async (t) => {
    const { store, swaps, told, directory } = await followed(t);
    await store.write([UNREADABLE]);
    await eventually(() => told.length > 0);
    assert.equal(swaps.length, 0, "nothing was taken away");
    await store.write([{ op: "delete", kind: "user", name: "alice" }]);
    await eventually(() => directory().user("alice") === undefined);
    const [before, after] = [swaps.length, told.length];
    for (let n = 0; n < 3; n += 1) {
      await store.write([
        put("lock", `of-${n}`, {
          kind: "lock",
          version: "v2",
          metadata: { name: `of-${n}` },
          spec: { target: { user: `u${n}` } },
        }),
      ]);
      await eventually(() => directory().locks().length === n + 1);
      await store.write([put("role", "bad", { kind: "role", spec: n })]);
    }
    await eventually(async () => (await store.get("role", "bad"))?.value !== undefined);
    assert.deepEqual([swaps.length - before, told.length - after], [3, 3]);
  });
});
