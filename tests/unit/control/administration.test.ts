import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadBuiltinBundle } from "../../../src/cli/policy/builtin.ts";
import { kindsForUse } from "../../../src/compose/kinds.ts";
import { DocumentsError } from "../../../src/control/documents.ts";
import { documents, ROOT, startTestCluster, type TestCluster } from "../../support/cluster.ts";

const ROLE = (name: string): string => `
kind: role
version: v7
metadata: {name: ${name}}
spec: {allow: {db_labels: {'*': '*'}, db_users: [ExampleRole]}}
`;
const USER = (name: string, roles: string): string => `
kind: user
version: v2
metadata: {name: ${name}}
spec: {roles: [${roles}]}
`;
const LOCK = (name: string, user: string): string => `
kind: lock
version: v2
metadata: {name: ${name}}
spec: {target: {user: ${user}}}
`;
const DB = `
kind: db
version: v3
metadata: {name: orders, labels: {env: dev}}
spec: {protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}
`;
const all = (...texts: readonly string[]): string => texts.join("---");

async function withCluster(yaml: string, test: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster(yaml);
  try {
    await test(cluster);
  } finally {
    await cluster.close();
  }
}

describe("Administration.create()", () => {
  it("stores documents as they were written, and says what became of each", () =>
    withCluster("", async ({ administration, events }) => {
      const given = documents(all(ROLE("dev"), USER("ada", "dev, editor"), LOCK("l", "ada"), DB));
      const { outcomes } = await administration.create(ROOT, given, { force: false });
      assert.deepEqual(
        outcomes.map(({ noun, name, done }) => `${noun} ${name} ${done}`),
        ["role dev created", "user ada created", "lock l created", "database orders created"],
      );
      const { value } = await administration.get(ROOT, "user", "ada");
      assert.deepEqual(value, given[1]?.value);
      assert.deepEqual(
        events.map(({ event, ...rest }) => ({ event, code: "code" in rest ? rest.code : "" })),
        [
          { event: "role.created", code: "T9000I" },
          { event: "user.create", code: "T1002I" },
          { event: "lock.created", code: "TLK00I" },
          { event: "db.create", code: "TDB03I" },
        ],
      );
      assert.deepEqual(events[1], {
        event: "user.create",
        code: "T1002I",
        user: "root",
        name: "ada",
        service: "test",
        "addr.remote": null,
        roles: ["dev", "editor"],
      });
    }));

  it("refuses what is there already, and replaces it when told to", () =>
    withCluster(ROLE("dev"), async ({ administration, events }) => {
      const given = documents(all(ROLE("new"), ROLE("dev")));
      await assert.rejects(administration.create(ROOT, given, { force: false }), {
        code: "resource_exists",
        message: 'role "dev" already exists',
      });
      assert.deepEqual(events.splice(0), [
        {
          event: "postern.control.refused",
          code: "PCT02E",
          user: "root",
          service: "test",
          "addr.remote": null,
          verb: "create",
          kind: "role",
          name: "",
          reason: 'resource_exists: role "dev" already exists',
        },
      ]);
      await assert.rejects(administration.get(ROOT, "role", "new"), { code: "resource_missing" });
      const { outcomes } = await administration.create(ROOT, given, { force: true });
      assert.deepEqual(
        outcomes.map(({ done }) => done),
        ["created", "updated"],
      );
      assert.deepEqual(
        events.map(({ event }) => event),
        ["role.created", "role.updated"],
      );
    }));

  for (const [what, yaml, told] of [
    [
      "an unknown field",
      ROLE("x").replace("db_labels", "db_lables"),
      /test\.yaml:5:\d+: .*db_lables[^]*did you mean "db_labels"/,
    ],
    [
      "an unknown kind",
      ROLE("x").replace("kind: role", "kind: rol"),
      /test\.yaml:2:7: Kind "rol" is not known[^]*"role"/,
    ],
    ["no kind", ROLE("x").replace("kind: role", ""), /does not say its kind/],
    ["a list", "[]", /not a mapping/],
    ["a role that no user may hold", USER("u", "devv"), /test\.yaml:5:\d+: .*"devv", which is not defined[^]*"dev"/],
    ["a built-in role", ROLE("editor"), /built in/],
    ["the same twice", all(ROLE("x"), ROLE("x")), /stands twice/],
    [
      "an action that names nothing",
      ROLE("x").replace("db_users", "db_rules: [{actions: ['dynamodb:GetItme']}], db_users"),
      /test\.yaml:5:\d+: .*GetItme/,
    ],
    ["a database that is none", DB.replace("us-east-1", "us-east-l"), /test\.yaml:.*us-east-l/],
  ] as const) {
    it(`refuses ${what} with its place, and stores nothing of the file`, () =>
      withCluster(ROLE("dev"), async ({ administration, store, events }) => {
        const given = documents(all(ROLE("good"), yaml.startsWith("\n") ? yaml : `\n${yaml}\n`));
        const own = documents(yaml);
        await assert.rejects(administration.create(ROOT, own, { force: true }), (error: unknown) => {
          assert.ok(error instanceof DocumentsError, String(error));
          assert.match(error.message, told);
          return true;
        });
        await assert.rejects(administration.create(ROOT, given, { force: true }), DocumentsError);
        assert.equal(await store.get("role", "good"), undefined);
        assert.deepEqual(
          events.map(({ event }) => event),
          ["postern.control.refused", "postern.control.refused"],
        );
      }));
  }

  it("tries a role's patterns in the policy itself, where it is given one", () =>
    withCluster("", async ({ another, store }) => {
      const strict = another({ kinds: kindsForUse({ loadPolicy: () => loadBuiltinBundle() }) });
      const bad = documents(ROLE("x").replace("{'*': '*'}", () => "{env: '^(?=a)$'}"));
      await assert.rejects(strict.create(ROOT, bad, { force: false }), /test\.yaml:4:\d+: .*not a regular expression/);
      assert.equal(await store.get("role", "x"), undefined);
      await strict.create(ROOT, documents(ROLE("x").replace("{'*': '*'}", () => "{env: '^a.*$'}")), { force: false });
    }));

  it("takes no more documents than can be written at once", () =>
    withCluster("", async ({ administration, store }) => {
      const many = documents(all(...Array.from({ length: 25 }, (_, at) => ROLE(`r${at}`))));
      await assert.rejects(administration.create(ROOT, many, { force: false }), { code: "resources_too_many" });
      assert.deepEqual(await store.list("role"), []);
      await administration.create(ROOT, many.slice(0, 24), { force: false });
      assert.equal((await store.list("role")).length, 24);
    }));

  it("changes nothing while it cannot be recorded", () =>
    withCluster("", async ({ another, store }) => {
      const events = { healthy: false, record: () => Promise.reject(new Error("no")) };
      await assert.rejects(another({ events }).create(ROOT, documents(ROLE("dev")), { force: false }), {
        code: "audit_unavailable",
      });
      assert.equal(await store.get("role", "dev"), undefined);
    }));
});

