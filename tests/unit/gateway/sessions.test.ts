import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { authenticate } from "../../../src/gateway/authenticate.ts";
import { gatewayApp } from "../../../src/gateway/app.ts";
import type { FixedListener } from "../../../src/gateway/listener.ts";
import type { GatewayState } from "../../../src/gateway/state.ts";
import type { Lock } from "../../../src/identity/lock.ts";
import type { Session } from "../../../src/identity/session.ts";
import { eventually } from "../../support/eventually.ts";
import { ALICE_MAY_NEARLY_EVERYTHING, startTestGateway, type TestGateway } from "../../support/gateway.ts";

const NOW = Date.now();
const LOGIN: Session = {
  user: "alice",
  roles: ["dev"],
  traits: {},
  mfaVerified: false,
  issued: NOW,
  expires: NOW + 3_600_000,
};
const LOCKED = `
---
kind: lock
version: v2
metadata: {name: gone}
spec: {target: {user: alice}, message: "see the desk"}
`;
const WITH = (roles: string): string => `${ALICE_MAY_NEARLY_EVERYTHING.replace("roles: [dev]", `roles: [${roles}]`)}
---
kind: role
version: v7
metadata: {name: no-scans}
spec: {deny: {db_rules: [{actions: ["dynamodb:Scan"]}]}}
---
kind: role
version: v7
metadata: {name: more}
spec: {allow: {db_labels: {env: dev}, db_users: [OtherRole]}}
`;

