import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { ALICE_MAY_NEARLY_EVERYTHING, startTestGateway, type TestGateway } from "../support/gateway.ts";

const GET = { TableName: "orders", Key: { id: { S: "ada#1" } } };
interface DecisionLine {
  readonly allow: boolean;
  readonly revision: string;
  readonly roles: readonly string[];
  readonly reasons: readonly { readonly code: string }[];
}

/** Two sets of which nothing fits the other: user and role change together, or the role that the user holds is unknown. */
const setOf = (role: string, table: string): string => `
kind: role
version: v7
metadata: {name: ${role}}
spec:
  allow: {db_labels: {env: dev}, db_users: [ExampleRole], db_rules: [{actions: ["dynamodb:GetItem"], tables: [${table}]}]}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [${role}]}
`;
const LOCK = `
---
kind: lock
version: v2
metadata: {name: incident}
spec: {target: {user: alice}, message: "under investigation"}
`;

describe("invariant 5: resources change under load", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({ resources: setOf("one", "orders") });
  });
  after(() => gateway.close());

  it("and each decision is wholly of one revision (pitfall 59), and each request is answered", async () => {
    let stop = false;
    let answered = 0;
    const statuses = new Map<string, number>();
    const clients = Array.from({ length: 4 }, async () => {
      while (!stop && answered < 4000) {
        const { status, body } = await gateway.call("GetItem", GET);
        const what = `${status} ${String((body["__type"] as string | undefined) ?? "")}`;
        statuses.set(what, (statuses.get(what) ?? 0) + 1);
        answered += 1;
      }
    });
    for (const [role, table, status] of [
      ["two", "other", 400],
      ["three", "orders", 200],
      ["four", "other", 400],
      ["five", "orders", 200],
    ] as const) {
      gateway.writeResources(setOf(role, table));
      await eventually(async () => (await gateway.call("GetItem", GET)).status === status);
    }
    stop = true;
    await Promise.all(clients);
    assert.deepEqual([...statuses.keys()].toSorted(), ["200 ", "400 com.amazon.coral.service#AccessDeniedException"]);

    const byRevision = new Map<string, Set<string>>();
    for (const line of gateway.audit()) {
      if (line["event"] !== "db.session.dynamodb.request") continue;
      const { allow, revision, roles, reasons } = line["decision"] as DecisionLine;
      const said = allow ? `allowed by ${roles.join()}` : `denied: ${reasons.map(({ code }) => code).join()}`;
      byRevision.set(revision, (byRevision.get(revision) ?? new Set()).add(said));
    }
    assert.deepEqual(
      [...byRevision.values()].map((said) => [...said].join(" and ")),
      ["allowed by one", "denied: rule_not_matched", "allowed by three", "denied: rule_not_matched", "allowed by five"],
    );
    const activated = gateway.audit().filter(({ event }) => event === "postern.policy.activated");
    assert.deepEqual(
      activated.map(({ revision }) => revision),
      [...byRevision.keys()],
    );
  });

  it("and a bad document keeps the old ones in force and is on record until it is mended", async () => {
    const revision = gateway.gateway.services.state().policy.revision;
    gateway.writeResources(
      `${setOf("six", "orders")}\n---\nkind: role\nversion: v7\nmetadata: {name: seven}\nspec: {alow: {}}\n`,
    );
    await eventually(() => gateway.gateway.refusedChange !== null);
    assert.equal((await gateway.gateway.readiness())["policy"], null, "the last good state serves on");
    assert.match(String(gateway.gateway.refusedChange), /^Cannot load resources/);
    const [refused] = gateway.audit().filter(({ event }) => event === "postern.resources.refused");
    assert.match(JSON.stringify(refused), /alow/);
    assert.equal((await gateway.call("GetItem", GET)).status, 200);
    assert.equal(gateway.gateway.services.state().policy.revision, revision);
    gateway.writeResources(setOf("six", "orders"));
    await eventually(() => gateway.gateway.refusedChange === null);
    assert.notEqual(gateway.gateway.services.state().policy.revision, revision);
  });

  it("and a lock denies the next operation, and its removal restores", async () => {
    assert.equal((await gateway.call("GetItem", GET)).status, 200);
    gateway.writeResources(setOf("six", "orders") + LOCK);
    await eventually(async () => (await gateway.call("GetItem", GET)).status === 400);
    const denied = await gateway.call("GetItem", GET);
    assert.equal(denied.body["__type"], "com.amazon.coral.service#AccessDeniedException");
    assert.match(String(denied.body["Message"]), /"alice" is locked: under investigation/);
    const event = gateway.eventOf(denied.headers.get("x-postern-decision-id"));
    assert.deepEqual(
      [event["outcome"], (event["decision"] as DecisionLine).reasons.map(({ code }) => code)],
      ["denied", ["locked"]],
    );
    gateway.writeResources(setOf("six", "orders"));
    await eventually(async () => (await gateway.call("GetItem", GET)).status === 200);
  });

  it("and a user who is no more is denied user_unknown", async () => {
    gateway.writeResources(ALICE_MAY_NEARLY_EVERYTHING.replaceAll("name: alice", "name: bob"));
    await eventually(async () => (await gateway.call("GetItem", GET)).status === 400);
    const denied = await gateway.call("GetItem", GET);
    const { reasons } = gateway.eventOf(denied.headers.get("x-postern-decision-id"))["decision"] as DecisionLine;
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ["user_unknown"],
    );
  });

  it("and what changes while the audit log is broken is in force all the same when it is mended", async () => {
    const { recorder } = gateway.gateway.services;
    const record = recorder.record.bind(recorder);
    recorder.record = () => Promise.reject(new Error("injected"));
    const before = gateway.gateway.services.state().policy.revision;
    gateway.writeResources(setOf("eight", "orders"));
    await eventually(() => gateway.gateway.services.state().policy.revision !== before);
    recorder.record = record;
    assert.equal((await gateway.call("GetItem", GET)).status, 200);
    await eventually(() => gateway.gateway.refusedChange === null);
  });
});

describe("a role with a bad regular expression", () => {
  it("is refused at start with the place of the role, and with the expression as it was written", async () => {
    const resources = ALICE_MAY_NEARLY_EVERYTHING.replace("{env: dev}", '{env: ["^(dev$"]}');
    await assert.rejects(
      startTestGateway({ resources }),
      (error: Error & { position?: { file: string; line: number } }) => {
        assert.match(
          error.message,
          /^Cannot load role "dev": "\^\(dev\$" is not a regular expression that RE2 accepts$/,
        );
        assert.match(error.position?.file ?? "", /all\.yaml$/);
        return true;
      },
    );
  });
});
