import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Access, type Understanding, understand } from "../../../src/dynamodb/accesses.ts";
import { AccessList } from "../../../src/dynamodb/access.ts";
import type { KeyAttribute, SchemaLookup, TableSchema } from "../../../src/dynamodb/key-schema.ts";
import { NO_SCHEMAS } from "../../../src/dynamodb/key-schema.ts";
import { tableByName } from "../../../src/dynamodb/resource-arn.ts";
import { PLACE, request } from "./support.ts";

const key = (name: string): KeyAttribute => ({ name, type: "S" });

/** orders by tenant and id, with indexes of every kind of partition key. */
function orders(id: string | null): SchemaLookup {
  const schema: TableSchema = {
    table: "orders",
    id,
    partition: [key("tenant")],
    sort: [key("id")],
    indexes: new Map([
      ["by-phase", { partition: [key("phase")], sort: [key("tenant")], projected: "all" }],
      ["local", { partition: [key("tenant")], sort: [key("day")], projected: "all" }],
      ["global", { partition: [key("tenant")], sort: [], projected: "all" }],
      ["turned", { partition: [key("id")], sort: [key("tenant")], projected: "all" }],
      ["by-both", { partition: [key("tenant"), key("phase")], sort: [], projected: "all" }],
    ]),
  };
  return { schemaOf: () => schema };
}
const KNOWN = orders("one");
const CONFIGURED = orders(null);

const VALUE = { ":v": { S: "a" } };
const query = (IndexName: string | undefined, name: string, more = ""): [string, object] => [
  "Query",
  {
    TableName: "orders",
    ...(IndexName === undefined ? {} : { IndexName }),
    KeyConditionExpression: `${name} = :v${more}`,
    ExpressionAttributeValues: VALUE,
  },
];
const select = (index: string, condition: string): [string, object] => [
  "ExecuteStatement",
  { Statement: `SELECT * FROM "orders"."${index}"${condition}` },
];

function told([operation, body]: [string, object], schemas: SchemaLookup): Access & Understanding {
  const understanding = understand(request(operation, body), PLACE, schemas);
  const [access, ...more] = understanding.accesses;
  assert.ok(access !== undefined && more.length === 0);
  return { ...access, ...understanding };
}

