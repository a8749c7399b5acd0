import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { loadBuiltinBundle } from "../../src/cli/policy/builtin.ts";
import { kindsForUse } from "../../src/compose/kinds.ts";
import type { Administration } from "../../src/control/administration.ts";
import { type Actor, DeniedError } from "../../src/control/authorize.ts";
import { KeyRing } from "../../src/identity/sealing.ts";
import { documents, ROOT, startTestCluster, type TestCluster } from "../support/cluster.ts";

const USER = (name: string, roles: string, traits = "{}"): string => `
kind: user
version: v2
metadata: {name: ${name}}
spec: {roles: [${roles}], traits: ${traits}}
`;
const ROLE = (name: string, rules: string): string => `
kind: role
version: v7
metadata: {name: ${name}}
spec: {allow: {rules: ${rules}}}
`;
const LOCK = (name: string, target: string): string => `
kind: lock
version: v2
metadata: {name: ${name}}
spec: {target: {${target}}}
`;
const HELPDESK = ROLE("helpdesk", "[{resources: [user, role, lock], verbs: ['*']}]");

async function withCluster(yaml: readonly string[], test: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster(yaml.join("---"));
  try {
    await test(cluster);
  } finally {
    await cluster.close();
  }
}

function deniedFor(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DeniedError, String(error));
    assert.deepEqual([...new Set(error.reasons.map((reason) => reason.code))], [code]);
    return true;
  };
}

describe("a role that a connector gives", () => {
  const CONNECTOR = `
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: https://idp.example
  client_id: postern
  client_secret: secret
  redirect_url: https://postern.example/v1/webapi/oidc/callback
  claims_to_roles: [{claim: groups, value: dev, roles: [dev, later]}]
`;
  const POWERFUL = (name: string): string => `
kind: role
version: v7
metadata: {name: ${name}}
spec: {allow: {db_labels: {'*': '*'}, db_users: ['*']}}
`;

  it("is made and removed by who may change the connector, though nobody holds it: the next login would", () =>
    withCluster(
      [HELPDESK, ROLE("dev", "[]"), USER("eve", "editor"), USER("hal", "helpdesk")],
      async ({ another, ...cluster }) => {
        // For the connector's secret.
        const administration = another({ kinds: kindsForUse({ ring: new KeyRing([randomBytes(32)]) }) });
        await administration.create(ROOT, documents(CONNECTOR), { force: false });
        const hal = await cluster.actor("hal");
        await assert.rejects(administration.remove(hal, "role", "dev"), deniedFor("more_than_own"));
        const create = (actor: Actor, name: string): Promise<unknown> =>
          administration.create(actor, documents(POWERFUL(name)), { force: false });
        await assert.rejects(create(hal, "later"), deniedFor("more_than_own"));
        await create(hal, "other");
        const eve = await cluster.actor("eve");
        await create(eve, "later");
        await administration.remove(eve, "role", "dev");
      },
    ));
});