describe("Administration", () => {
  it("keeps what is changed as long as it then says", () =>
    withCluster("", async ({ administration, store }) => {
      const name = "0123456789abcdef0123456789abcdef";
      const token = (year: number): string =>
        `kind: token\nversion: v2\nmetadata: {name: ${name}, expires: "${year}-01-01T00:00:00Z"}\nspec: {roles: [Db]}\n`;
      await administration.create(ROOT, documents(token(2126)), { force: false });
      const { revision = "" } = await administration.get(ROOT, "token", name);
      const [given] = documents(token(2127));
      assert.ok(given !== undefined);
      await administration.replace(ROOT, "token", name, revision, given);
      assert.equal((await store.get("token", name))?.expiresAt, Date.parse("2127-01-01T00:00:00Z"));
      await administration.change(ROOT, "token", name, (document) => document);
      assert.equal((await store.get("token", name))?.expiresAt, Date.parse("2127-01-01T00:00:00Z"));
    }));

  it("keeps join tokens until they expire, and puts no secret of theirs on record", () =>
    withCluster("", async ({ administration, store, events }) => {
      const name = "0123456789abcdef0123456789abcdef";
      const token = `
kind: token
version: v2
metadata: {name: ${name}, expires: "2126-01-01T00:00:00Z"}
spec: {roles: [Db], join_method: token}
`;
      await administration.create(ROOT, documents(token), { force: false });
      assert.equal((await store.get("token", name))?.expiresAt, Date.parse("2126-01-01T00:00:00Z"));
      await assert.rejects(administration.create(ROOT, documents(token), { force: false }), {
        code: "resource_exists",
      });
      await assert.rejects(administration.create(ROOT, documents(all(token, token)), { force: false }), DocumentsError);
      await assert.rejects(administration.create(ROOT, documents(all(ROLE("x"), token)), { force: false }));
      await administration.remove(ROOT, "token", name);
      await assert.rejects(administration.remove(ROOT, "token", name), { code: "resource_missing" });
      assert.deepEqual(
        events.map((event) => `${event.event} ${"name" in event ? event.name : "?"}`),
        [
          `join_token.create ${"*".repeat(24)}89abcdef`,
          `postern.control.refused ${"*".repeat(24)}89abcdef`,
          "postern.control.refused ",
          "postern.control.refused ",
          `postern.join_token.deleted ${"*".repeat(24)}89abcdef`,
          `postern.control.refused ${"*".repeat(24)}89abcdef`,
        ],
      );
      assert.equal(JSON.stringify(events).includes(name), false);
    }));

  it("shows the built-in roles beside the others, and lets nobody change them", () =>
    withCluster(ROLE("dev"), async ({ administration }) => {
      const names = (await administration.list(ROOT, "role")).map(({ name }) => name);
      assert.deepEqual(names, ["access", "editor", "auditor", "dev"]);
      assert.equal((await administration.get(ROOT, "role", "editor")).name, "editor");
      await assert.rejects(administration.remove(ROOT, "role", "editor"), { code: "role_built_in" });
    }));

  it("names what somebody meant by a kind", () =>
    withCluster("", async ({ administration }) => {
      await assert.rejects(administration.list(ROOT, "roles"), { code: "kind_unknown", hint: 'did you mean "role"?' });
    }));

  it("says who holds a role that is to go", () =>
    withCluster(all(ROLE("dev"), USER("ada", "dev"), USER("bob", "dev")), async ({ administration, store, events }) => {
      await assert.rejects(administration.remove(ROOT, "role", "dev"), {
        code: "role_in_use",
        message: 'Cannot delete role "dev": users "ada", "bob" hold it',
      });
      assert.notEqual(await store.get("role", "dev"), undefined);
      await administration.remove(ROOT, "user", "ada");
      await administration.remove(ROOT, "user", "bob");
      await administration.remove(ROOT, "role", "dev");
      assert.deepEqual(
        events.map(({ event }) => event),
        ["postern.control.refused", "user.delete", "user.delete", "role.deleted"],
      );
    }));

  it("replaces a resource only as it was read", () =>
    withCluster(ROLE("dev"), async ({ administration }) => {
      const { revision = "" } = await administration.get(ROOT, "role", "dev");
      const [document] = documents(ROLE("dev").replace("ExampleRole", "Other"));
      assert.ok(document);
      await administration.replace(ROOT, "role", "dev", revision, document);
      await assert.rejects(administration.replace(ROOT, "role", "dev", revision, document), {
        code: "resource_changed",
      });
      const [renamed] = documents(ROLE("prod"));
      assert.ok(renamed);
      await assert.rejects(
        administration.replace(ROOT, "role", "dev", revision, renamed),
        /is not role "dev" any more/,
      );
    }));

  it("lets a broken resource be replaced or removed, and nothing else be done meanwhile", () =>
    withCluster(all(ROLE("dev"), USER("ada", "editor")), async ({ administration, store }) => {
      await store.write([{ op: "put", kind: "role", name: "dev", value: { kind: "role", spec: 7 } }]);
      await assert.rejects(administration.create(ROOT, documents(ROLE("x")), { force: false }), {
        code: "resource_unreadable",
        message: /Cannot read "role\/dev", which is in the store/,
      });
      await administration.create(ROOT, documents(ROLE("dev")), { force: true });
      await administration.create(ROOT, documents(ROLE("x")), { force: false });
    }));
});