describe("whose partition keys they are", () => {
  it("is the table's own of everything but indexes, whatever is known", () => {
    const KEY = { tenant: { S: "a" }, id: { S: "b" } };
    for (const schemas of [NO_SCHEMAS, KNOWN, CONFIGURED]) {
      for (const [operation, body] of [
        ["GetItem", { TableName: "orders", Key: KEY }],
        ["BatchGetItem", { RequestItems: { orders: { Keys: [KEY] } } }],
        ["BatchWriteItem", { RequestItems: { orders: [{ PutRequest: { Item: KEY } }] } }],
        ["TransactWriteItems", { TransactItems: [{ Delete: { TableName: "orders", Key: KEY } }] }],
        ["Scan", { TableName: "orders" }],
        query(undefined, "tenant"),
        query(undefined, "phase"),
        ["ExecuteStatement", { Statement: "SELECT * FROM orders WHERE phase = 'a'" }],
        ["ExecuteStatement", { Statement: "DELETE FROM orders WHERE tenant = 'a' AND id = 'b'" }],
        ["DescribeTable", { TableName: "orders" }],
        ["ListTables", {}],
        ["DeleteTable", { TableName: "orders" }],
        [
          "ExportTableToPointInTime",
          { TableArn: "arn:aws:dynamodb:us-east-1:123456789012:table/orders", S3Bucket: "bucket" },
        ],
      ] as const) {
        for (const access of understand(request(operation, body), PLACE, schemas).accesses) {
          assert.equal(access.own_keys, true, `${operation} ${JSON.stringify(body)}`);
        }
      }
    }
    const bare = new AccessList("GetItem");
    bare.add("dynamodb:GetItem", tableByName("orders", null, PLACE, ""), { own_keys: false });
    assert.equal(bare.all()[0]?.own_keys, true);
  });

  it("is the table's own of an index of the very same partition key attribute, and of no other", () => {
    for (const schemas of [KNOWN, CONFIGURED]) {
      for (const [index, name, own] of [
        ["local", "tenant", true],
        ["global", "tenant", true],
        ["by-phase", "phase", false],
        ["turned", "id", false],
      ] as const) {
        for (const [operation, body] of [query(index, name), select(index, ` WHERE ${name} = 'a'`)]) {
          const { keys_known, leading_keys, own_keys, wantingKeys } = told([operation, body], schemas);
          assert.deepEqual(
            [keys_known, leading_keys, own_keys, wantingKeys],
            [true, ["a"], own, []],
            `${operation} ${index}`,
          );
        }
        for (const scan of [["Scan", { TableName: "orders", IndexName: index }], select(index, "")] as [
          string,
          object,
        ][]) {
          const { keys_known, own_keys, wantingKeys } = told(scan, schemas);
          assert.deepEqual([keys_known, own_keys, wantingKeys], [false, own, []], `${scan[0]} ${index}`);
        }
      }
      const both = told(query("by-both", "tenant", " AND phase = :v"), schemas);
      assert.deepEqual([both.leading_keys, both.own_keys], [["a"], false]);
    }
  });

  it("is not known without the index's schema, which is wanted where keys are proven and nowhere else", () => {
    const cases: [
      [string, object],
      SchemaLookup,
      keys: readonly string[] | null,
      wanting: string[],
      mismatched?: string[],
    ][] = [
      [query("by-phase", "phase"), NO_SCHEMAS, ["a"], ["orders"]],
      [query("by-phase", "phase", " AND tenant > :v"), NO_SCHEMAS, ["a"], ["orders"]],
      [query("by-phase", "phase", " AND tenant = :v"), NO_SCHEMAS, null, ["orders"]],
      [select("by-phase", " WHERE phase = 'a'"), NO_SCHEMAS, null, ["orders"]],
      // No schema would make these be of one partition, and then it does not matter of whose.
      [["Scan", { TableName: "orders", IndexName: "by-phase" }], NO_SCHEMAS, null, []],
      [select("by-phase", ""), NO_SCHEMAS, null, []],
      [select("by-phase", " WHERE phase > 'a'"), NO_SCHEMAS, null, []],
      [["Query", { TableName: "orders", IndexName: "by-phase" }], NO_SCHEMAS, null, []],
      // The configuration could tell of the index and does not: the denial says so.
      [query("unheard-of", "phase"), CONFIGURED, ["a"], ["orders"]],
      [select("unheard-of", " WHERE phase = 'a'"), CONFIGURED, null, ["orders"]],
      [["Scan", { TableName: "orders", IndexName: "unheard-of" }], CONFIGURED, null, []],
      // DynamoDB told of all indexes: what it told is out of date, or there is none of the name.
      [query("unheard-of", "phase"), KNOWN, null, [], ["orders"]],
      [select("unheard-of", " WHERE phase = 'a'"), KNOWN, null, [], ["orders"]],
    ];
    for (const [asked, schemas, keys, wanting, mismatched = []] of cases) {
      const access = told(asked, schemas);
      assert.deepEqual(
        [access.keys_known ? access.leading_keys : null, access.own_keys, access.wantingKeys, access.mismatched],
        [keys, null, wanting, mismatched],
        JSON.stringify(asked),
      );
    }
  });

  it("is not known of a schema that does not fit the request, unless it was given as true", () => {
    for (const asked of [query("by-phase", "price"), select("by-phase", " WHERE phase = 1")]) {
      const known = told(asked, KNOWN);
      assert.deepEqual([known.keys_known, known.own_keys, known.mismatched], [false, null, ["orders"]]);
      const configured = told(asked, CONFIGURED);
      assert.deepEqual([configured.keys_known, configured.own_keys, configured.mismatched], [false, false, []]);
    }
  });

  it("of several parts on one index would be what the worst known of them is", () => {
    const index = tableByName("orders", "local", PLACE, "");
    const merged = (...own: (boolean | null | undefined)[]): boolean | null | undefined => {
      const list = new AccessList("BatchExecuteStatement");
      for (const own_keys of own) list.add("dynamodb:PartiQLSelect", index, own_keys === undefined ? {} : { own_keys });
      return list.all()[0]?.own_keys;
    };
    assert.equal(merged(true, true), true);
    assert.equal(merged(true, null), null);
    assert.equal(merged(null, false, true), false);
    assert.equal(merged(undefined), null);
    assert.equal(merged(true, undefined), null);
  });

  it("is not known of a vector search, and settings of an index are nobody's items", () => {
    const search = { TableName: "orders", IndexName: "local", SearchVector: [{ N: "1" }], TopK: 1 };
    for (const schemas of [NO_SCHEMAS, KNOWN]) {
      const access = told(["SearchVectors", search], schemas);
      assert.deepEqual([access.own_keys, access.keys_known, access.wantingKeys], [null, false, []]);
    }
    const insights = { TableName: "orders", IndexName: "by-phase" };
    for (const asked of [
      ["DescribeContributorInsights", insights],
      ["UpdateContributorInsights", { ...insights, ContributorInsightsAction: "ENABLE" }],
    ] as [string, object][]) {
      const access = told(asked, NO_SCHEMAS);
      assert.deepEqual([access.own_keys, access.wantingKeys], [true, []]);
    }
  });
});