describe("somebody who may write databases and is no editor", () => {
  const REGISTRAR = (labels: string, deny = "{}"): string => `
kind: role
version: v7
metadata: {name: registrar}
spec: {allow: {db_labels: ${labels}, rules: [{resources: [db], verbs: ['*']}]}, deny: ${deny}}
`;
  const DATABASE = (name: string, env: string, account = "123456789012"): string => `
kind: db
version: v3
metadata: {name: ${name}, labels: {env: ${env}}}
spec: {protocol: dynamodb, aws: {region: us-east-1, account_id: "${account}"}}
`;
  const withRegistrar = (
    role: string,
    test: (
      administration: Administration,
      as: { readonly create: (yaml: string) => Promise<unknown>; readonly remove: (name: string) => Promise<unknown> },
    ) => Promise<void>,
  ): Promise<void> =>
    withCluster([role, USER("reg", "registrar", "{env: [dev]}"), USER("eve", "editor")], async (cluster) => {
      const administration = cluster.another({ kinds: kindsForUse({ loadPolicy: () => loadBuiltinBundle() }) });
      const both = [DATABASE("dev", "dev"), DATABASE("prod", "prod")].join("---");
      await administration.create(await cluster.actor("eve"), documents(both), { force: false });
      const reg = await cluster.actor("reg");
      await test(administration, {
        create: (yaml) => administration.create(reg, documents(yaml), { force: true }),
        remove: (name) => administration.remove(reg, "db", name),
      });
    });

  it("registers, changes and removes those that their own roles reach", () =>
    withRegistrar(REGISTRAR("{env: ['{{external.env}}', staging]}"), async (_, { create, remove }) => {
      await create(DATABASE("new", "dev"));
      await create(DATABASE("dev", "staging", "999999999999"));
      await remove("new");
      await remove("dev");
    }));

  it("puts no others under labels that they reach, in one step or in two, nor theirs under others'", () =>
    withRegistrar(REGISTRAR("{env: dev}"), async (administration, { create, remove }) => {
      await assert.rejects(create(DATABASE("prod", "dev")), deniedFor("more_than_own"));
      await assert.rejects(remove("prod"), deniedFor("more_than_own"));
      await assert.rejects(create(DATABASE("prod", "prod", "999999999999")), deniedFor("more_than_own"));
      await assert.rejects(create(DATABASE("dev", "prod")), deniedFor("more_than_own"));
      await assert.rejects(create(DATABASE("more", "prod")), deniedFor("more_than_own"));
      // All or none: neither is the first.
      const mixed = [DATABASE("one", "dev"), DATABASE("two", "prod")].join("---");
      await assert.rejects(create(mixed), deniedFor("more_than_own"));
      const names = (await administration.list(ROOT, "db")).map(({ name }) => name);
      assert.deepEqual(names, ["dev", "prod"]);
    }));

  it("reaches none that a role of theirs denies", () =>
    withRegistrar(REGISTRAR("{'*': '*'}", "{db_labels: {env: prod}}"), async (_, { create, remove }) => {
      await create(DATABASE("new", "dev"));
      await assert.rejects(create(DATABASE("more", "prod")), deniedFor("more_than_own"));
      await assert.rejects(remove("prod"), deniedFor("more_than_own"));
    }));
});

describe("the last editor", () => {
  const ways: readonly (readonly [string, (cluster: TestCluster, actor: "eve" | "root") => Promise<unknown>])[] = [
    [
      "deletes itself",
      async (cluster, actor) => cluster.administration.remove(await as(cluster, actor), "user", "eve"),
    ],
    ["gives up the role", async (cluster, actor) => put(cluster, actor, USER("eve", "access"))],
    ["locks itself", async (cluster, actor) => put(cluster, actor, LOCK("l", "user: eve"))],
    ["locks the role", async (cluster, actor) => put(cluster, actor, LOCK("l", "role: editor"))],
    [
      "says in its own document that it is locked",
      async (cluster, actor) =>
        put(cluster, actor, USER("eve", "editor").replace("traits", "status: {is_locked: true}, traits")),
    ],
    [
      "says that it has expired",
      async (cluster, actor) =>
        put(cluster, actor, USER("eve", "editor").replace("traits", "expires: '2020-01-01T00:00:00Z', traits")),
    ],
    [
      "hides that among other documents",
      async (cluster, actor) =>
        put(cluster, actor, [HELPDESK, USER("bob", "access"), USER("eve", "access")].join("---")),
    ],
  ];
  for (const actor of ["eve", "root"] as const) {
    for (const [what, way] of ways) {
      it(`${actor === "root" ? "(by whoever is on the machine) " : ""}${what}: denied, recorded, nothing changed`, () =>
        withCluster([USER("eve", "editor"), USER("bob", "access")], async (cluster) => {
          const snapshot = await all(cluster);
          await assert.rejects(way(cluster, actor), deniedFor("last_editor"));
          assert.deepEqual(await all(cluster), snapshot);
          assert.deepEqual(
            cluster.events.map((event) => [event.event, "reason" in event && event.reason.split(":")[0]]),
            [["postern.control.denied", "last_editor"]],
          );
        }));
    }
  }

  it("may go in one file with its successor", () =>
    withCluster([USER("eve", "editor")], async (cluster) => {
      await put(cluster, "eve", [USER("eve", "access"), USER("bob", "editor")].join("---"));
    }));

  it("is left, however often two editors remove each other at once", () =>
    withCluster([USER("eve", "editor"), USER("bob", "editor")], async (cluster) => {
      const other = cluster.another();
      const [eve, bob] = await Promise.all([cluster.actor("eve"), cluster.actor("bob")]);
      const results = await Promise.allSettled([
        cluster.administration.remove(eve, "user", "bob"),
        other.remove(bob, "user", "eve"),
      ]);
      assert.equal((await cluster.store.list("user")).length, 1);
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    }));
});

