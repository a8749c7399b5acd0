import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { AuditEvent } from "../../../src/audit/event.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { Secret } from "../../../src/base/secret.ts";
import { openKeys } from "../../../src/compose/sealing.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { openCluster } from "../../../src/control/cluster.ts";
import type { Administration } from "../../../src/control/administration.ts";
import { clientSecretContext, connectorKind } from "../../../src/control/connectors.ts";
import { parseOidcConnector } from "../../../src/identity/oidc-connector.ts";
import { deviceCodeContext } from "../../../src/control/device-logins.ts";
import { Links } from "../../../src/control/links.ts";
import { legContext } from "../../../src/control/oidc-logins.ts";
import { People } from "../../../src/control/people.ts";
import { rotateAuthorities } from "../../../src/control/rotation.ts";
import { keysSealing, SEALED_ELSEWHERE, SEALED_KINDS } from "../../../src/control/sealed-values.ts";
import {
  followState,
  retireSealing,
  rotateSealing,
  sealingStatus,
  type SealingOptions,
} from "../../../src/control/sealing.ts";
import { freshTotp, SecretsStore } from "../../../src/control/user-secrets.ts";
import { openAuthority } from "../../../src/identity/authority-keys.ts";
import { NO_TRIES } from "../../../src/identity/tries.ts";
import { Passwords } from "../../../src/identity/passwords.ts";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";
import type { Store, Write } from "../../../src/store/store.ts";

const SRC = fileURLToPath(new URL("../../../src/", import.meta.url));

interface Node extends SealingOptions {
  readonly recorded: AuditEvent[];
  advance(ms: number): void;
}

/** A data directory, of which several nodes can be opened. */
function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-sealing-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function openNode(
  t: TestContext,
  directory: string,
  wrap: (store: Store) => Store = (store) => store,
): Promise<Node> {
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() };
  const sqlite = await SqliteStore.open({ path: join(directory, "store.sqlite"), clock: systemClock });
  t.after(() => sqlite.close());
  const store = wrap(sqlite);
  const text = `version: v3\npostern: {nodename: example, data_dir: ${directory}}\nauth_service: {enabled: yes}\n`;
  const { keys, ring } = await openKeys(parseConfig(text, join(directory, "postern.yaml"), { env: {} }), store);
  const cluster = await openCluster({ store, ring, name: "example", clock });
  await followState(cluster, ring);
  const recorded: AuditEvent[] = [];
  const events = { healthy: true, record: async (event: AuditEvent) => void recorded.push(event) };
  return { cluster, ring, keys, events, clock, recorded, advance: (ms) => void (ahead += ms) };
}

/** Everything that a cluster seals, once: guard, authorities with a rotation under way, second factors, a link. */
async function fill(node: Node, users = 45): Promise<{ readonly link: Secret; readonly totp: string }> {
  const { cluster, ring, events, clock } = node;
  const secrets = new SecretsStore(cluster.store, ring);
  const { secret } = freshTotp();
  for (let n = 0; n < users; n += 1)
    await secrets.write(`user-${n}`, { totp: n === 7 ? { secret } : freshTotp(), ...NO_TRIES }, undefined);
  await rotateAuthorities("root", { kinds: ["host"], phase: "init", manual: true, grace: 0 }, node);
  const passwords = new Passwords({ cost: { ln: 10, r: 8, p: 1 } });
  await cluster.store.write([{ op: "create", kind: "user", name: "user-7", value: {} }]);
  const change: Administration["change"] = async (_actor, kind, name, _, beside) => {
    await cluster.store.write((await beside?.()) ?? []);
    return { kind, noun: kind, name, done: "updated" };
  };
  const administration = { change } as unknown as Administration;
  const people = new People({ cluster, ring, events, clock, passwords, administration });
  const { token } = await people.makeLink({ name: "root", roles: [], traits: {}, kind: "local" }, "user-7", "invite");
  const links = new Links({ cluster, ring, events, clock, passwords, secondFactor: "otp" });
  await links.open({ token, kind: "invite", address: null });
  const connector = {
    kind: "oidc",
    version: "v3",
    metadata: { name: "corp" },
    spec: {
      issuer_url: "https://login.example.com",
      client_id: "postern",
      client_secret: "not to be seen",
      redirect_url: "https://postern.example.com/web/oidc/callback",
      claims_to_roles: [{ claim: "groups", value: "dev", roles: ["access"] }],
    },
  };
  const value = connectorKind(ring).keep?.(connector) ?? null;
  const [verifier, code] = [ring.seal(secret, legContext("b")), ring.seal(secret, deviceCodeContext("d"))];
  await cluster.store.write([
    { op: "create", kind: "oidc", name: "corp", value },
    { op: "create", kind: "browser_login", name: "b", value: { leg: { verifier } } },
    { op: "create", kind: "device_login", name: "d", value: { device_code: code } },
  ]);
  return { link: token, totp: secret.reveal() };
}

