import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Access, understand } from "../../../src/dynamodb/accesses.ts";
import type { SchemaLookup, TableSchema } from "../../../src/dynamodb/key-schema.ts";
import { NO_SCHEMAS } from "../../../src/dynamodb/key-schema.ts";
import { PLACE, request } from "./support.ts";

/** orders: tenant (S) and id (N); an index by status and created that holds total, one of the same partition, and one of two attributes. */
const ORDERS: TableSchema = {
  table: "orders",
  id: "one",
  partition: [{ name: "tenant", type: "S" }],
  sort: [{ name: "id", type: "N" }],
  indexes: new Map([
    [
      "by-state",
      {
        partition: [{ name: "phase", type: "S" }],
        sort: [{ name: "created", type: "S" }],
        projected: ["created", "id", "phase", "tenant", "price"],
      },
    ],
    [
      "by-price",
      { partition: [{ name: "tenant", type: "S" }], sort: [{ name: "price", type: "N" }], projected: "all" },
    ],
    [
      "by-place",
      {
        partition: [
          { name: "country", type: "S" },
          { name: "city", type: "S" },
        ],
        sort: [],
        projected: null,
      },
    ],
  ]),
};
const KNOWN: SchemaLookup = { schemaOf: (table) => (table === "orders" ? ORDERS : undefined) };
const KEY = { tenant: { S: "ada" }, id: { N: "1e0" } };

interface Told {
  readonly keys?: readonly string[] | null;
  /** Null when not known. */
  readonly attributes?: readonly string[] | null;
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  readonly whole?: boolean;
  readonly scan?: boolean;
}

function told(operation: string, body: object, schemas: SchemaLookup = KNOWN): Access {
  const { accesses } = understand(request(operation, { TableName: "orders", ...body }), PLACE, schemas);
  const [access, ...more] = accesses;
  assert.ok(access !== undefined && more.length === 0);
  return access;
}

function claim(operation: string, body: object, expected: Told, schemas: SchemaLookup = KNOWN): void {
  const access = told(operation, body, schemas);
  const actual: Told = {
    keys: access.keys_known ? access.leading_keys : null,
    attributes: access.attributes_known ? access.attributes : null,
    reads: access.reads,
    writes: access.writes,
    whole: access.whole_item,
    scan: access.full_scan,
  };
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual(actual[name as keyof Told], value, `${name} of ${operation} ${JSON.stringify(body)}`);
  }
}