describe("somebody who is no editor", () => {
  let cluster: TestCluster;
  before(async () => {
    const people = [
      USER("eve", "editor"),
      USER("eva", "editor"),
      USER("hal", "helpdesk", "{team: [a]}"),
      USER("bob", "access"),
    ];
    cluster = await startTestCluster([HELPDESK, ROLE("other", "[]"), ...people].join("---"));
  });
  after(() => cluster.close());

  for (const [what, yaml] of [
    ["makes itself an editor", USER("hal", "helpdesk, editor")],
    ["makes another one an editor", USER("mal", "editor")],
    ["gives a role that it does not hold", USER("mal", "other")],
    ["changes a user who holds more", USER("eve", "helpdesk")],
    ["gives a trait that it does not have", USER("mal", "helpdesk", "{db_users: [Admin]}")],
    ["changes its own traits", USER("hal", "helpdesk", "{team: [a, b]}")],
    ["grants in its own role what it may not do", ROLE("helpdesk", "[{resources: ['*'], verbs: ['*']}]")],
    ["grants in another role what it may not do", ROLE("more", "[{resources: [token], verbs: [create]}]")],
  ] as const) {
    it(`${what}: denied`, async () => {
      const snapshot = await all(cluster);
      await assert.rejects(put(cluster, "hal", yaml), deniedFor("more_than_own"));
      assert.deepEqual(await all(cluster), snapshot);
    });
  }

  it("may do what its role grants within what it has", async () => {
    await put(cluster, "hal", USER("new", "helpdesk", "{team: [a]}"));
    await put(cluster, "hal", LOCK("l", "user: gone"));
    assert.equal((await cluster.administration.list(await cluster.actor("hal"), "user")).length, 5);
  });

  it("reads nothing that its roles do not grant", async () => {
    const bob = await cluster.actor("bob");
    for (const kind of ["role", "user", "lock", "db"]) {
      await assert.rejects(cluster.administration.list(bob, kind), deniedFor("not_granted"));
      // Whether it is there must not be told either.
      await assert.rejects(cluster.administration.get(bob, kind, "no-such"), deniedFor("not_granted"));
      await assert.rejects(cluster.administration.remove(bob, kind, "no-such"), deniedFor("not_granted"));
      await assert.rejects(
        cluster.administration.change(bob, kind, "no-such", (value) => value),
        deniedFor("not_granted"),
      );
    }
    const again = documents(USER("eve", "access"));
    await assert.rejects(cluster.administration.create(bob, again, { force: false }), deniedFor("not_granted"));
    const wrong = documents(USER("new", "helpdeks"));
    await assert.rejects(cluster.administration.create(bob, wrong, { force: false }), DeniedError);
    await assert.rejects(cluster.administration.remove(bob, "role", "helpdesk"), DeniedError);
    await assert.rejects(cluster.administration.list(await cluster.actor("hal"), "db"), deniedFor("not_granted"));
  });
});