async function opensAll({ cluster, ring }: SealingOptions, totp: string): Promise<void> {
  const secrets = new SecretsStore(cluster.store, ring);
  assert.equal((await secrets.read("user-7")).secrets.totp?.secret.reveal(), totp);
  const [connector] = await cluster.store.list("oidc");
  assert.ok(connector !== undefined);
  const { client_secret: text } = (connector.value as { spec: { client_secret: string } }).spec;
  const { value } = parseOidcConnector(connector.value);
  assert.equal(ring.open(text, clientSecretContext(value)).reveal(), "not to be seen");
  for (const { name } of await cluster.store.list("user_secret")) await secrets.read(name);
  for (const kind of ["host", "user"] as const) {
    const { other, ...authority } = await cluster.authority(kind);
    await openAuthority(authority, ring);
    if (other !== undefined) await openAuthority({ ...authority, active: other }, ring);
  }
}

/** The keys under which anything lies, with the kinds. */
async function sealedNow({ cluster }: SealingOptions): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for await (const resource of cluster.store.inner.snapshot())
    for (const id of keysSealing(resource)) found.set(id, (found.get(id) ?? new Set()).add(resource.kind));
  return found;
}

describe("the table of what is sealed", () => {
  it("names every file that seals for the store, and no other", () => {
    const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
    const sealing = files
      .filter((name) => /^(?:control|identity|compose|store|cli)\//.test(name) && name !== "identity/sealing.ts")
      .filter((name) => /\.seal\(/.test(readFileSync(join(SRC, name), "utf8")))
      .map((name) => `src/${name}`);
    const known = [...SEALED_KINDS.map(({ sealedIn }) => sealedIn), ...SEALED_ELSEWHERE];
    assert.deepEqual(sealing.sort(), known.sort());
  });

  it("knows every sealed text that is in the store of a cluster that has all of them", async (t) => {
    const node = await openNode(t, directoryOf(t));
    await fill(node, 3);
    const kinds = new Set<string>();
    for await (const resource of node.cluster.store.inner.snapshot()) {
      const guarded = (resource.value as { value?: unknown } | null)?.value;
      const value = resource.kind === "guard_key" ? resource.value : (guarded as typeof resource.value);
      const there = keysSealing(resource).length;
      if (there === 0) continue;
      kinds.add(resource.kind);
      const places = SEALED_KINDS.find(({ kind }) => kind === resource.kind)?.places({ name: resource.name, value });
      assert.equal(places?.length, there, resource.kind);
    }
    assert.deepEqual([...kinds].sort(), SEALED_KINDS.map(({ kind }) => kind).sort());
  });
});

describe("rotating the sealing key", () => {
  it("seals everything anew, is on record, and lets the old key go a minute later, not before", async (t) => {
    const directory = directoryOf(t);
    const node = await openNode(t, directory);
    const { totp } = await fill(node);
    const [old = ""] = node.ring.ids;
    const { key, done, resealed } = await rotateSealing("root", { ...node, prepare: false });
    assert.deepEqual([done, resealed], ["rotated", 45 + 2 + 1 + 1 + 3]);
    assert.deepEqual([...(await sealedNow(node)).keys()], [key]);
    const event = node.recorded.find((one) => one.event === "postern.sealing.rotated");
    assert.deepEqual(event, { event: "postern.sealing.rotated", code: "PSK01I", user: "root", key_id: key });
    await assert.rejects(retireSealing(node), { code: "sealing_key_in_use", hint: /try again after/ });
    node.advance(60_001);
    assert.deepEqual(await retireSealing(node), [old]);
    const again = await openNode(t, directory);
    assert.deepEqual(again.ring.ids, [key]);
    await opensAll(again, totp);
    assert.deepEqual(await retireSealing(again), []);
  });

  it("is followed by nodes that run: they open what is sealed anew, and their own writes count", async (t) => {
    const directory = directoryOf(t);
    const [node, other] = [await openNode(t, directory), await openNode(t, directory)];
    const { totp } = await fill(node);
    const secrets = new SecretsStore(other.cluster.store, other.ring);
    const writing = (async () => {
      // As logins do: each failure is written on what was read.
      for (let count = 1; count <= 60; count += 1) {
        for (;;) {
          const { secrets: read, revision } = await secrets.read("user-7");
          const lockout = { failures: [...read.lockout.failures, count], locked_until: null };
          const won = await secrets.write("user-7", { ...read, lockout }, revision).then(
            () => true,
            () => false,
          );
          if (won) break;
        }
      }
    })();
    await rotateSealing("root", { ...node, prepare: false });
    await writing;
    const { failures } = (await secrets.read("user-7")).secrets.lockout;
    assert.equal(failures.length, 60, "no write of another node was lost");
    await opensAll(other, totp);
    // The other node had the old key in memory: what it sealed is found, and keeps the key.
    const { key, done } = await rotateSealing("root", { ...node, prepare: false });
    assert.ok(done === "finished" || done === "rotated");
    assert.deepEqual([...(await sealedNow(node)).keys()], [key]);
  });

  it("never overwrites who writes between its look and its own write", async (t) => {
    const directory = directoryOf(t);
    const other = await openNode(t, directory);
    await fill(other, 10);
    const secrets = new SecretsStore(other.cluster.store, other.ring);
    const fail = async (): Promise<void> => {
      const { secrets: read, revision } = await secrets.read("user-7");
      await secrets.write("user-7", { ...read, lockout: { failures: [4711], locked_until: null } }, revision);
    };
    let interfered = 0;
    const node = await openNode(t, directory, (store) =>
      before(store, async (writes) => {
        if (!writes.some(({ name }) => name === "user-7") || interfered === 3) return;
        interfered += 1;
        await fail();
      }),
    );
    const { key } = await rotateSealing("root", { ...node, prepare: false });
    assert.equal(interfered, 3);
    assert.deepEqual((await secrets.read("user-7")).secrets.lockout.failures, [4711]);
    assert.deepEqual([...(await sealedNow(node)).keys()], [key], "and what they wrote is sealed anew as well");
  });

  it("goes on where it was broken off, whichever write was the last, and makes no second key", async (t) => {
    for (let writes = 0; ; writes += 1) {
      const directory = directoryOf(t);
      const { totp } = await fill(await openNode(t, directory), 22);
      let left = Infinity;
      const failing = await openNode(t, directory, (store) => failingWhen(store, () => (left -= 1) < 0));
      left = writes;
      const outcome = await rotateSealing("root", { ...failing, prepare: false }).catch(
        (error: Error) => error.message,
      );
      if (typeof outcome !== "string") {
        assert.ok(writes > 5, `${writes} writes in all`);
        break;
      }
      assert.equal(outcome, "power cut");
      const next = await openNode(t, directory);
      await opensAll(next, totp);
      const { key } = await rotateSealing("root", { ...next, prepare: false });
      assert.deepEqual([...(await sealedNow(next)).keys()], [key]);
      assert.equal((await next.keys.read()).ids.length, 2, `after ${writes} writes`);
      await opensAll(next, totp);
    }
  });

  it("can be prepared: the key opens on nodes that have it, and seals only afterwards", async (t) => {
    const directory = directoryOf(t);
    const node = await openNode(t, directory);
    await fill(node, 2);
    const [old = ""] = node.ring.ids;
    const prepared = await rotateSealing("root", { ...node, prepare: true });
    assert.equal(prepared.done, "prepared");
    assert.equal((await rotateSealing("root", { ...node, prepare: true })).key, prepared.key, "once");
    const later = await openNode(t, directory);
    assert.equal(later.ring.ids[0], old, "the store says which one seals, not the file");
    const states = (await sealingStatus(later)).map(({ id, state }) => `${id} ${state}`);
    assert.deepEqual(states, [`${old} sealing`, `${prepared.key} new`]);
    assert.deepEqual(await retireSealing(later), [], "what never sealed is not old");
    assert.equal((await rotateSealing("root", { ...later, prepare: false })).key, prepared.key);
  });

  it("keeps an old key for what is sealed in a way that this version does not know", async (t) => {
    const node = await openNode(t, directoryOf(t));
    const sealed = node.ring.seal(new Secret("x"), { kind: "later", name: "a", purpose: "p" });
    await node.cluster.store.write([{ op: "create", kind: "later", name: "a", value: { deep: [{ sealed }] } }]);
    await rotateSealing("root", { ...node, prepare: false });
    node.advance(60_001);
    await assert.rejects(retireSealing(node), {
      code: "sealing_key_in_use",
      message: /still seals 1 of later/,
      hint: /does not know how kind later/,
    });
    assert.equal((await node.keys.read()).ids.length, 2);
  });

  it("is kept from nothing by what people write, or providers say of them", async (t) => {
    const node = await openNode(t, directoryOf(t));
    const [old = ""] = node.ring.ids;
    const text = `sealed:1:${old}:AAAA`;
    const kinds = ["user", "role", "lock", "token", "db", "host"];
    const proof = { outcome: { proof: { claims: { nickname: text } } }, address: text };
    await node.cluster.store.write([
      ...kinds.map((kind) => ({ op: "create", kind, name: "a", value: { spec: { traits: [text] } } }) as const),
      { op: "create", kind: "browser_login", name: "a", value: proof },
    ]);
    await rotateSealing("root", { ...node, prepare: false });
    node.advance(60_001);
    assert.deepEqual(await retireSealing(node), [old]);
    assert.equal((await rotateSealing("root", { ...node, prepare: false })).done, "rotated");
  });

  it("never lets a key seal again that was retired, whoever puts it back", async (t) => {
    const directory = directoryOf(t);
    const node = await openNode(t, directory);
    const [old = ""] = node.ring.ids;
    const path = join(directory, "sealing.key");
    const line = readFileSync(path, "utf8");
    await rotateSealing("root", { ...node, prepare: false });
    node.advance(60_001);
    assert.deepEqual(await retireSealing(node), [old]);
    writeFileSync(path, readFileSync(path, "utf8") + line);
    const { key, done } = await rotateSealing("root", { ...node, prepare: false });
    assert.equal(done, "rotated");
    assert.notEqual(key, old);
    node.advance(60_001);
    assert.equal((await retireSealing(node)).includes(old), true);
  });

  it("is waited for by a node that has not got the key yet: it opens, seals nothing, and goes on once it has", async (t) => {
    const directory = directoryOf(t);
    const [node, behind] = [await openNode(t, directory), await openNode(t, directory)];
    await fill(node, 1);
    const path = join(directory, "sealing.key");
    const early = readFileSync(path);
    const { key } = await rotateSealing("root", { ...node, prepare: false });
    const late = readFileSync(path);
    // As on a machine to which the file is still to be carried.
    writeFileSync(path, early, { mode: 0o600 });
    await assert.rejects(followState(behind.cluster, behind.ring, await behind.keys.read()), {
      code: "sealing_key_lost",
    });
    const place = { kind: "later", name: "a", purpose: "p" };
    assert.throws(() => behind.ring.seal(new Secret("x"), place), {
      code: "sealing_key_lost",
      message: new RegExp(key),
    });
    writeFileSync(path, late);
    assert.ok(behind.ring.seal(new Secret("x"), place).startsWith(`sealed:1:${key}:`));
  });

  it("is followed by a node that read its keys just before", async (t) => {
    const directory = directoryOf(t);
    const [node, starting] = [await openNode(t, directory), await openNode(t, directory)];
    const { key } = await rotateSealing("root", { ...node, prepare: false });
    await followState(starting.cluster, starting.ring);
    assert.equal(starting.ring.ids[0], key);
  });

  it("does not open a store whose sealing key is not here", async (t) => {
    const directory = directoryOf(t);
    const node = await openNode(t, directory);
    const key = readFileSync(join(directory, "sealing.key"));
    await rotateSealing("root", { ...node, prepare: false });
    // A node that has not got the new file yet.
    rmSync(join(directory, "sealing.key"));
    writeFileSync(join(directory, "sealing.key"), key, { mode: 0o600 });
    await assert.rejects(openNode(t, directory), { code: "sealing_key_lost" });
  });
});

/** A store of which the power is cut at a write. */
function failingWhen(store: Store, fails: () => boolean): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "write" && fails()) return () => Promise.reject(new Error("power cut"));
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

/** A store before whose writes something else happens. */
function before(store: Store, happens: (writes: readonly Write[]) => Promise<void>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "write")
        return async (writes: readonly Write[]) => {
          await happens(writes);
          return target.write(writes);
        };
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}