describe("keys", () => {
  it("come from a Key of one attribute without any schema, canonical", () => {
    for (const [value, text] of [
      [{ S: "1e3" }, "1e3"],
      [{ N: "1e3" }, "1000"],
      [{ N: "+1000.00" }, "1000"],
      [{ B: "AAE=" }, "AAE="],
    ] as const) {
      claim("GetItem", { TableName: "other", Key: { pk: value } }, { keys: [text] });
    }
  });

  it("of two attributes need the schema, which must fit", () => {
    claim("GetItem", { Key: KEY }, { keys: ["ada"] });
    claim("GetItem", { Key: KEY }, { keys: null }, NO_SCHEMAS);
    for (const Key of [
      { tenant: { S: "ada" }, other: { N: "1" } },
      { tenant: { N: "1" }, id: { N: "1" } },
      { tenant: { S: "ada" }, id: { N: "1" }, more: { S: "x" } },
    ]) {
      const understanding = understand(request("GetItem", { TableName: "orders", Key }), PLACE, KNOWN);
      assert.equal(understanding.accesses[0]?.keys_known, false);
      assert.deepEqual(understanding.mismatched, ["orders"]);
    }
  });

  it("name the tables whose schema would tell, and only those", () => {
    const wanting = (operation: string, body: object): unknown[] => {
      const { wantingKeys, wantingAttributes } = understand(request(operation, body), PLACE, NO_SCHEMAS);
      return [wantingKeys, wantingAttributes];
    };
    assert.deepEqual(wanting("GetItem", { TableName: "orders", Key: KEY }), [["orders"], []]);
    assert.deepEqual(wanting("GetItem", { TableName: "orders", Key: { id: { S: "a" } } }), [[], []]);
    assert.deepEqual(wanting("Scan", { TableName: "orders" }), [[], []]);
    assert.deepEqual(wanting("Scan", { TableName: "orders", ProjectionExpression: "price" }), [[], ["orders"]]);
    const values = { ExpressionAttributeValues: { ":a": { S: "a" }, ":b": { S: "b" } } };
    const query = { TableName: "orders", KeyConditionExpression: "a = :a AND b = :b", ...values };
    assert.deepEqual(wanting("Query", query), [["orders"], []]);
    assert.deepEqual(wanting("DescribeTable", { TableName: "orders" }), [[], []]);
  });

  it("of items put are told by the schema", () => {
    claim("PutItem", { Item: { ...KEY, price: { N: "1" } } }, { keys: ["ada"], writes: ["id", "price", "tenant"] });
    claim("PutItem", { Item: { ...KEY, price: { N: "1" } } }, { keys: null }, NO_SCHEMAS);
    claim("PutItem", { Item: { id: { N: "1" }, price: { N: "1" } } }, { keys: null });
  });

  it("of a Query are the equality on the partition key, in any order and spelling (pitfall 30)", () => {
    const values = { ":a": { S: "ada" }, ":n": { N: "1" } };
    for (const KeyConditionExpression of [
      "tenant = :a AND id = :n",
      ":n = id AND :a = tenant",
      "(tenant = :a) AND (id > :n)",
    ]) {
      claim("Query", { KeyConditionExpression, ExpressionAttributeValues: values }, { keys: ["ada"], scan: false });
    }
    const alone = { KeyConditionExpression: ":a = tenant", ExpressionAttributeValues: { ":a": { S: "ada" } } };
    claim("Query", alone, { keys: ["ada"] }, NO_SCHEMAS);
    const legacy = {
      KeyConditions: {
        id: { ComparisonOperator: "EQ", AttributeValueList: [{ N: "1" }] },
        tenant: { ComparisonOperator: "EQ", AttributeValueList: [{ S: "ada" }] },
      },
    };
    claim("Query", legacy, { keys: ["ada"] });
    claim("Query", legacy, { keys: null }, NO_SCHEMAS);
  });

  it("of an index are the index's own, all of its partition key attributes given (pitfall 23)", () => {
    const by = (IndexName: string, KeyConditionExpression: string): object => ({
      IndexName,
      KeyConditionExpression,
      ExpressionAttributeValues: KeyConditionExpression.includes(":t")
        ? { ":s": { S: "open" }, ":t": { S: "2026" } }
        : { ":s": { S: "open" } },
    });
    claim("Query", by("by-state", "created = :t AND phase = :s"), { keys: ["open"] });
    claim("Query", by("by-state", "phase = :s"), { keys: ["open"] });
    claim("Query", by("by-state", "tenant = :s"), { keys: null });
    claim("Query", by("by-price", "tenant = :s"), { keys: ["open"] });
    claim("Query", by("by-place", "city = :t AND country = :s"), { keys: ["open"] });
    claim("Query", by("by-place", "country = :s"), { keys: null });
    claim("Query", by("unheard-of", "country = :s"), { keys: null });
  });

  it("are never known of a Scan, which is a full scan (pitfall 36)", () => {
    claim("Scan", { ProjectionExpression: "price" }, { keys: null, scan: true });
    claim("Scan", { ExclusiveStartKey: KEY }, { keys: null, scan: true });
  });

  it("merge over the parts of a request, and one part that is not proven spoils them all (pitfall 34)", () => {
    const other = { tenant: { S: "bob" }, id: { N: "2" } };
    claim(
      "BatchGetItem",
      { TableName: undefined, RequestItems: { orders: { Keys: [KEY, other, KEY] } } },
      { keys: ["ada", "bob"] },
    );
    const parts = [
      { Get: { TableName: "orders", Key: KEY } },
      { Get: { TableName: "orders", Key: { tenant: { S: "x" }, y: { S: "" } } } },
    ];
    claim("TransactGetItems", { TableName: undefined, TransactItems: parts }, { keys: null });
  });
});

