import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import type { Upstream, UpstreamRequest } from "../../src/gateway/ports.ts";
import { UpstreamError } from "../../src/gateway/ports.ts";
import type { DecisionPoint, GatewayState } from "../../src/gateway/state.ts";
import { FRESH_MS, PAUSE_MS, TableSchemas } from "../../src/gateway/table-schemas.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway, type TestGatewayOptions } from "../support/gateway.ts";

const role = (rules: string, more = ""): string => `
kind: role
version: v7
metadata: {name: tenant}
spec:
  allow:
    db_labels: {env: dev}
    db_users: [ExampleRole]
    db_rules: ${rules}
  ${more}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [tenant], traits: {tenant: [ada]}}
`;
const OWN_ITEMS = role(`[{actions: [read, write], tables: [items], leading_keys: ["{{external.tenant}}"]}]`);
const definition = (partition: string, sort: string, TableName = "items"): object => ({
  TableName,
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [partition, sort].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
  KeySchema: [
    { AttributeName: partition, KeyType: "HASH" },
    { AttributeName: sort, KeyType: "RANGE" },
  ],
});
const item = (tenant: string, id: string, more: object = {}): object => ({
  tenant: { S: tenant },
  id: { S: id },
  ...more,
});
const get = (tenant: string): object => ({ TableName: "items", Key: item(tenant, "1") });

/** What went to DynamoDB, by operation, and a way to answer in its place. */
class Spy {
  readonly seen: { operation: string; body: string; token: string | undefined }[] = [];
  instead: ((operation: string, request: UpstreamRequest) => Uint8Array | Promise<never> | undefined) | undefined;
  status = 200;

  around(real: Upstream): Upstream {
    return {
      send: async (request: UpstreamRequest) => {
        const operation = request.headers["x-amz-target"]?.split(".")[1] ?? "";
        const body = Buffer.from(request.body).toString();
        this.seen.push({ operation, body, token: request.headers["x-amz-security-token"] });
        const answer = await this.instead?.(operation, request);
        return answer === undefined ? real.send(request) : { status: this.status, headers: {}, body: answer };
      },
      close: () => real.close(),
    };
  }

  count(operation: string): number {
    return this.seen.filter((each) => each.operation === operation).length;
  }
}

async function withGateway(
  options: TestGatewayOptions,
  test: (gateway: TestGateway, spy: Spy) => Promise<void>,
  seed = true,
): Promise<void> {
  const spy = new Spy();
  const gateway = await startTestGateway({ ...options, upstream: (real) => spy.around(real) });
  try {
    if (seed) {
      await gateway.sandbox.seed([
        { definition: definition("tenant", "id"), items: [item("ada", "1"), item("bob", "1", { secret: { S: "x" } })] },
      ] as never);
    }
    await test(gateway, spy);
  } finally {
    await gateway.close();
  }
}

/** Puts other schemas in place, for another clock or patience. */
function withSchemas({ gateway }: TestGateway, schemas: TableSchemas): void {
  Object.assign(gateway.services, { schemas });
}

/** Drops the table past the gateway, which does not see it, and makes it anew with other keys. */
async function remake({ sandbox }: TestGateway, partition: string, sort: string, items: object[]): Promise<void> {
  await sandbox.inspect("DeleteTable", { TableName: "items" });
  await eventually(async () => {
    try {
      await sandbox.inspect("DescribeTable", { TableName: "items" });
      return false;
    } catch {
      return true;
    }
  });
  await sandbox.seed([{ definition: definition(partition, sort), items }] as never);
}

