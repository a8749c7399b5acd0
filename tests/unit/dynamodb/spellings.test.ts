import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Access, understand } from "../../../src/dynamodb/accesses.ts";
import type { SchemaLookup } from "../../../src/dynamodb/key-schema.ts";
import { accesses, arn, PLACE, refused, request } from "./support.ts";

/** orders: tenant (S) and id (N). */
const KNOWN: SchemaLookup = {
  schemaOf: (table) =>
    table !== "orders"
      ? undefined
      : {
          table,
          id: "one",
          partition: [{ name: "tenant", type: "S" }],
          sort: [{ name: "id", type: "N" }],
          indexes: new Map(),
        },
};
const KEY = { tenant: { S: "ada" }, id: { N: "1" } };

function told(operation: string, body: object): Access {
  const [access, ...more] = understand(request(operation, body), PLACE, KNOWN).accesses;
  assert.ok(access !== undefined && more.length === 0);
  return access;
}

const keysOf = (access: Access): readonly string[] | null => (access.keys_known ? access.leading_keys : null);
const attributesOf = (access: Access): readonly string[] | null => (access.attributes_known ? access.attributes : null);

describe("one table, named in several ways (pitfall 20)", () => {
  const other = { tenant: { S: "bob" }, id: { N: "2" } };

  it("is one access with the keys and attributes of all", () => {
    const RequestItems = {
      orders: { Keys: [KEY], ProjectionExpression: "price" },
      [arn("table/orders")]: { Keys: [other], ProjectionExpression: "note" },
    };
    const access = told("BatchGetItem", { RequestItems });
    assert.deepEqual(keysOf(access), ["ada", "bob"]);
    assert.deepEqual(attributesOf(access), ["id", "note", "price", "tenant"]);
    const whole = { ...RequestItems, [arn("table/orders")]: { Keys: [other] } };
    assert.equal(told("BatchGetItem", { RequestItems: whole }).attributes_known, false);
    const Get = { TableName: "orders", Key: KEY, ProjectionExpression: "price" };
    const parts = [{ Get }, { Get: { ...Get, TableName: arn("table/orders"), Key: other } }];
    assert.deepEqual(keysOf(told("TransactGetItems", { TransactItems: parts })), ["ada", "bob"]);
  });

  it("counts against the limits of a batch under all of them together", () => {
    const writes = (count: number): object[] =>
      Array.from({ length: count }, () => ({ DeleteRequest: { Key: { pk: { S: "a" } } } }));
    const RequestItems = { orders: writes(13), [arn("table/orders")]: writes(13) };
    refused("BatchWriteItem", { RequestItems }, "ValidationException", /Too many items/);
  });
});

describe("one key, written in several ways", () => {
  it("is told once (pitfalls 31, 32)", () => {
    const keys = (...values: object[]): readonly string[] | null =>
      keysOf(told("BatchGetItem", { RequestItems: { numbers: { Keys: values.map((id) => ({ id })) } } }));
    assert.deepEqual(keys({ N: "1000" }, { N: "1e3" }, { N: "+1000.0" }, { N: "0.1E4" }), ["1000"]);
    assert.deepEqual(keys({ N: "-0" }, { N: "0e9" }, { N: ".0" }), ["0"]);
    assert.deepEqual(keys({ B: "AAE=" }), ["AAE="]);
    assert.deepEqual(keys({ S: "k".repeat(2_048) }), ["k".repeat(2_048)]);
    assert.deepEqual(keys({ B: `${"A".repeat(2_731)}=` })?.length, 1);
    assert.deepEqual(keys({ S: "k".repeat(3_000) }), null);
    assert.deepEqual(keys({ BOOL: true }), null);
    assert.deepEqual(keys({ L: [{ S: "ada" }] }), null);
    const statements = ["1000", "1e3", "+1000.0"].map((id) => ({ Statement: `DELETE FROM numbers WHERE id = ${id}` }));
    const [access, ...more] = accesses("BatchExecuteStatement", { Statements: statements });
    assert.deepEqual([access?.leading_keys, more.length], [["1000"], 0]);
  });

  it("of a Query may stand behind placeholders, and beside every condition of a sort key (pitfall 30)", () => {
    const query = (KeyConditionExpression: string, names: object = {}): readonly string[] | null =>
      keysOf(
        told("Query", {
          TableName: "orders",
          KeyConditionExpression,
          ExpressionAttributeValues: Object.fromEntries(
            [...new Set(KeyConditionExpression.match(/:\w+/g))].map((name) => [
              name,
              name === ":t" ? { S: "ada" } : { N: "1" },
            ]),
          ),
          ...(Object.keys(names).length === 0 ? {} : { ExpressionAttributeNames: names }),
        }),
      );
    const tenant = { "#t": "tenant" };
    assert.deepEqual(query("#t = :t AND #i BETWEEN :a AND :b", { ...tenant, "#i": "id" }), ["ada"]);
    assert.deepEqual(query("begins_with(id, :a) AND :t = #t", tenant), ["ada"]);
    assert.deepEqual(query("id BETWEEN :a AND :b and tenant = :t"), ["ada"]);
    // The name behind the placeholder counts, not the placeholder's.
    assert.deepEqual(query("#tenant = :t AND id = :a", { "#tenant": "id2" }), null);
    for (const unproven of [
      "tenant > :t AND id = :a",
      "tenant BETWEEN :t AND :t AND id = :a",
      "begins_with(tenant, :t) AND id = :a",
      "tenant = :t OR id = :a",
      "NOT tenant = :t",
      "NOT (NOT tenant = :t)",
      "tenant IN (:t) AND id = :a",
      "tenant.x = :t",
      "tenant[0] = :t",
      "tenant = id AND id = :a",
      "size(tenant) = :a AND id = :a",
    ]) {
      assert.equal(query(unproven), null, unproven);
    }
  });

  it("of a statement comes from the parameter in its place (pitfall 48)", () => {
    const update = { Statement: "UPDATE orders SET note = ? WHERE id = ? AND tenant = ?" };
    const values = [{ S: "bob" }, { N: "1e0" }, { S: "ada" }];
    assert.deepEqual(keysOf(told("ExecuteStatement", { ...update, Parameters: values })), ["ada"]);
    const insert = { Statement: "INSERT INTO orders VALUE {'id': ?, 'note': '?', 'tenant': ?}" };
    assert.deepEqual(keysOf(told("ExecuteStatement", { ...insert, Parameters: values.slice(1) })), ["ada"]);
    const list = { Statement: "SELECT * FROM orders WHERE tenant IN [?, 'eve', ?]" };
    const tenants = [{ S: "ada" }, { S: "bob" }];
    assert.deepEqual(keysOf(told("ExecuteStatement", { ...list, Parameters: tenants })), ["ada", "eve", "bob"]);
    const nested = { Statement: "SELECT * FROM orders WHERE tenant IN [?]", Parameters: [{ L: [{ S: "ada" }] }] };
    assert.equal(keysOf(told("ExecuteStatement", nested)), null);
  });
});

