import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Secret } from "../../../src/base/secret.ts";
import type { Cluster } from "../../../src/control/cluster.ts";
import { Connectors } from "../../../src/control/connectors.ts";
import { ConnectorUsers } from "../../../src/control/connector-users.ts";
import type { Login } from "../../../src/control/admission.ts";
import type { Write } from "../../../src/store/store.ts";
import { documents, ROOT } from "../../support/cluster.ts";
import { startLogins, type TestLogins } from "../../support/logins.ts";

const ISSUER = "https://id.example.com";
const RESOURCES = `
kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {env: dev}, db_users: [Dev]}}
---
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${ISSUER}
  client_id: postern
  redirect_url: https://postern.example.com/web/oidc/callback
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`;
const CLAIMS = { iss: ISSUER, sub: "1", email: "alice@example.com", email_verified: true, groups: ["dev"] };

describe("a user who comes by a connector while somebody administers", () => {
  let cluster: TestLogins;
  beforeEach(async () => {
    cluster = await startLogins(RESOURCES, "off");
  });
  afterEach(() => cluster.close());

  let listed: string[] = [];
  /** Users over the store, with what happens right before the first write of one. */
  function admitting(meanwhile: () => Promise<unknown>): () => Promise<Login> {
    const { store } = cluster.cluster;
    let isFirst = true;
    const racing = {
      get: store.get.bind(store),
      list: (kind: string) => {
        listed.push(kind);
        return store.list(kind);
      },
      async write(writes: readonly Write[]) {
        if (isFirst && writes.some(({ kind }) => kind === "user")) {
          isFirst = false;
          await meanwhile();
        }
        return await store.write(writes);
      },
    };
    const users = new ConnectorUsers({
      ...cluster,
      cluster: { ...cluster.cluster, store: racing as unknown as Cluster["store"] },
      events: { healthy: true, record: async () => undefined },
      connectors: new Connectors(store, cluster.ring),
      taken: async () => new Set(),
    });
    return () => users.admit({ connector: "corp", claims: CLAIMS, publicKey: cluster.publicKey });
  }

  it("holds no role that was removed meanwhile", async () => {
    const admit = admitting(() => cluster.administration.remove(ROOT, "role", "dev"));
    await assert.rejects(admit(), { code: "oidc_role_unknown" });
    assert.deepEqual(await cluster.cluster.store.list("user"), []);
  });

  it("is not somebody whom an administrator made meanwhile", async () => {
    const local = "kind: user\nversion: v2\nmetadata: {name: alice@example.com}\nspec: {roles: [editor]}\n";
    const admit = admitting(() => cluster.administration.create(ROOT, documents(local), { force: false }));
    await assert.rejects(admit(), { code: "oidc_user_taken" });
  });

  it("comes in when what changed has nothing to do with them", async () => {
    const other = "kind: user\nversion: v2\nmetadata: {name: bob}\nspec: {roles: [dev]}\n";
    const admit = admitting(() => cluster.administration.create(ROOT, documents(other), { force: false }));
    assert.deepEqual((await admit()).principal.roles, ["dev"]);
  });

  it("is judged without a look at all the others", async () => {
    const admit = admitting(async () => undefined);
    listed = [];
    assert.deepEqual((await admit()).principal.roles, ["dev"]);
    assert.deepEqual(new Set(listed), new Set(["lock", "oidc", "invite"]));
  });

  it("has none of the secrets that an earlier user of the name left", async () => {
    await cluster.cluster.store.write([{ op: "create", kind: "user_secret", name: "alice@example.com", value: {} }]);
    await admitting(async () => undefined)();
    assert.deepEqual(await cluster.cluster.store.list("user_secret"), []);
  });

  it("leaves no link to the next user of the name, ended or removed by a clock that is behind", async () => {
    const name = "alice@example.com";
    const local = documents(`kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [dev]}\n`);
    const ends: readonly (() => Promise<unknown>)[] = [
      // As stores do with what has ended.
      () => cluster.cluster.store.write([{ op: "delete", kind: "user", name }]),
      async () => {
        cluster.advance(-20_000);
        await cluster.administration.remove(ROOT, "user", name);
      },
    ];
    for (const end of ends) {
      await admitting(async () => undefined)();
      const { token } = await cluster.people.makeLink(ROOT, name, "reset", 24 * 3_600_000);
      await end();
      await cluster.administration.create(ROOT, local, { force: false });
      const use = { token, kind: "reset", password: new Secret("correct horse battery"), address: null } as const;
      await assert.rejects(cluster.links.use(use), { code: "invite_unknown" });
      await cluster.administration.remove(ROOT, "user", name);
    }
  });

  it("is not let in by claims of another provider than the connector's", async () => {
    const users = new ConnectorUsers({
      ...cluster,
      events: { healthy: true, record: async () => undefined },
      connectors: new Connectors(cluster.cluster.store, cluster.ring),
      taken: async () => new Set(),
    });
    for (const claims of [
      { ...CLAIMS, iss: "https://evil.example.com" },
      { ...CLAIMS, sub: "" },
      { ...CLAIMS, iss: 1 },
    ])
      await assert.rejects(users.judge("corp", claims), { code: "connector_changed" });
  });
});
