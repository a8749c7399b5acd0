import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Upstream, UpstreamRequest } from "../../src/gateway/ports.ts";
import { UpstreamError } from "../../src/gateway/ports.ts";
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
const definition = (partition: string, sort: string): object => ({
  TableName: "items",
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
  instead: ((operation: string) => Uint8Array | undefined) | undefined;
  status = 200;

  around(real: Upstream): Upstream {
    return {
      send: async (request: UpstreamRequest) => {
        const operation = request.headers["x-amz-target"]?.split(".")[1] ?? "";
        const body = Buffer.from(request.body).toString();
        this.seen.push({ operation, body, token: request.headers["x-amz-security-token"] });
        const answer = this.instead?.(operation);
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

const typeOf = (answer: { body: Record<string, unknown> }): string =>
  String((answer.body["__type"] as string | undefined) ?? "").replace(/^.*#/, "");
const messageOf = (answer: { body: Record<string, unknown> }): string => String(answer.body["Message"]);

describe("a rule about partition keys (pitfall 29)", () => {
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
    const answers: [string, Uint8Array | undefined, number][] = [
      ["refused", Buffer.from(`{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}`), 400],
      ["unreadable", Buffer.from("<html>"), 200],
      [
        "about another table",
        Buffer.from(JSON.stringify({ Table: { TableName: "other", TableId: "1", KeySchema: [] } })),
        200,
      ],
      ["failed", Buffer.from("{}"), 500],
    ];
    for (const [what, body, status] of answers) {
      await withGateway({ resources: OWN_ITEMS }, async (gateway, spy) => {
        spy.instead = (operation) => (operation === "DescribeTable" ? body : undefined);
        spy.status = status;
        for (let time = 0; time < 2; time++) {
          const answer = await gateway.call("GetItem", get("ada"));
          assert.equal(typeOf(answer), "AccessDeniedException", what);
          assert.match(messageOf(answer), /keys_unproven.*dynamodb:DescribeTable.*key_schema/s, what);
        }
        assert.equal(spy.count("DescribeTable"), 1, what);
        assert.equal(spy.count("GetItem"), 0, what);
      });
    }
    await withGateway(
      {
        resources: OWN_ITEMS,
        upstream: () => {
          throw new Error("unused");
        },
      } as never,
      async (gateway, spy) => {
        spy.instead = () => {
          throw new UpstreamError("unreachable", "gone");
        };
        assert.equal(typeOf(await gateway.call("GetItem", get("ada"))), "AccessDeniedException");
      },
    );
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