const typeOf = (answer: { body: Record<string, unknown> }): string =>
  String((answer.body["__type"] as string | undefined) ?? "").replace(/^.*#/, "");
const messageOf = (answer: { body: Record<string, unknown> }): string => String(answer.body["Message"]);

describe("a rule about partition keys (pitfall 29)", () => {
  it("is asked about also where another rule lacks what no key would tell", async () => {
    const other = `{actions: [write], tables: [items], attributes: [tenant, id, x]}`;
    const own = `{actions: [write], tables: [items], leading_keys: ["{{external.tenant}}"]}`;
    await withGateway({ resources: role(`[${other}, ${own}]`) }, async (gateway, spy) => {
      const update = { UpdateExpression: "REMOVE x", ReturnValues: "ALL_OLD" };
      assert.equal((await gateway.call("UpdateItem", { ...get("ada"), ...update })).status, 200);
      assert.equal(spy.count("DescribeTable"), 1);
      const denied = await gateway.call("UpdateItem", { ...get("bob"), ...update });
      assert.match(messageOf(denied), /attributes_unproven/);
    });
  });

  it("lets everybody at their own items of a table with two keys, and at no others, in every way", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      const keys = { ":t": { S: "ada" }, ":i": { S: "0" } };
      const allowed: [string, object][] = [
        ["GetItem", get("ada")],
        [
          "Query",
          { TableName: "items", KeyConditionExpression: ":t = tenant AND id > :i", ExpressionAttributeValues: keys },
        ],
        ["PutItem", { TableName: "items", Item: item("ada", "2", { x: { S: "1" } }) }],
        ["BatchGetItem", { RequestItems: { items: { Keys: [item("ada", "1"), item("ada", "2")] } } }],
        ["TransactWriteItems", { TransactItems: [{ Delete: { TableName: "items", Key: item("ada", "3") } }] }],
      ];
      for (const [operation, body] of allowed) {
        const answer = await gateway.call(operation, body);
        // The sandbox has no transactions: that is DynamoDB's answer, not a denial.
        assert.notEqual(typeOf(answer), "AccessDeniedException", `${operation}: ${JSON.stringify(answer.body)}`);
      }
      const denied: [string, object][] = [
        ["GetItem", get("bob")],
        [
          "Query",
          {
            TableName: "items",
            KeyConditionExpression: "tenant = :t",
            ExpressionAttributeValues: { ":t": { S: "bob" } },
          },
        ],
        ["PutItem", { TableName: "items", Item: item("bob", "2") }],
        ["BatchGetItem", { RequestItems: { items: { Keys: [item("ada", "1"), item("bob", "1")] } } }],
        ["TransactWriteItems", { TransactItems: [{ Delete: { TableName: "items", Key: item("bob", "1") } }] }],
        ["Scan", { TableName: "items" }],
        ["ExecuteStatement", { Statement: "SELECT * FROM items" }],
        ["ExecuteStatement", { Statement: "SELECT * FROM items WHERE tenant = 'ada' OR id = '1'" }],
        ["ExecuteStatement", { Statement: "UPDATE items SET x = 1 WHERE tenant = 'bob' AND id = '1'" }],
      ];
      for (const [operation, body] of denied) {
        const answer = await gateway.call(operation, body);
        assert.equal(typeOf(answer), "AccessDeniedException", `${operation} ${JSON.stringify(body)}`);
      }
      assert.equal(spy.count("DescribeTable"), 1);
    });
  });

  it("asks once for all who want it, with the caller's own AWS role, and puts the question on record", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.call("GetItem", get("ada"))));
      assert.ok(answers.every(({ status }) => status === 200));
      assert.equal(spy.count("DescribeTable"), 1);
      const tokens = new Set(spy.seen.map(({ token }) => token));
      assert.equal(tokens.size, 1);
      assert.notEqual(spy.seen[0]?.token, undefined);
      const described = gateway.audit().filter(({ event }) => event === "postern.table.described");
      assert.deepEqual(
        described.map(({ table, user }) => [table, user]),
        [["items", "alice"]],
      );
    });
  });

  it("never asks for a request that is denied anyway, nor for one that no rule about keys concerns", async () => {
    const denials: [string, string, object][] = [
      ["labels", OWN_ITEMS.replace("env: dev", "env: prod"), get("ada")],
      ["db_users", OWN_ITEMS.replace("[ExampleRole]", "[OtherRole]"), get("ada")],
      ["action", OWN_ITEMS.replace("read, write", "dynamodb:Query"), get("ada")],
      ["table", OWN_ITEMS.replace("[items]", "[other]"), get("ada")],
      ["deny", role(`[{actions: [read], leading_keys: ["ada"]}]`, `deny: {db_rules: [{actions: [read]}]}`), get("ada")],
      [
        "attributes",
        OWN_ITEMS.replace(`"]}]`, `"], attributes: [id]}]`),
        { ...get("ada"), ProjectionExpression: "secret" },
      ],
    ];
    for (const [what, resources, body] of denials) {
      await withGateway({ resources }, async (gateway, spy) => {
        assert.equal(typeOf(await gateway.call("GetItem", body)), "AccessDeniedException", what);
        assert.equal(spy.seen.length, 0, what);
      });
    }
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      assert.equal(
        typeOf(await gateway.call("Scan", { TableName: "items", ProjectionExpression: "id" })),
        "AccessDeniedException",
      );
      assert.equal(spy.seen.length, 0);
    });
    await withGateway({}, async (gateway, spy) => {
      assert.equal((await gateway.call("PutItem", { TableName: "items", Item: item("ada", "9") })).status, 200);
      assert.equal(spy.count("DescribeTable"), 0);
    });
  });

  it("denies, and says what to do, when the keys cannot be had", async () => {
    const error = (type: string): Buffer => Buffer.from(`{"__type":"com.amazon.coral.service#${type}","Message":"no"}`);
    const about = (table: object): Buffer => Buffer.from(JSON.stringify({ Table: { TableId: "1", ...table } }));
    const answers: [string, Uint8Array, number][] = [
      ["refused", error("AccessDeniedException"), 400],
      ["refused", error("ResourceNotFoundException"), 400],
      ["unreadable", Buffer.from("<html>"), 200],
      ["unreadable", about({ ...definition("tenant", "id"), TableName: "other" }), 200],
      ["unreadable", about({ ...definition("tenant", "id"), KeySchema: [] }), 200],
    ];
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      const before = new Map<string, number>();
      for (const [outcome, body, status] of answers) {
        withSchemas(gateway, new TableSchemas({ clock: systemClock }));
        spy.seen.length = 0;
        spy.instead = (operation) => (operation === "DescribeTable" ? body : undefined);
        spy.status = status;
        for (let time = 0; time < 2; time++) {
          const answer = await gateway.call("GetItem", get("ada"));
          assert.equal(typeOf(answer), "AccessDeniedException", outcome);
          assert.match(messageOf(answer), /keys_unproven.*dynamodb:DescribeTable.*key_schema/s, outcome);
        }
        assert.deepEqual([spy.count("DescribeTable"), spy.seen.length], [1, 1], outcome);
        before.set(outcome, (before.get(outcome) ?? 0) + 1);
        const metrics = await (await gateway.gateway.services.metrics.registry()).metrics();
        assert.ok(
          metrics.includes(`postern_table_descriptions_total{outcome="${outcome}"} ${before.get(outcome)}`),
          outcome,
        );
      }
    });
  });

  it("tells clients to try again, and sends nothing, when DynamoDB cannot be asked now", async () => {
    const error = (type: string): Buffer => Buffer.from(`{"__type":"com.amazonaws.dynamodb.v20120810#${type}"}`);
    const answers: [string, () => Uint8Array | Promise<never>, number][] = [
      ["failed", () => error("InternalServerError"), 500],
      ["throttled", () => error("ThrottlingException"), 400],
      ["credentials out of date", () => error("ExpiredTokenException"), 400],
      ["unreachable", () => Promise.reject(new UpstreamError("unreachable", "gone")), 0],
      ["broken off", () => Promise.reject(new UpstreamError("broken", "gone")), 0],
    ];
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      for (const [what, body, status] of answers) {
        withSchemas(gateway, new TableSchemas({ clock: systemClock }));
        spy.seen.length = 0;
        spy.instead = (operation) => (operation === "DescribeTable" ? body() : undefined);
        spy.status = status;
        for (let time = 0; time < 2; time++) {
          const answer = await gateway.call("GetItem", get("ada"));
          assert.deepEqual([answer.status, typeOf(answer)], [503, "ServiceUnavailable"], what);
          const event = gateway.eventOf(answer.headers.get("x-postern-decision-id"));
          const { allow, reasons } = event["decision"] as { allow: boolean; reasons: { code: string }[] };
          assert.deepEqual(
            [event["outcome"], allow, reasons.map(({ code }) => code)],
            ["failed", false, ["keys_unproven"]],
          );
        }
        assert.equal(typeOf(await gateway.call("Scan", { TableName: "items" })), "AccessDeniedException", what);
        assert.deepEqual([spy.count("DescribeTable"), spy.seen.length], [1, 1], what);
      }
    });
  });

  it("gives up on an answer that does not come, or does not end", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      let now = 0;
      withSchemas(gateway, new TableSchemas({ clock: { now: () => now, monotonic: () => now }, patience: 20 }));
      let takenBack = 0;
      spy.instead = (operation, { departure }) =>
        operation !== "DescribeTable"
          ? undefined
          : new Promise((_, reject) => {
              departure.onGone({
                clientGone: () => {
                  takenBack += 1;
                  reject(new UpstreamError("broken", "taken back"));
                },
              });
            });
      // A busy machine may be out of patience before the question was sent.
      await eventually(async () => {
        now += PAUSE_MS;
        assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "ServiceUnavailable");
        return takenBack > 0;
      });
      assert.equal(spy.count("GetItem"), 0);
    });
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, " ");
    const endless = (real: Upstream): Upstream => ({
      send: async (request) => {
        if (request.headers["x-amz-target"] !== "DynamoDB_20120810.DescribeTable") return real.send(request);
        const body = (async function* () {
          for (;;) {
            sent += chunk.byteLength;
            yield await Promise.resolve(chunk);
          }
        })();
        return { status: 200, headers: {}, body };
      },
      close: () => real.close(),
    });
    const gateway = await startTestGateway({ resources: OWN_ITEMS, upstream: endless });
    try {
      assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "AccessDeniedException");
      assert.equal(sent, 1024 * 1024 + chunk.byteLength);
    } finally {
      await gateway.close();
    }
  });

  it("forgets credentials that DynamoDB does not take for the question", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      gateway.sandbox.revokeSessions();
      withSchemas(gateway, new TableSchemas({ clock: systemClock }));
      assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "ServiceUnavailable");
      withSchemas(gateway, new TableSchemas({ clock: systemClock }));
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      assert.equal(new Set(spy.seen.map(({ token }) => token)).size, 2);
    });
  });

  it("asks again at once when a table made anew, unseen, does not fit what is known of it", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      const mine = { owner: { S: "ada" }, tenant: { S: "bob" } };
      const others = { owner: { S: "bob" }, tenant: { S: "ada" } };
      await remake(gateway, "owner", "tenant", [mine, others]);
      const read = (Key: object) => gateway.call("GetItem", { TableName: "items", Key });
      assert.deepEqual((await read(mine)).body["Item"], mine);
      assert.equal(typeOf(await read(others)), "AccessDeniedException");
      assert.equal(typeOf(await read(item("ada", "1"))), "AccessDeniedException");
      assert.equal(spy.count("DescribeTable"), 2);
    });
  });

  it("judges no request by the keys of a table that is no more, once the bound is over", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      let now = 0;
      withSchemas(gateway, new TableSchemas({ clock: { now: () => now, monotonic: () => now } }));
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      // The very same attributes, exchanged: every request fits both.
      await remake(gateway, "id", "tenant", [item("ada", "1"), item("1", "ada")]);
      now += FRESH_MS;
      assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "AccessDeniedException");
      const turned = await gateway.call("GetItem", { TableName: "items", Key: item("1", "ada") });
      assert.equal(turned.status, 200);
      assert.equal(spy.count("DescribeTable"), 2);
    });
  });

  it("asks again after DynamoDB called a request invalid", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      // A key more than the table has now: it fits what is known, and is refused.
      const answer = { __type: "com.amazon.coral.validate#ValidationException", message: "The provided key" };
      spy.status = 400;
      spy.instead = (operation) => (operation === "GetItem" ? Buffer.from(JSON.stringify(answer)) : undefined);
      assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "ValidationException");
      spy.instead = undefined;
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      assert.equal(spy.count("DescribeTable"), 2);
    });
  });

  it("learns every table of a batch, also of one with more than policy gives reasons for", async () => {
    const resources = role(`[{actions: [read], leading_keys: ["{{external.tenant}}"]}]`);
    await withGateway({ resources }, async (gateway, spy) => {
      const tables = Array.from({ length: 12 }, (_, at) => `items-${at}`);
      await gateway.sandbox.seed(tables.map((table) => ({ definition: definition("tenant", "id", table) })) as never);
      const batch = (tenant: string): object => ({
        RequestItems: Object.fromEntries(tables.map((table) => [table, { Keys: [item(tenant, "1")] }])),
      });
      assert.equal(typeOf(await gateway.call("BatchGetItem", batch("bob"))), "AccessDeniedException");
      assert.equal((await gateway.call("BatchGetItem", batch("ada"))).status, 200);
      assert.equal(spy.count("DescribeTable"), 12);
    });
  });

  it("learns keys for a deny rule as well, and asks nothing where the rest of the request is denied", async () => {
    const resources = role(
      `[{actions: [read]}]`,
      `deny: {db_rules: [{actions: ["*"], leading_keys: [bob]}, {actions: ["*"], tables: [orders]}]}`,
    );
    await withGateway({ resources }, async (gateway, spy) => {
      const batch = {
        RequestItems: { items: { Keys: [item("ada", "1")] }, orders: { Keys: [{ id: { S: "ada#1" } }] } },
      };
      assert.equal(typeOf(await gateway.call("BatchGetItem", batch)), "AccessDeniedException");
      assert.equal(spy.seen.length, 0);
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      assert.equal(typeOf(await gateway.call("GetItem", get("bob"))), "AccessDeniedException");
      assert.equal(spy.count("DescribeTable"), 1);
    });
  });

  it("asks nothing about a table whose keys do not fit where the request is denied for something else", async () => {
    const resources = role(
      `[{actions: [read, write], tables: [items], leading_keys: ["{{external.tenant}}"]}]`,
      `deny: {db_rules: [{actions: ["dynamodb:DeleteItem"]}]}`,
    );
    await withGateway({ resources }, async (gateway, spy) => {
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      const Key = { tenant: { S: "ada" }, other: { S: "1" } };
      assert.equal(typeOf(await gateway.call("DeleteItem", { TableName: "items", Key })), "AccessDeniedException");
      assert.equal(spy.count("DescribeTable"), 1);
      assert.equal(typeOf(await gateway.call("UpdateItem", { TableName: "items", Key })), "AccessDeniedException");
      assert.equal(spy.count("DescribeTable"), 2);
    });
  });

  it("takes key_schema instead of asking, and says when it does not tell enough", async () => {
    const database = "key_schema: {items: {partition_key: tenant, sort_key: {name: id, type: S}}}";
    await withGateway({ resources: OWN_ITEMS, database }, async (gateway, spy) => {
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      assert.equal(typeOf(await gateway.call("GetItem", get("bob"))), "AccessDeniedException");
      const search = await gateway.call("Query", {
        TableName: "items",
        IndexName: "by-day",
        KeyConditionExpression: "tenant = :t AND #day = :d",
        ExpressionAttributeNames: { "#day": "day" },
        ExpressionAttributeValues: { ":t": { S: "ada" }, ":d": { S: "1" } },
      });
      assert.match(messageOf(search), /keys_unproven.*table "items" are those of key_schema.*indexes/s);
      assert.equal(spy.count("DescribeTable"), 0);
    });
  });

  it("asks before packages of the installation's own have the last word, which may look at keys", async () => {
    await withGateway({}, async (gateway, spy) => {
      const { services } = gateway.gateway;
      const state = services.state();
      const told: (readonly string[] | null)[] = [];
      const policy: DecisionPoint = {
        revision: "r",
        custom: true,
        decide: ({ request }) => {
          const [access] = request.accesses;
          told.push(access?.keys_known === true ? access.leading_keys : null);
          const facts = { roles: [], revision: "r", evalUs: 1 };
          if (access?.leading_keys[0] !== "bob") return { ...facts, allow: true, obligations: [] };
          const reason = { code: "custom_denied", message: "not bob's", access: null, role: null } as const;
          return { ...facts, allow: false, reasons: [reason], obligations: [] };
        },
        visible: () => true,
      };
      Object.assign(services, { state: (): GatewayState => ({ ...state, policy }) });
      assert.equal(typeOf(await gateway.call("GetItem", get("bob"))), "AccessDeniedException");
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      assert.deepEqual(told, [null, ["bob"], ["ada"]]);
      assert.deepEqual([spy.count("DescribeTable"), spy.count("GetItem")], [1, 1]);
    });
  });

  it("sends no question that is not on record, and tells nothing of what policy said then", async () => {
    await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
      const { recorder } = gateway.gateway.services;
      const failing = Object.create(recorder, {
        record: { value: () => Promise.reject(new Error("full")) },
        begin: { value: () => Promise.reject(new Error("full")) },
      }) as typeof recorder;
      Object.assign(gateway.gateway.services, { recorder: failing });
      const answer = await gateway.call("GetItem", get("ada"));
      assert.deepEqual([answer.status, typeOf(answer)], [400, "AccessDeniedException"]);
      assert.match(messageOf(answer), /audit log/);
      assert.equal(spy.seen.length, 0);
      Object.assign(gateway.gateway.services, { recorder });
    });
  });

  it("is forgotten with the table: after a change of it the keys are asked for again", async () => {
    const resources = role(
      `[{actions: [read, write], leading_keys: ["{{external.tenant}}"]}, {actions: ["dynamodb:DeleteTable"]}]`,
    );
    await withGateway({ resources }, async (gateway, spy) => {
      assert.equal((await gateway.call("GetItem", get("ada"))).status, 200);
      // The table is dropped and made anew, its keys exchanged; ours is not told.
      const turned = JSON.stringify({
        Table: { ...definition("id", "tenant"), TableId: "2", TableName: "items" },
      });
      spy.instead = (operation) => (operation === "DescribeTable" ? Buffer.from(turned) : undefined);
      assert.equal(
        (await gateway.call("UpdateTable", { TableName: "items", BillingMode: "PAY_PER_REQUEST" })).status,
        400,
      );
      assert.equal((await gateway.call("DeleteTable", { TableName: "items" })).status, 200);
      assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "AccessDeniedException");
      assert.notEqual(
        typeOf(await gateway.call("GetItem", { TableName: "items", Key: item("other", "ada") })),
        "AccessDeniedException",
      );
      assert.equal(spy.count("DescribeTable"), 2);
    });
  });
});