describe("one segment of a parallel Scan (pitfall 36)", () => {
  it("is a full scan like the whole", () => {
    const scan = { TableName: "orders", ProjectionExpression: "price", Segment: 0, TotalSegments: 1_000, Limit: 1 };
    const access = told("Scan", scan);
    assert.deepEqual([keysOf(access), access.full_scan], [null, true]);
  });
});

describe("names of attributes", () => {
  const reads = (names: object, ProjectionExpression: string): readonly string[] =>
    told("GetItem", { TableName: "orders", Key: KEY, ProjectionExpression, ExpressionAttributeNames: names }).reads;

  it("are told as they are: never normalised, never in another case (pitfall 21)", () => {
    const names = { "#a": "\u00e9", "#b": "e\u0301", "#c": "PRICE", "#d": "price ", "#e": "\uff50rice" };
    assert.deepEqual(
      reads(names, "#a, #b, #c, #d, #e, price").filter((name) => name !== "id" && name !== "tenant"),
      ["PRICE", "e\u0301", "price", "price ", "\u00e9", "\uff50rice"],
    );
  });

  it("may hold anything, and no two paths are told alike (pitfall 42)", () => {
    const odd = ["", "\u0000", "a.b", "a[0]", "`", "a`.`b", "*", "a*", "__proto__", "#n", ":v", "[", "\n", "😀"];
    const paths = odd.map((name) => reads({ "#n": name }, "#n.#n").find((path) => path !== "id" && path !== "tenant"));
    assert.equal(new Set(paths).size, odd.length);
    assert.deepEqual(reads({ "#a": "a`.`b", "#b": "a" }, "#a, #b.c").slice(0, 2), ["`a``.``b`", "a.c"]);
  });

  it("stand behind placeholders that are each defined once and used, in keywords of any case (pitfall 42)", () => {
    const values = { ":v": { S: "x" } };
    const remove = (more: object): object => ({ TableName: "orders", Key: KEY, ...more });
    const condition = (ConditionExpression: string, names?: object): object =>
      remove({
        ConditionExpression,
        ExpressionAttributeValues: values,
        ...(names === undefined ? {} : { ExpressionAttributeNames: names }),
      });
    for (const text of ["#a = :v aNd NoT b IN (:v)", "#a = :v AND NOT b in (:v) AND #a <> c", "(#a=:v)AND(b=:v)"]) {
      const access = told("DeleteItem", condition(text, { "#a": "secret" }));
      assert.deepEqual(access.reads.includes("secret"), true, text);
    }
    for (const [text, names, message] of [
      ["a = :v", { "#a": "secret" }, /unused in expressions: keys: \{#a\}/],
      ["#b = :v", { "#a": "secret" }, /not defined; attribute name: #b/],
      ["a = :w", undefined, /not defined; attribute value: :w/],
      ["Size(a) > :v", undefined, /Invalid function name; function: Size/],
      ["SIZE(a) > :v", undefined, /Invalid function name/],
      ["BEGINS_WITH(a, :v)", undefined, /Invalid function name/],
      ["Attribute_exists(a) AND b = :v", undefined, /Invalid function name/],
      ["status = :v", undefined, /reserved keyword: status/],
      ["a = :v extra", undefined, /Syntax error/],
      ["a = :v -- b = :v", undefined, /Syntax error/],
      ["\u0430 = :v", undefined, /Syntax error/],
      ["a\u00a0= :v", undefined, /Syntax error/],
    ] as const) {
      refused("DeleteItem", condition(text, names), "ValidationException", message, undefined);
    }
  });
});

describe("the parameters before expressions (pitfall 43)", () => {
  const eq = (value: object): object => ({ ComparisonOperator: "EQ", AttributeValueList: [value] });

  it("never stand beside expressions, nor beside their placeholders", () => {
    for (const [operation, body] of [
      ["GetItem", { Key: KEY, AttributesToGet: ["a"], ProjectionExpression: "b" }],
      ["GetItem", { Key: KEY, AttributesToGet: ["a"], ExpressionAttributeNames: { "#a": "b" } }],
      ["Query", { KeyConditions: { tenant: eq({ S: "ada" }) }, FilterExpression: "attribute_exists(a)" }],
      ["UpdateItem", { Key: KEY, AttributeUpdates: {}, ConditionExpression: "attribute_exists(a)" }],
      ["PutItem", { Item: KEY, ConditionalOperator: "OR", ConditionExpression: "attribute_exists(a)" }],
    ] as const) {
      refused(operation, { TableName: "orders", ...body }, "ValidationException", /(?:Can not use both|only be spec)/);
    }
  });

  it("prove keys whatever joins the filters, and an absent item only where all must hold", () => {
    const query = {
      TableName: "orders",
      KeyConditions: { id: eq({ N: "1" }), tenant: eq({ S: "ada" }) },
      QueryFilter: { a: eq({ S: "x" }), b: eq({ S: "x" }) },
      ConditionalOperator: "OR",
      Select: "COUNT",
    };
    assert.deepEqual(keysOf(told("Query", query)), ["ada"]);
    assert.deepEqual(attributesOf(told("Query", query)), ["a", "b", "id", "tenant"]);
    for (const ComparisonOperator of ["BETWEEN", "IN", "GE", "BEGINS_WITH"]) {
      const AttributeValueList = ComparisonOperator === "BETWEEN" ? [{ S: "ada" }, { S: "ada" }] : [{ S: "ada" }];
      const KeyConditions = { id: eq({ N: "1" }), tenant: { ComparisonOperator, AttributeValueList } };
      assert.equal(keysOf(told("Query", { TableName: "orders", KeyConditions })), null, ComparisonOperator);
    }
    const put = (Expected: object, more: object = {}): boolean =>
      told("PutItem", { TableName: "orders", Item: KEY, Expected, ...more }).whole_item;
    const two = { tenant: { Exists: false }, a: { Exists: false } };
    assert.equal(put(two), false);
    assert.equal(put(two, { ConditionalOperator: "AND" }), false);
    assert.equal(put(two, { ConditionalOperator: "OR" }), true);
    assert.equal(put({ tenant: { ComparisonOperator: "NULL" } }), false);
    assert.equal(put({ tenant: { ComparisonOperator: "NOT_NULL" } }), true);
    assert.equal(put({ tenant: { Exists: true, Value: { S: "ada" } } }), true);
  });
});

describe("items in errors (pitfall 40)", () => {
  it("are read like with GetItem, also by a condition check, so that a denied GetItem reaches it", () => {
    const check = (more: object): Access =>
      told("TransactWriteItems", {
        TransactItems: [
          {
            ConditionCheck: { TableName: "orders", Key: KEY, ConditionExpression: "attribute_not_exists(id)", ...more },
          },
        ],
      });
    assert.deepEqual(check({}).effects, []);
    const failing = check({ ReturnValuesOnConditionCheckFailure: "ALL_OLD" });
    assert.deepEqual([failing.action, failing.effects], ["dynamodb:ConditionCheckItem", ["dynamodb:GetItem"]]);
    assert.deepEqual([failing.return_values, failing.attributes_known], ["ALL_OLD", false]);
  });

  it("of statements are told of every statement that asks for them, and of no other", () => {
    const write = "DELETE FROM orders WHERE tenant = 'ada' AND id = 1";
    const parts = [{ Statement: write, ReturnValuesOnConditionCheckFailure: "ALL_OLD" }, { Statement: write }];
    for (const [operation, body] of [
      ["BatchExecuteStatement", { Statements: parts }],
      ["ExecuteTransaction", { TransactStatements: parts }],
    ] as const) {
      const found = understand(request(operation, body), PLACE, KNOWN).accesses;
      assert.deepEqual(
        found.map((each) => [each.return_values, each.attributes_known, each.effects.includes("dynamodb:GetItem")]),
        [
          ["ALL_OLD", false, true],
          ["NONE", true, false],
        ],
        operation,
      );
    }
    const [insert] = accesses("ExecuteStatement", {
      Statement: "INSERT INTO orders VALUE {'tenant': 'ada', 'id': 1}",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    assert.deepEqual([insert?.return_values, insert?.attributes_known], ["ALL_OLD", false]);
  });
});