describe("who comes with a login", () => {
  let gateway: TestGateway;
  let now = NOW;
  let voided: GatewayState["voided"];
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  const ask = async (session: Session, dbUser = "ExampleRole"): Promise<[number, unknown, string | null]> => {
    const [fixed] = gateway.gateway.listeners;
    assert.ok(fixed !== undefined);
    const listener: FixedListener = { ...fixed, kind: "tunnel", user: session.user, dbUser, session };
    const { services } = gateway.gateway;
    const state = (): GatewayState => ({ ...services.state(), ...(voided === undefined ? {} : { voided }) });
    const app = gatewayApp({ ...services, state, clock: { ...services.clock, now: () => now } }, listener);
    const response = await app.fetch(
      new Request("http://localhost/", {
        method: "POST",
        headers: { "x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0" },
        body: '{"TableName":"orders","Key":{"id":{"S":"ada#1"}}}',
      }),
    );
    const { __type: type } = (await response.json()) as { __type?: unknown };
    return [response.status, type, response.headers.get("connection")];
  };
  const reasonsOf = (): unknown => {
    const event = gateway.audit().findLast(({ event }) => event === "db.session.dynamodb.request");
    const { decision } = event as { decision: { reasons: { code: string }[] } };
    return decision.reasons.map(({ code }) => code);
  };
  const DENIED = "com.amazon.coral.service#AccessDeniedException";
  const AGAIN = "com.amazon.coral.service#ExpiredTokenException";

  it("may do what the roles of the login allow that the user still has", async () => {
    assert.deepEqual(await ask(LOGIN), [200, undefined, null]);
  });

  it("has no role that was taken away since", async () => {
    gateway.writeResources(ALICE_MAY_NEARLY_EVERYTHING.replace("roles: [dev]", "roles: []"));
    await eventually(async () => (await ask(LOGIN))[1] === DENIED);
    assert.deepEqual(reasonsOf(), ["no_roles"]);
    gateway.writeResources(ALICE_MAY_NEARLY_EVERYTHING);
    await eventually(async () => (await ask(LOGIN))[0] === 200);
  });

  it("must log in again when the login has ended or was voided, and is told so in the words of SDKs", async () => {
    assert.deepEqual((await ask({ ...LOGIN, issued: 0, expires: NOW })).slice(0, 2), [400, AGAIN]);
    assert.deepEqual(reasonsOf(), ["session_expired"]);
    // Certificates tell seconds.
    voided = new Map([["alice", NOW]]);
    assert.deepEqual((await ask(LOGIN)).slice(0, 2), [400, AGAIN]);
    assert.deepEqual(reasonsOf(), ["login_outdated"]);
    voided = new Map([["alice", NOW - 1]]);
    assert.equal((await ask(LOGIN))[0], 200);
    voided = undefined;
  });

  it("closes its connections in the last fifth of the login, when there is a newer one", async () => {
    now = NOW + 2_879_999;
    assert.equal((await ask(LOGIN))[2], null);
    now = NOW + 2_880_000;
    assert.deepEqual(await ask(LOGIN), [200, undefined, "close"]);
    now = NOW + 3_600_000;
    assert.deepEqual((await ask(LOGIN))[1], AGAIN);
    now = NOW;
  });

  it("gets what a role denies at once, and what it allows with the next login", async () => {
    gateway.writeResources(WITH("dev, more"));
    await eventually(() => gateway.gateway.services.state().directory.role("more") !== undefined);
    assert.equal((await ask(LOGIN, "OtherRole"))[1], DENIED);
    // Allowed, and then there is no such role at AWS.
    assert.equal((await ask({ ...LOGIN, roles: ["dev", "more"] }, "OtherRole"))[0], 503);
    gateway.writeResources(WITH("dev, no-scans"));
    await eventually(async () => (await ask(LOGIN))[1] === AGAIN);
    assert.deepEqual(reasonsOf(), ["login_outdated"]);
    assert.equal((await ask({ ...LOGIN, roles: ["no-scans", "dev"] }))[0], 200);
  });

  it("is a bot to policy when the login was a bot's, and has no other trait than those of now", async () => {
    const role = (trait: string): string =>
      ALICE_MAY_NEARLY_EVERYTHING.replace("db_users: [ExampleRole]", `db_users: ["{{external.${trait}}}"]`);
    gateway.writeResources(role("bot"));
    await eventually(async () => (await ask(LOGIN))[1] === DENIED);
    assert.equal((await ask({ ...LOGIN, traits: { bot: ["ExampleRole"] } }))[0], 200);
    gateway.writeResources(role("team"));
    const gone = { ...LOGIN, traits: { bot: ["ExampleRole"], team: ["ExampleRole"] } };
    await eventually(async () => (await ask(gone))[1] === DENIED);
    gateway.writeResources(ALICE_MAY_NEARLY_EVERYTHING);
    await eventually(async () => (await ask(LOGIN))[0] === 200);
  });

  it("is asked for its time and its locks with every operation, though it is known in the state", () => {
    const [fixed] = gateway.gateway.listeners;
    const state = gateway.gateway.services.state();
    assert.ok(fixed !== undefined);
    for (const listener of [fixed, { ...fixed, session: LOGIN }]) {
      let lock: Lock | undefined;
      const directory = {
        lockOf: () => lock,
        principalOf: (name: string) => state.directory.principalOf(name),
        role: (name: string) => state.directory.role(name),
      };
      const same = { ...state, directory: directory as unknown as GatewayState["directory"] };
      const caller = authenticate(listener, same, NOW);
      assert.equal(authenticate(listener, same, NOW), caller);
      lock = { name: "gone", target: { user: "alice" } };
      assert.throws(() => authenticate(listener, same, NOW), { code: "locked" });
      lock = undefined;
      assert.equal(authenticate(listener, same, NOW), caller);
      if (listener.session === undefined) continue;
      assert.throws(() => authenticate(listener, same, LOGIN.expires), { code: "session_expired" });
      assert.throws(() => authenticate(listener, { ...same, voided: new Map([["alice", NOW]]) }, NOW), {
        code: "login_outdated",
      });
    }
  });

  it("is shut out by a lock, and by being removed, with the next operation", async () => {
    gateway.writeResources(ALICE_MAY_NEARLY_EVERYTHING + LOCKED);
    await eventually(async () => (await ask(LOGIN))[1] === DENIED);
    assert.deepEqual(reasonsOf(), ["locked"]);
    gateway.writeResources(ALICE_MAY_NEARLY_EVERYTHING.replaceAll("alice", "bob"));
    await eventually(async () => {
      await ask(LOGIN);
      return JSON.stringify(reasonsOf()) === '["user_unknown"]';
    });
  });
});