describe("batches of statements", () => {
  it("are sent whole or not at all: one statement that is denied denies them all (pitfall 49)", async () => {
    const resources = role(`[{actions: ["dynamodb:PartiQLSelect"], tables: [items]}]`);
    await withGateway({ resources }, async (gateway, spy) => {
      const read = { Statement: "SELECT * FROM items WHERE tenant = 'ada' AND id = '1'" };
      for (const statements of [
        [read, { Statement: "SELECT * FROM orders WHERE id = 'ada#1'" }],
        [read, { Statement: "DELETE FROM items WHERE tenant = 'ada' AND id = '1'" }],
      ]) {
        const batch = await gateway.call("BatchExecuteStatement", { Statements: statements });
        const transaction = await gateway.call("ExecuteTransaction", { TransactStatements: statements });
        assert.deepEqual([batch, transaction].map(typeOf), ["AccessDeniedException", "AccessDeniedException"]);
      }
      assert.equal(spy.seen.length, 0);
      assert.notEqual(
        typeOf(await gateway.call("BatchExecuteStatement", { Statements: [read] })),
        "AccessDeniedException",
      );
    });
  });
});

describe("settings that destroy, show or cost (pitfall 46)", () => {
  it("are not allowed by a rule about items, whatever it says of keys and attributes", async () => {
    const resources = role(
      `[{actions: [read, write], tables: [items], leading_keys: ["ada"], attributes: [tenant, id]}]`,
    );
    await withGateway({ resources }, async (gateway, spy) => {
      const settings: [string, object][] = [
        ["UpdateTimeToLive", { TimeToLiveSpecification: { AttributeName: "id", Enabled: true } }],
        ["UpdateTable", { StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" } }],
        [
          "UpdateTable",
          { BillingMode: "PROVISIONED", ProvisionedThroughput: { ReadCapacityUnits: 9, WriteCapacityUnits: 9 } },
        ],
        ["UpdateContributorInsights", { ContributorInsightsAction: "ENABLE" }],
        ["UpdateContinuousBackups", { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: false } }],
        ["DeleteTable", {}],
      ];
      for (const [operation, body] of settings) {
        const answer = await gateway.call(operation, { TableName: "items", ...body });
        assert.equal(typeOf(answer), "AccessDeniedException", operation);
      }
      assert.equal(spy.seen.length, 0);
    });
  });
});
