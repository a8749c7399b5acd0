import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";

import { systemClock } from "../../../src/base/clock.ts";
import { type Cluster, openCluster } from "../../../src/control/cluster.ts";
import { openAuthority } from "../../../src/identity/authority-keys.ts";
import { KeyRing } from "../../../src/identity/sealing.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";

async function storeOf(t: TestContext): Promise<SqliteStore> {
  const directory = mkdtempSync(join(tmpdir(), "postern-cluster-"));
  const store = await SqliteStore.open({ path: join(directory, "store.sqlite"), clock: systemClock });
  t.after(async () => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return store;
}

const ring = new KeyRing([randomBytes(32)]);
const open = (store: SqliteStore, name = "example", keys = ring): Promise<Cluster> =>
  openCluster({ store, ring: keys, name, clock: systemClock });

describe("openCluster()", () => {
  it("makes a cluster once, whoever opens it and however many at once", async (t) => {
    const store = await storeOf(t);
    const opened = await Promise.all(Array.from({ length: 6 }, () => open(store)));
    const again = await open(store);
    const states = await Promise.all(
      [...opened, again].map(async (one) => [
        one.id,
        await one.pins(),
        (await one.authority("user")).active.certificate,
      ]),
    );
    for (const state of states) assert.deepEqual(state, states[0]);
    const [pin] = await again.pins();
    assert.match(pin ?? "", /^sha256:[0-9a-f]{64}$/);
    for (const kind of ["host", "user"] as const) await openAuthority(await again.authority(kind), ring);
    assert.notEqual(
      (await again.authority("host")).active.certificate,
      (await again.authority("user")).active.certificate,
    );
  });

  it("keeps no key in plain text", async (t) => {
    const store = await storeOf(t);
    await open(store);
    let all = "";
    for await (const resource of store.snapshot()) all += JSON.stringify(resource);
    assert.match(all, /sealedKey/);
    assert.doesNotMatch(all, /PRIVATE KEY|MIGHAgEAMBMG/);
  });

  it("does not open under another name or another ring, and changes nothing then", async (t) => {
    const store = await storeOf(t);
    const pins = await (await open(store)).pins();
    await assert.rejects(open(store, "other"), { code: "cluster_name_changed" });
    await assert.rejects(open(store, "example", new KeyRing([randomBytes(32)])), { code: "sealing_key_lost" });
    assert.deepEqual(await (await open(store)).pins(), pins);
  });

  it("trusts no store whose guard was taken away, put in, or passed by", async (t) => {
    const store = await storeOf(t);
    await open(store);
    const authority = await store.get("authority", "host");
    await store.write([{ op: "put", kind: "authority", name: "user", value: authority?.value ?? null }]);
    await assert.rejects(open(store), { code: "store_tampered" });
    await store.write([{ op: "delete", kind: "guard_key", name: "store" }]);
    await assert.rejects(open(store), { code: "store_unguarded" });
    await store.write([{ op: "put", kind: "guard_key", name: "store", value: { sealed: 1 } }]);
    await assert.rejects(open(store), { code: "store_unguarded" });
  });

  it("goes on under a new sealing key while the old one is there", async (t) => {
    const store = await storeOf(t);
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const pins = await (await open(store, "example", new KeyRing([old]))).pins();
    assert.deepEqual(await (await open(store, "example", new KeyRing([fresh, old]))).pins(), pins);
  });
});