describe("attributes", () => {
  const placeholders = (names: object, values?: object): object => ({
    ExpressionAttributeNames: names,
    ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
  });

  it("of a read are its key and its projection, and not known without one (pitfall 37)", () => {
    claim(
      "GetItem",
      { Key: KEY, ProjectionExpression: "price, a.b[0].c" },
      {
        attributes: ["a.b[0].c", "id", "price", "tenant"],
        writes: [],
      },
    );
    claim(
      "GetItem",
      { Key: KEY, AttributesToGet: ["price", "a.b"] },
      { attributes: ["`a.b`", "id", "price", "tenant"] },
    );
    claim("GetItem", { Key: KEY }, { attributes: null, reads: ["id", "tenant"] });
    claim(
      "TransactGetItems",
      { TableName: undefined, TransactItems: [{ Get: { TableName: "orders", Key: KEY } }] },
      {
        attributes: null,
      },
    );
  });

  it("are spelled so that two never look alike (pitfall 42)", () => {
    const names = { "#a": "a.b", "#c": "c[0]", "#t": "`" };
    claim(
      "GetItem",
      { Key: KEY, ProjectionExpression: "#a.x, #c, #t, a.b", ...placeholders(names) },
      {
        reads: ["````", "`a.b`.x", "`c[0]`", "a.b", "id", "tenant"],
      },
    );
  });

  it("of conditions and filters are read, as are those of keys (pitfalls 35, 38)", () => {
    const condition = "size(secret) > :n AND NOT contains(tags, :n) OR x BETWEEN :n AND y OR z IN (:n, w)";
    const values = { ExpressionAttributeValues: { ":n": { N: "1" } } };
    claim(
      "DeleteItem",
      { Key: KEY, ConditionExpression: condition, ...values },
      {
        reads: ["secret", "tags", "w", "x", "y", "z"],
      },
    );
    const scan = { FilterExpression: condition, ...values, Select: "COUNT" };
    claim("Scan", scan, { attributes: ["id", "secret", "tags", "tenant", "w", "x", "y", "z"], keys: null, scan: true });
    claim("Scan", scan, { attributes: null }, NO_SCHEMAS);
    const query = { KeyConditionExpression: "tenant = :a", ExpressionAttributeValues: { ":a": { S: "ada" } } };
    claim("Query", { ...query, Select: "COUNT" }, { attributes: ["id", "tenant"] });
    claim(
      "Query",
      { ...query, ProjectionExpression: "price", ExclusiveStartKey: KEY },
      {
        attributes: ["id", "price", "tenant"],
      },
    );
    claim("Query", query, { attributes: null });
  });

  it("of an index are those that it holds, and the keys of the table (pitfall 23)", () => {
    const query = (IndexName: string, name: string, more: object = {}): object => ({
      IndexName,
      KeyConditionExpression: `${name} = :a`,
      ExpressionAttributeValues: { ":a": { S: "a" } },
      ...more,
    });
    const held = ["created", "id", "phase", "price", "tenant"];
    claim("Query", query("by-state", "phase"), { attributes: held });
    claim("Query", query("by-state", "phase", { Select: "ALL_PROJECTED_ATTRIBUTES" }), { attributes: held });
    claim("Query", query("by-state", "phase", { Select: "ALL_ATTRIBUTES" }), { attributes: null });
    claim("Query", query("by-price", "tenant"), { attributes: null });
    claim("Query", query("by-price", "tenant", { Select: "COUNT" }), { attributes: ["id", "price", "tenant"] });
  });

  it("of an update are both of its sides (pitfall 39)", () => {
    const update = {
      UpdateExpression:
        "SET a = secret, b.c = if_not_exists(d, :v), e = list_append(f, :l) REMOVE g ADD h :v DELETE i :s",
      ExpressionAttributeValues: { ":v": { N: "1" }, ":l": { L: [] }, ":s": { NS: ["1"] } },
    };
    claim(
      "UpdateItem",
      { Key: KEY, ...update },
      {
        // And what is met of what is changed: an error tells whether `b` is a map, and `h` and `i` of the kind added to.
        reads: ["b.c", "d", "f", "h", "i", "secret"],
        writes: ["a", "b.c", "e", "g", "h", "i", "id", "tenant"],
        whole: false,
      },
    );
    const returned = (ReturnValues: string): object => ({ Key: KEY, UpdateExpression: "REMOVE g.h", ReturnValues });
    claim("UpdateItem", returned("UPDATED_OLD"), { attributes: ["g", "g.h", "id", "tenant"], reads: ["g", "g.h"] });
    claim("UpdateItem", returned("ALL_NEW"), { attributes: null, writes: ["g.h", "id", "tenant"] });
  });

  it("in a list that is changed are the whole list, as its elements move", () => {
    claim(
      "UpdateItem",
      { Key: KEY, UpdateExpression: "REMOVE l[0], m[1][2]" },
      {
        reads: ["l", "m[1]"],
        writes: ["id", "l", "m[1]", "tenant"],
      },
    );
    const set = { UpdateExpression: "SET l[9] = :v, m[0].x = :v", ExpressionAttributeValues: { ":v": { N: "1" } } };
    claim("UpdateItem", { Key: KEY, ...set }, { writes: ["id", "l", "m[0].x", "tenant"] });
  });

  it("in errors are all (pitfall 40)", () => {
    const failing = { ReturnValuesOnConditionCheckFailure: "ALL_OLD", ConditionExpression: "attribute_exists(price)" };
    for (const [operation, body] of [
      ["PutItem", { Item: KEY }],
      ["DeleteItem", { Key: KEY }],
      ["UpdateItem", { Key: KEY, UpdateExpression: "REMOVE x" }],
    ] as const) {
      claim(operation, { ...body, ...failing }, { attributes: null });
    }
    const part = { TableName: "orders", Key: KEY, ...failing };
    claim(
      "TransactWriteItems",
      { TableName: undefined, TransactItems: [{ ConditionCheck: part }] },
      { attributes: null },
    );
  });

  it("beside those of a put are destroyed unless its condition keeps it from meeting an item (pitfall 41)", () => {
    const put = (ConditionExpression: string): object => ({ Item: { ...KEY, price: { N: "1" } }, ConditionExpression });
    claim("PutItem", { Item: KEY }, { whole: true });
    claim("PutItem", put("attribute_not_exists(tenant)"), { whole: false, attributes: ["id", "price", "tenant"] });
    claim("PutItem", put("attribute_not_exists(id) AND attribute_exists(x)"), { whole: false });
    claim("PutItem", put("attribute_not_exists(id) OR attribute_not_exists(tenant)"), { whole: true });
    claim("PutItem", put("NOT attribute_not_exists(tenant)"), { whole: true });
    claim("PutItem", put("attribute_not_exists(price)"), { whole: true });
    claim("PutItem", put("attribute_not_exists(tenant.x)"), { whole: true });
    claim("PutItem", put("attribute_not_exists(tenant)"), { whole: true, attributes: null }, NO_SCHEMAS);
    claim("PutItem", { Item: KEY, Expected: { tenant: { Exists: false } } }, { whole: false });
    claim("DeleteItem", { Key: KEY }, { whole: true, attributes: ["id", "tenant"] });
    const writes = [{ PutRequest: { Item: { ...KEY, x: { S: "" } } } }, { DeleteRequest: { Key: KEY } }];
    claim(
      "BatchWriteItem",
      { TableName: undefined, RequestItems: { orders: writes } },
      {
        whole: true,
        keys: ["ada"],
        attributes: ["id", "tenant", "x"],
      },
    );
  });

  it("of the parameters before expressions are the same (pitfall 43)", () => {
    const eq = (value: object): object => ({ ComparisonOperator: "EQ", AttributeValueList: [value] });
    claim(
      "Scan",
      { ScanFilter: { secret: eq({ S: "x" }) }, AttributesToGet: ["price"] },
      {
        attributes: ["id", "price", "secret", "tenant"],
      },
    );
    claim(
      "Query",
      { KeyConditions: { tenant: eq({ S: "ada" }) }, QueryFilter: { secret: eq({ S: "x" }) }, Select: "COUNT" },
      {
        attributes: ["id", "secret", "tenant"],
        keys: ["ada"],
      },
    );
    claim(
      "UpdateItem",
      {
        Key: KEY,
        AttributeUpdates: {
          a: { Value: { S: "" }, Action: "PUT" },
          b: { Action: "DELETE" },
          c: { Value: { N: "1" }, Action: "ADD" },
        },
        Expected: { secret: { Value: { S: "x" } } },
      },
      { reads: ["c", "secret"], writes: ["a", "b", "c", "id", "tenant"] },
    );
  });

  it("that are too many to be told are not known", () => {
    const many = Object.fromEntries(Array.from({ length: 2_500 }, (_, at) => [`a${at}`, { S: "" }]));
    claim("PutItem", { Item: { ...KEY, ...many } }, { attributes: null, writes: [], keys: ["ada"] });
    claim(
      "PutItem",
      { Item: { ...KEY, ["x".repeat(65_000)]: { S: "" }, ["y".repeat(1_000)]: { S: "" } } },
      { attributes: null },
    );
  });

  it("come back in echoes of unprocessed keys and in item collections only as the caller named them (pitfall 44)", () => {
    claim(
      "BatchGetItem",
      { TableName: undefined, RequestItems: { orders: { Keys: [KEY], ProjectionExpression: "price" } } },
      {
        attributes: ["id", "price", "tenant"],
      },
    );
    claim("PutItem", { Item: KEY, ReturnItemCollectionMetrics: "SIZE" }, { attributes: ["id", "tenant"] });
  });
});

describe("operations that touch no item", () => {
  it("are known to touch no key and no attribute, and those that change settings are not", () => {
    claim("DescribeTable", {}, { keys: [], attributes: [], scan: false });
    claim(
      "UpdateTimeToLive",
      { TimeToLiveSpecification: { AttributeName: "x", Enabled: true } },
      {
        keys: null,
        attributes: null,
      },
    );
  });
});