describe("somebody who may delete roles and may not read users", () => {
  it("is not told who holds one", () =>
    withCluster(
      [
        USER("eve", "editor"),
        ROLE("roles", "[{resources: [role], verbs: ['*']}]"),
        ROLE("dev", "[]"),
        USER("bob", "dev"),
        USER("rob", "roles"),
      ],
      async (cluster) => {
        await assert.rejects(cluster.administration.remove(await cluster.actor("rob"), "role", "dev"), {
          code: "role_in_use",
          message: 'Cannot delete role "dev": 1 user holds it',
        });
      },
    ));
});

describe("somebody who is locked", () => {
  for (const [what, target] of [
    ["by name", "user: bob"],
    ["by a role", "role: auditor"],
  ] as const) {
    it(`${what}, and was let in before, reads and changes nothing, not even the lock`, () =>
      withCluster([USER("eve", "editor"), USER("bob", "editor, auditor")], async (cluster) => {
        const bob = await cluster.actor("bob");
        await cluster.administration.list(bob, "role");
        await put(cluster, "eve", LOCK("l", target));
        await assert.rejects(cluster.administration.list(bob, "role"), deniedFor("locked"));
        await assert.rejects(cluster.administration.remove(bob, "lock", "l"), deniedFor("locked"));
        await cluster.administration.remove(await cluster.actor("eve"), "lock", "l");
        await cluster.administration.list(bob, "role");
      }));
  }

  it("is so without a document, too, and until the lock ends", () =>
    withCluster([USER("eve", "editor")], async (cluster) => {
      const guest = { name: "guest", roles: ["auditor"], traits: {}, kind: "user" } as const;
      await put(cluster, "eve", LOCK("l", "user: guest"));
      await assert.rejects(cluster.administration.list(guest, "role"), deniedFor("locked"));
      await put(
        cluster,
        "eve",
        LOCK("l", "user: guest").replace("target:", "expires: '2020-01-01T00:00:00Z', target:"),
      );
      await cluster.administration.list(guest, "role");
    }));
});

describe("acts at the same time", () => {
  it("each build on the one before, and none is lost", () =>
    withCluster([USER("eve", "editor"), USER("bob", "access")], async (cluster) => {
      const administrations = Array.from({ length: 6 }, () => cluster.another());
      const add = (administration: Administration, at: number): Promise<unknown> =>
        administration.change(ROOT, "user", "bob", (value) => {
          const document = structuredClone(value) as { spec: { traits: Record<string, string[]> } };
          document.spec.traits[`t${at}`] = ["x"];
          return document;
        });
      await Promise.all(administrations.map(add));
      const { value } = await cluster.administration.get(ROOT, "user", "bob");
      const { traits } = (value as { spec: { traits: object } }).spec;
      assert.deepEqual(Object.keys(traits).sort(), ["t0", "t1", "t2", "t3", "t4", "t5"]);
    }));

  it("never give a user a role that is being removed", () =>
    withCluster([USER("eve", "editor"), ROLE("dev", "[]")], async (cluster) => {
      const results = await Promise.allSettled([
        cluster.administration.remove(ROOT, "role", "dev"),
        cluster.another().create(ROOT, documents(USER("bob", "dev")), { force: false }),
      ]);
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      const [role, bob] = [await cluster.store.get("role", "dev"), await cluster.store.get("user", "bob")];
      assert.equal(role === undefined, bob === undefined);
    }));
});

async function as(cluster: TestCluster, name: "eve" | "hal" | "root"): ReturnType<TestCluster["actor"]> {
  return name === "root" ? ROOT : cluster.actor(name);
}

async function put(cluster: TestCluster, name: "eve" | "hal" | "root", yaml: string): Promise<unknown> {
  return cluster.administration.create(await as(cluster, name), documents(yaml), { force: true });
}

async function all({ store }: TestCluster): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const resource of store.snapshot()) found.push(resource);
  return found;
}
