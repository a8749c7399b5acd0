import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveDatabase } from "../../../src/aws/database.ts";
import type { TableSchema } from "../../../src/dynamodb/key-schema.ts";
import {
  type Description,
  FRESH_MS,
  PAUSE_MS,
  REFUSED_MS,
  TableSchemas,
  USABLE_MS,
} from "../../../src/gateway/table-schemas.ts";

const schema = (id: string): TableSchema => ({
  table: "orders",
  id,
  partition: [{ name: "pk", type: "S" }],
  sort: [],
  indexes: new Map(),
});

function setUp(key_schema?: object) {
  let now = 0;
  let asked = 0;
  const clock = { now: () => now, monotonic: () => now };
  const database = resolveDatabase({
    name: "db",
    protocol: "dynamodb",
    aws: { region: "us-east-1", account_id: "123456789012" },
    ...(key_schema === undefined ? {} : { key_schema: key_schema as never }),
  });
  const schemas = new TableSchemas(clock as never).of(database);
  return {
    schemas,
    pass: (ms: number) => (now += ms),
    asked: () => asked,
    learn: (answer: Description, role = "r") =>
      schemas.learn(role, ["orders"], async () => {
        asked += 1;
        return answer;
      }),
    known: () => schemas.schemaOf("orders")?.id,
  };
}

describe("DatabaseSchemas", () => {
  it("takes a schema as it is for a minute, and asks again then", async () => {
    const { learn, pass, known, asked } = setUp();
    await learn(schema("a"));
    assert.equal(known(), "a");
    pass(FRESH_MS - 1);
    await learn(schema("b"));
    assert.deepEqual([known(), asked()], ["a", 1]);
    pass(1);
    assert.equal(known(), undefined);
    await learn(schema("b"));
    assert.deepEqual([known(), asked()], ["b", 2]);
  });

  it("serves on for five minutes while DynamoDB cannot be asked, asking again every few seconds", async () => {
    const { learn, pass, known, asked } = setUp();
    await learn(schema("a"));
    pass(FRESH_MS);
    await learn("unavailable");
    assert.deepEqual([known(), asked()], ["a", 2]);
    pass(PAUSE_MS);
    assert.equal(known(), undefined);
    await learn("unavailable");
    assert.deepEqual([known(), asked()], ["a", 3]);
    pass(USABLE_MS);
    await learn("unavailable");
    assert.equal(known(), undefined);
  });

  it("does not ask a role again that may not describe the table, but does ask another", async () => {
    const { learn, pass, known, asked } = setUp();
    await learn("refused");
    await learn(schema("a"));
    assert.deepEqual([known(), asked()], [undefined, 1]);
    await learn(schema("a"), "other");
    assert.deepEqual([known(), asked()], ["a", 2]);
    pass(FRESH_MS + REFUSED_MS);
    await learn(schema("b"));
    assert.equal(known(), "b");
  });

  it("asks again for a table that is doubted, not at once, and does not serve what was doubted", async () => {
    const { schemas, learn, pass, known } = setUp();
    await learn(schema("a"));
    assert.equal(schemas.doubt("orders"), false);
    pass(PAUSE_MS);
    assert.equal(schemas.doubt("orders"), true);
    assert.equal(known(), undefined);
    await learn("unavailable");
    assert.equal(known(), undefined);
    pass(PAUSE_MS);
    await learn(schema("b"));
    assert.equal(known(), "b");
    schemas.forget("orders");
    assert.equal(known(), undefined);
  });

  it("takes the configuration's word without asking, projections included", async () => {
    const { schemas, learn, asked } = setUp({
      orders: {
        partition_key: "tenant",
        sort_key: { name: "id", type: "N" },
        indexes: {
          whole: { partition_key: ["a", { name: "b", type: "B" }], projection: "all" },
          keys: { partition_key: "a", projection: "keys_only" },
          some: { partition_key: "a", projection: ["x"] },
          unknown: { partition_key: "a" },
        },
      },
    });
    await learn(schema("a"));
    assert.equal(asked(), 0);
    const known = schemas.schemaOf("orders");
    assert.deepEqual(
      [known?.id, known?.partition, known?.sort],
      [null, [{ name: "tenant", type: null }], [{ name: "id", type: "N" }]],
    );
    assert.deepEqual(known?.indexes.get("whole")?.partition, [
      { name: "a", type: null },
      { name: "b", type: "B" },
    ]);
    assert.deepEqual(
      ["whole", "keys", "some", "unknown"].map((index) => known?.indexes.get(index)?.projected),
      ["all", ["a", "id", "tenant"], ["a", "id", "tenant", "x"], null],
    );
  });
});
