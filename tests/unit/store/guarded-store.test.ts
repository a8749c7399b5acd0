import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { inspect } from "node:util";
import { GuardedStore } from "../../../src/store/guarded-store.ts";
import { connect } from "../../../src/store/sqlite-file.ts";
import type { Store } from "../../../src/store/store.ts";
import { eventually } from "../../support/eventually.ts";
import { newStore, temporaryPath } from "./support.ts";

const SECRET = "hunter2";

/** What somebody with the file, but not the key, does to it. */
const TAMPERINGS: Readonly<Record<string, string>> = {
  "a changed value": `UPDATE resources SET value = replace(value, '${SECRET}', 'hunter3') WHERE name = 'a'`,
  "a changed member's name": "UPDATE resources SET value = replace(value, 'password', 'passwore') WHERE name = 'a'",
  "a seal taken away": `UPDATE resources SET value = '{"password":"x"}' WHERE name = 'a'`,
  "a seal of nothing": `UPDATE resources SET value = '{"seal":"","value":1}' WHERE name = 'a'`,
  "a seal of another type": `UPDATE resources SET value = '{"seal":[],"value":1}' WHERE name = 'a'`,
  "no object at all": "UPDATE resources SET value = 'null' WHERE name = 'a'",
  "another's value": "UPDATE resources SET value = (SELECT value FROM resources WHERE name = 'b') WHERE name = 'a'",
  "swapped names":
    "UPDATE resources SET name = CASE name WHEN 'a' THEN 'tmp' ELSE name END; UPDATE resources SET name = 'a' WHERE name = 'b'; UPDATE resources SET name = 'b' WHERE name = 'tmp'",
  "another kind":
    "UPDATE resources SET kind = 'tmp' WHERE kind = 'role' AND name = 'a'; UPDATE resources SET kind = 'role' WHERE kind = 'user'",
  "a longer life": "UPDATE resources SET expires_at = expires_at + 1 WHERE name = 'a'",
  "a life without end": "UPDATE resources SET expires_at = NULL WHERE name = 'a'",
};

describe("A guarded store", () => {
  for (const [title, sql] of Object.entries(TAMPERINGS)) {
    it(`finds ${title}, names the resource and not its value`, async (t) => {
      const { path, store } = await guarded(t);
      tamper(path, sql);
      for (const attempt of [() => store.get("role", "a"), () => store.list("role"), () => drain(store)]) {
        await assert.rejects(attempt, (error: Error & { code: string }) => {
          assert.equal(error.code, "store_tampered");
          assert.match(error.message, /role "[ab]"/);
          assert.doesNotMatch(inspect(error, { depth: 9 }), /hunter/);
          return true;
        });
      }
    });
  }

  it("reads what it wrote whatever the order of members", async (t) => {
    const { path, store } = await guarded(t);
    const before = await store.get("role", "a");
    const db = connect(path);
    const { value: text } = db.prepare("SELECT value FROM resources WHERE kind = 'role' AND name = 'a'").get() as {
      value: string;
    };
    const { seal, value } = JSON.parse(text) as { seal: string; value: Record<string, string> };
    const turned = JSON.stringify({ value: Object.fromEntries(Object.entries(value).reverse()), seal });
    assert.notEqual(turned, text);
    db.prepare("UPDATE resources SET value = ? WHERE kind = ? AND name = ?").run(turned, "role", "a");
    db.close();
    assert.deepEqual(await store.get("role", "a"), before);
  });

  it("reads nothing that was sealed with another key, and tells no key", async (t) => {
    const { path } = await guarded(t);
    const key = randomBytes(32);
    const other = new GuardedStore(await newStore(t, path), key);
    await assert.rejects(other.get("role", "a"), { code: "store_tampered", hint: /key/ });
    const shown = inspect(other, { depth: 9, showHidden: true }) + JSON.stringify(other);
    assert.equal(shown.includes(key.toString("hex")) || shown.includes(key.join(", ")), false);
    assert.throws(() => new GuardedStore(other, new Uint8Array(31)), { code: "store_key_invalid" });
  });

  it("can still remove what was tampered with, and write it anew", async (t) => {
    const { path, store } = await guarded(t);
    tamper(path, "UPDATE resources SET value = 'null'");
    await store.write([
      { op: "delete", kind: "role", name: "a" },
      { op: "put", kind: "role", name: "b", value: 2 },
    ]);
    assert.deepEqual(
      (await store.list("role")).map(({ value }) => value),
      [2],
    );
  });

  it("tells those who watch to read anew", async (t) => {
    const { path, store } = await guarded(t);
    let gaps = 0;
    let told = 0;
    const end = await store.watch(
      () => (told += 1),
      () => (gaps += 1),
    );
    tamper(path, "UPDATE resources SET value = 'null'; INSERT INTO changes (kind, name) VALUES ('role', 'a')");
    await eventually(() => gaps === 1);
    assert.equal(told, 0);
    await end();
  });
});

async function guarded(t: TestContext): Promise<{ readonly path: string; readonly store: GuardedStore }> {
  const path = temporaryPath(t);
  const store = new GuardedStore(await newStore(t, path), randomBytes(32));
  const expiresAt = Date.now() + 1e6;
  const value = { password: SECRET, zeta: "", alpha: "" };
  await store.write([
    { op: "create", kind: "role", name: "a", value, expiresAt },
    { op: "create", kind: "role", name: "b", value: { password: `${SECRET}!` }, expiresAt },
    { op: "create", kind: "user", name: "a", value, expiresAt },
  ]);
  return { path, store };
}

function tamper(path: string, sql: string): void {
  const db = connect(path);
  for (const statement of sql.split("; ")) db.exec(statement);
  db.close();
}

async function drain(store: Store): Promise<void> {
  for await (const _ of store.snapshot()) continue;
}
