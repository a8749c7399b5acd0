import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { withAdministration } from "../../src/cli/ctl/local.ts";
import { kindsForUse } from "../../src/compose/kinds.ts";
import { loadSources } from "../../src/compose.ts";
import { Administration } from "../../src/control/administration.ts";
import { Authorizer } from "../../src/control/authorize.ts";
import { openCluster } from "../../src/control/cluster.ts";
import { keyRingFromFile } from "../../src/identity/sealing.ts";
import type { GuardedStore } from "../../src/store/guarded-store.ts";
import type { Store, StoredValue, Write } from "../../src/store/store.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { loadBuiltinBundle, loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const ROLE = (actions: string): string => `
kind: role
version: v7
metadata: {name: dev}
spec:
  allow:
    db_labels: {env: dev}
    db_users: [ExampleRole]
    db_rules: [{actions: [${actions}]}]
`;
const USER = (roles: string): string => `
kind: user
version: v2
metadata: {name: bob}
spec: {roles: [${roles}]}
`;
const LOCK = `
kind: lock
version: v2
metadata: {name: bob-left}
spec: {target: {user: bob}, message: gone}
`;
const IN_FILES = `
kind: role
version: v7
metadata: {name: in-files}
spec: {}
`;
const GET = { TableName: "orders", Key: { id: { S: "ada#1" } } };

describe("a gateway that follows a store", () => {
  let gateway: TestGateway;
  let store: Store;
  let administration: Administration;

  before(async () => {
    gateway = await startTestGateway({
      resources: IN_FILES,
      sections: "auth_service: {enabled: yes, cluster_name: example}",
      listener: { user: "bob" },
      prepare: async (directory) => {
        mkdirSync(join(directory, "data"));
        // As another process would have it: not the gateway's own.
        const data = join(directory, "data");
        const inner = await SqliteStore.open({ path: join(data, "store.sqlite"), clock: systemClock });
        const ring = keyRingFromFile(data, { make: true });
        ({ store } = await openCluster({ store: inner, ring, name: "example", clock: systemClock }));
        administration = new Administration({
          store,
          authorizer: await Authorizer.load(await loadControlBundle()),
          events: { healthy: true, record: async () => undefined },
          clock: systemClock,
          kinds: kindsForUse(),
          service: "test",
        });
        await administration.create(ROOT, documents(`${ROLE("read")}---${USER("dev")}`), { force: false });
      },
    });
  });
  after(async () => {
    await gateway.close();
    await store.close();
  });

  const statusOf = async (): Promise<number> => (await gateway.call("GetItem", GET)).status;
  const put = (yaml: string): Promise<unknown> => administration.create(ROOT, documents(yaml), { force: true });
  const reason = async (): Promise<string> => String((await gateway.call("GetItem", GET)).body["Message"]);

  it("lets in who was there when it started", async () => {
    assert.equal(await statusOf(), 200);
  });

  it("denies what a role allows no more, and allows what it allows again", async () => {
    await put(ROLE("write"));
    await eventually(async () => (await statusOf()) === 400);
    assert.match(await reason(), /dev/);
    await put(ROLE("read"));
    await eventually(async () => (await statusOf()) === 200);
  });

  it("shuts out who is locked, and lets in who is locked no more", async () => {
    await put(LOCK);
    await eventually(async () => (await statusOf()) === 400);
    assert.match(await reason(), /gone/);
    await administration.remove(ROOT, "lock", "bob-left");
    await eventually(async () => (await statusOf()) === 200);
  });

  it("shuts out who is removed, and lets in who is back", async () => {
    await administration.remove(ROOT, "user", "bob");
    await eventually(async () => (await statusOf()) !== 200);
    await put(USER("dev"));
    await eventually(async () => (await statusOf()) === 200);
  });

  it("keeps what is in force when the store holds what it cannot read, says so, and goes on once that is mended", async () => {
    await store.write([{ op: "put", kind: "role", name: "idle", value: { kind: "role", spec: 7 } }]);
    await eventually(() => gateway.gateway.refusedChange !== null);
    assert.match(gateway.gateway.refusedChange ?? "", /"role\/idle" in the store/);
    assert.equal(await statusOf(), 200);
    assert.ok(gateway.audit().some(({ event, source }) => event === "postern.resources.refused" && source === "store"));
    await store.write([{ op: "delete", kind: "role", name: "idle" }]);
    await eventually(() => gateway.gateway.refusedChange === null);
    await put(ROLE("write"));
    await eventually(async () => (await statusOf()) === 400);
    assert.equal(gateway.gateway.refusedChange, null);
    await put(ROLE("read"));
    await eventually(async () => (await statusOf()) === 200);
  });

  const BAD_ROLE = { op: "put", kind: "role", name: "bad", value: { kind: "role", spec: 7 } } as const;
  const withBadRole = async (work: () => Promise<void>): Promise<void> => {
    await store.write([BAD_ROLE]);
    await eventually(() => gateway.gateway.refusedChange !== null);
    try {
      await work();
    } finally {
      await store.write([{ op: "delete", kind: "role", name: "bad" }]);
    }
    await eventually(() => gateway.gateway.refusedChange === null);
    await eventually(async () => (await statusOf()) === 200);
  };

  it("shuts out who is locked, removed or loses a role beside what it cannot read, and gives nothing by it", async () => {
    await withBadRole(async () => {
      await put(LOCK);
      await eventually(async () => (await statusOf()) === 400);
      assert.match(await reason(), /gone/);
      assert.match(gateway.gateway.refusedChange ?? "", /"role\/bad" in the store/);
      await store.write([{ op: "delete", kind: "lock", name: "bob-left" }]);
    });
    // What gives is for when all can be read; another program may have written it.
    const as = (yaml: string): Write => {
      const [document] = documents(yaml);
      assert.ok(document !== undefined);
      const { kind, metadata } = document.value as { kind: string; metadata: { name: string } };
      return { op: "put", kind, name: metadata.name, value: document.value as StoredValue };
    };
    await withBadRole(async () => {
      await assert.rejects(put(USER("")), { code: "resource_unreadable" });
      await store.write([as(USER(""))]);
      await eventually(async () => (await statusOf()) === 400);
      await store.write([as(USER("dev"))]);
      await eventually(async () => (await statusOf()) === 200);
      await administration.remove(ROOT, "user", "bob");
      await eventually(async () => (await statusOf()) === 400);
      await store.write([as(USER("dev"))]);
    });
    await put(ROLE("write"));
    await eventually(async () => (await statusOf()) === 400);
    await withBadRole(async () => {
      await store.write([as(ROLE("read"))]);
      await put(LOCK.replace("user: bob", "user: carol"));
      await eventually(() => gateway.gateway.services.state().directory.locks().length === 1);
      assert.equal(await statusOf(), 400, "what a role allows anew waits until all of it can be read");
    });
    await administration.remove(ROOT, "lock", "bob-left");
  });

  it("shuts out who holds a role that cannot be read, since that may deny what is asked", async () => {
    await store.write([{ op: "put", kind: "role", name: "dev", value: { kind: "role", spec: 7 } }]);
    await eventually(async () => (await statusOf()) === 400);
    assert.match(await reason(), /what role "dev" denies cannot be put in force/);
    await put(ROLE("read"));
    await eventually(async () => (await statusOf()) === 200);
  });

  it("shuts out everybody while a lock cannot be read, or is not what was written", async () => {
    const bad = { op: "put", kind: "lock", name: "bad", value: { kind: "lock", spec: 7 } } as const;
    for (const target of [store, (store as GuardedStore).inner]) {
      await target.write([bad]);
      await eventually(async () => (await statusOf()) === 400);
      assert.match(await reason(), /a lock in the store cannot be read, and may be for anybody/);
      await target.write([{ op: "delete", kind: "lock", name: "bad" }]);
      await eventually(async () => (await statusOf()) === 200);
    }
  });

  it("refuses a name that both the files and the store have", async () => {
    await put(ROLE("read").replace("name: dev", "name: in-files"));
    await eventually(() => gateway.gateway.refusedChange !== null);
    assert.match(gateway.gateway.refusedChange ?? "", /"in-files" is defined twice/);
    assert.equal(await statusOf(), 200);
    await administration.remove(ROOT, "role", "in-files");
    await eventually(() => gateway.gateway.refusedChange === null);
  });

  it("is kept from such a name by the command line, which knows the files", async () => {
    const config = readConfig(join(gateway.directory, "postern.yaml"));
    const given = documents(ROLE("read").replace("name: dev", "name: in-files"));
    await assert.rejects(
      withAdministration(config, "writes", ({ administration: local, actor }) =>
        local.create(actor, given, { force: true }),
      ),
      /role "in-files" is defined in this machine's files already/,
    );
    assert.equal(await store.get("role", "in-files"), undefined);
  });

  it("is what doctor would load, too", async () => {
    const { state } = await loadSources(readConfig(join(gateway.directory, "postern.yaml")), () => loadBuiltinBundle());
    assert.deepEqual(state.directory.user("bob")?.roles, ["dev"]);
  });

  it("takes what the command line does, whose log is a chain of its own", async () => {
    const config = readConfig(join(gateway.directory, "postern.yaml"));
    await withAdministration(config, "writes", ({ administration: local, actor }) =>
      local.remove(actor, "user", "bob"),
    );
    await eventually(async () => (await statusOf()) !== 200);
    const events = gateway.audit().filter(({ event }) => event === "user.delete");
    assert.deepEqual(
      events.map(({ name, service }) => [name, service]),
      [["bob", "ctl"]],
    );
    assert.ok(readdirSync(join(gateway.directory, "data", "audit")).some((file) => /^ctl-\d+\.jsonl$/.test(file)));
  });
});

describe("a gateway whose store cannot be used", () => {
  it("does not start", async () => {
    await assert.rejects(
      startTestGateway({
        sections: "auth_service: {enabled: yes, cluster_name: example}",
        prepare: (directory) => {
          mkdirSync(join(directory, "data"));
          writeFileSync(join(directory, "data", "store.sqlite"), "not a database, and long enough to look like one", {
            mode: 0o600,
          });
        },
      }),
      /store\.sqlite/,
    );
  });
});
