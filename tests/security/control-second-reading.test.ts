/** What a stranger, a former user or a slip of the pen could still get out of a cluster's door: one claim for each. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import { openCluster } from "../../src/control/cluster.ts";
import type { StoredValue } from "../../src/store/store.ts";
import { documents, ROOT, startTestCluster } from "../support/cluster.ts";
import { startDoor } from "../support/door.ts";
import { startLogins } from "../support/logins.ts";

const PASSWORD = "correct horse battery";
const ALICE = "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [access]}\n";

test("that a name exists shows in no error and no work, however many try at once", async (t) => {
  const started = await startLogins(ALICE, "off");
  t.after(() => started.close());
  await started.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const { publicKey } = started;
  const many = async (user: string): Promise<(string | undefined)[]> => {
    const tried = Array.from({ length: 20 }, (_, at) =>
      started.logins
        .logIn({ user, password: new Secret("a wrong password"), address: `192.0.2.${at}`, publicKey })
        .catch((thrown: { code?: string }) => thrown.code),
    );
    return (await Promise.all(tried)) as (string | undefined)[];
  };
  assert.deepEqual(await many("alice"), await many("nobody"));
});

test("who guesses many times at once is locked out like who guesses one after another", async (t) => {
  const started = await startLogins(ALICE, "off");
  t.after(() => started.close());
  await started.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const { publicKey } = started;
  const guesses = [...Array.from({ length: 30 }, (_, at) => `a wrong password ${at}`), PASSWORD];
  const tried = await Promise.allSettled(
    guesses.map((guess, at) =>
      started.logins.logIn({ user: "alice", password: new Secret(guess), address: `192.0.2.${at}`, publicKey }),
    ),
  );
  assert.equal(tried.at(-1)?.status, "rejected", "the 31st guess counted although five had failed");
});

test("a certificate of a user who was removed is not one of the next user of that name", async (t) => {
  const door = await startDoor(ALICE, "off");
  t.after(() => door.close());
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const credentials = await door.credentials("alice", PASSWORD);
  assert.equal((await door.call("/v1/status", { credentials })).status, 200);
  await door.administration.remove(ROOT, "user", "alice");
  assert.equal((await door.call("/v1/status", { credentials })).status, 403);
  await door.administration.create(ROOT, documents(ALICE), { force: false });
  assert.equal((await door.call("/v1/status", { credentials })).status, 403);
});

test("a link of a user who was removed sets no password of the next user of that name", async (t) => {
  const started = await startLogins(ALICE, "off");
  t.after(() => started.close());
  const { token } = await started.people.makeLink(ROOT, "alice", "invite");
  await started.administration.remove(ROOT, "user", "alice");
  await started.administration.create(ROOT, documents(ALICE), { force: false });
  await assert.rejects(started.links.use({ token, kind: "invite", address: null, password: new Secret(PASSWORD) }), {
    code: "invite_unknown",
  });
});

test("a reset ends the links that were made before it", async (t) => {
  const started = await startLogins(ALICE, "off");
  t.after(() => started.close());
  const { token } = await started.people.makeLink(ROOT, "alice", "invite");
  await started.people.makeLink(ROOT, "alice", "reset");
  await assert.rejects(started.links.use({ token, kind: "invite", address: null, password: new Secret(PASSWORD) }), {
    code: "invite_unknown",
  });
});

test("a lock that this version cannot read lets nobody in", async (t) => {
  const door = await startDoor(ALICE, "off");
  t.after(() => door.close());
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const credentials = await door.credentials("alice", PASSWORD);
  const value = {
    kind: "lock",
    version: "v3",
    metadata: { name: "gone" },
    spec: { target: { user: "alice" } },
  } satisfies StoredValue;
  await door.cluster.store.write([{ op: "put", kind: "lock", name: "gone", value }]);
  assert.notEqual((await door.call("/v1/status", { credentials })).status, 200);
  assert.notEqual((await door.logIn("alice", PASSWORD)).status, 200);
});

test("a role that this version cannot read does not give a user more time, or fewer denials", async (t) => {
  const strict =
    "kind: role\nversion: v7\nmetadata: {name: strict}\nspec: {options: {max_session_ttl: 1h}, deny: {db_labels: {'*': '*'}}}\n";
  const started = await startLogins(`${strict}---\n${ALICE.replace("[access]", "[access, strict]")}`, "off");
  t.after(() => started.close());
  await started.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const value = {
    kind: "role",
    version: "v99",
    metadata: { name: "strict" },
    spec: { options: { max_session_ttl: "1h" } },
  } satisfies StoredValue;
  await started.cluster.store.write([{ op: "put", kind: "role", name: "strict", value }]);
  const { publicKey } = started;
  await assert.rejects(
    started.logins.logIn({ user: "alice", password: new Secret(PASSWORD), address: null, publicKey }),
  );
});

test("a role that was given after the login binds at once where it denies", async (t) => {
  const deny = "kind: role\nversion: v7\nmetadata: {name: suspended}\nspec: {deny: {db_labels: {'*': '*'}}}\n";
  const door = await startDoor(`${deny}---\n${ALICE}`, "off");
  t.after(() => door.close());
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const credentials = await door.credentials("alice", PASSWORD);
  await door.administration.create(ROOT, documents(ALICE.replace("[access]", "[access, suspended]")), { force: true });
  const { status, json } = await door.call("/v1/status", { credentials });
  assert.deepEqual([status, (json as { error?: { code: string } }).error?.code], [401, "login_required"]);
});

test("a token's name is not on record when its kind was misspelt", async (t) => {
  const started = await startLogins("", "off");
  t.after(() => started.close());
  const name = "a-secret-that-joins-the-cluster";
  const yaml = `kind: tokens\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [Db], join_method: token}\n`;
  await assert.rejects(started.administration.create(ROOT, documents(yaml), { force: false }));
  await assert.rejects(started.administration.remove(ROOT, "tokens", name));
  assert.equal(JSON.stringify(started.events).includes(name), false, JSON.stringify(started.events));
});

test("attempts that are turned away for their number do not fill the audit log", async (t) => {
  const door = await startDoor(ALICE, "off");
  t.after(() => door.close());
  for (let at = 0; at < 120; at++) await door.logIn("nobody", "a wrong password");
  assert.ok(door.events.length < 60, `${door.events.length} events for 120 attempts`);
});

test("a name that no store can keep is refused like any other", async (t) => {
  const door = await startDoor("", "off");
  t.after(() => door.close());
  assert.equal((await door.logIn("é".repeat(200), "a wrong password")).status, 403);
});

test("a token's name is in no error of a store that somebody has changed", async (t) => {
  const started = await startLogins("", "off");
  t.after(() => started.close());
  const name = "a-secret-that-joins-the-cluster";
  await started.cluster.store.inner.write([{ op: "put", kind: "token", name, value: {} }]);
  await assert.rejects(started.cluster.store.list("token"), (error: Error) => !error.message.includes(name));
  const again = started.cluster.store.write([{ op: "create", kind: "token", name, value: {} }]);
  await assert.rejects(again, (error: Error) => !error.message.includes(name));
});

for (const [kind, name] of [
  ["authority", "user"],
  ["authority", "host"],
  ["cluster", "cluster"],
] as const) {
  test(`a cluster whose ${kind} "${name}" was taken away is not made anew`, async (t) => {
    const started = await startLogins(ALICE, "off");
    t.after(() => started.close());
    const { cluster, ring, clock } = started;
    await cluster.store.inner.write([{ op: "delete", kind, name }]);
    const again = openCluster({ store: cluster.store.inner, ring, name: "example", clock });
    await assert.rejects(again, { code: "store_unguarded" });
  });
}

test("who is no editor opens no database to others, and makes no token for the auth service", async (t) => {
  const grants = "{resources: [role, token], verbs: [list, read, create, update, delete]}";
  const dev = (labels: string): string =>
    `kind: role\nversion: v7\nmetadata: {name: dev}\nspec: {allow: {db_labels: ${labels}, db_users: [Dev]}}\n`;
  const started = await startTestCluster(
    [
      dev("{env: dev}"),
      `kind: role\nversion: v7\nmetadata: {name: helper}\nspec: {allow: {rules: [${grants}]}}\n`,
      "kind: user\nversion: v2\nmetadata: {name: eve}\nspec: {roles: [helper]}\n",
    ].join("---\n"),
  );
  t.after(() => started.close());
  const eve = await started.actor("eve");
  const token =
    "kind: token\nversion: v2\nmetadata: {name: 0123456789abcdef0123456789abcdef}\nspec: {roles: [Auth], join_method: token}\n";
  for (const yaml of [dev("{'*': '*'}"), token])
    await assert.rejects(started.administration.create(eve, documents(yaml), { force: true }), {
      code: "control_denied",
    });
});
