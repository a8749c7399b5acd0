import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { operationOf } from "../../../src/dynamodb/catalogue.ts";
import { parseRequest } from "../../../src/dynamodb/request.ts";
import { refused, request } from "./support.ts";

const KEY = { pk: { S: "a" } };

describe("parseRequest()", () => {
  it("keeps the very bytes that it read", () => {
    const operation = operationOf("DynamoDB_20120810.ListTables");
    assert.ok(operation);
    const body = Buffer.from(' { "Limit" : 3 } ');
    const parsed = parseRequest(operation, body);
    assert.equal(parsed.body, body);
    assert.equal(parsed.params.get("Limit"), 3);
    assert.equal(parsed.operation, operation);
  });

  it("accepts every type of attribute value", () => {
    request("PutItem", {
      TableName: "orders",
      Item: {
        s: { S: "" },
        n: { N: "-1.5e10" },
        b: { B: "AAEC" },
        b1: { B: "AA==" },
        empty: { B: "" },
        bool: { BOOL: false },
        nil: { NULL: true },
        ss: { SS: ["a", "b"] },
        ns: { NS: ["1", "2"] },
        bs: { BS: ["AA==", "AQI="] },
        m: { M: { inner: { L: [{ S: "x" }, { M: {} }] } } },
        "name with spaces é": { S: "x" },
      },
    });
  });

  it("refuses members that the model does not name, at any level and in any other case (pitfall 16)", () => {
    refused(
      "GetItem",
      { TableName: "orders", Key: KEY, tablename: "secret" },
      "SerializationException",
      /no such member/,
      "tablename",
    );
    refused("GetItem", { tableName: "orders", Key: KEY }, "SerializationException", /no such member/, "tableName");
    refused("GetItem", { TableName: "orders", Key: KEY, Extra: {} }, "SerializationException", /no such member/);
    refused(
      "TransactGetItems",
      { TransactItems: [{ Get: { TableName: "orders", Key: KEY, IndexName: "x" } }] },
      "SerializationException",
      /no such member/,
      "TransactItems[0].Get.IndexName",
    );
    refused("DescribeEndpoints", { x: 1 }, "SerializationException", /no such member/);
  });

  it("refuses explicit nulls (pitfall 16)", () => {
    refused("GetItem", { TableName: null, Key: KEY }, "SerializationException", /null/, "TableName");
    refused("Query", { TableName: "orders", IndexName: null }, "SerializationException", /null/, "IndexName");
    refused("PutItem", { TableName: "orders", Item: { a: null } }, "SerializationException", /null/);
    refused("PutItem", { TableName: "orders", Item: { a: { S: null } } }, "SerializationException", /null/);
    refused("BatchGetItem", { RequestItems: { orders: null } }, "SerializationException", /null/);
  });

  it("refuses JSON of another type than the model's, in DynamoDB's words (pitfall 16)", () => {
    refused(
      "GetItem",
      { TableName: 5, Key: KEY },
      "SerializationException",
      /NUMBER_VALUE cannot be converted to String/,
      "TableName",
    );
    refused("GetItem", { TableName: ["orders"], Key: KEY }, "SerializationException", /Start of list/);
    refused("GetItem", { TableName: { a: 1 }, Key: KEY }, "SerializationException", /Start of structure or map/);
    refused("GetItem", { TableName: "orders", Key: [] }, "SerializationException", /Start of list/);
    refused(
      "Scan",
      { TableName: "orders", Limit: "1" },
      "SerializationException",
      /STRING_VALUE cannot be converted to Integer/,
    );
    refused(
      "Scan",
      { TableName: "orders", Limit: 1.5 },
      "SerializationException",
      /DECIMAL_VALUE cannot be converted to Integer/,
    );
    refused(
      "Scan",
      { TableName: "orders", ConsistentRead: "true" },
      "SerializationException",
      /cannot be converted to Boolean/,
    );
    for (const body of ["[]", '"x"', "1", "null", "", "{", '{"TableName":"a","TableName":"b"}']) {
      refused("GetItem", body, "SerializationException", /./);
    }
  });

  it("refuses what lacks a required member, or breaks a limit of the model", () => {
    refused(
      "GetItem",
      { TableName: "orders" },
      "ValidationException",
      /Value null at 'key' failed .*: Member must not be null/,
      "Key",
    );
    refused("GetItem", { Key: KEY }, "ValidationException", /Value null at 'tableName'/, "TableName");
    refused(
      "TransactWriteItems",
      { TransactItems: [{ Put: { TableName: "orders" } }] },
      "ValidationException",
      /at 'transactItems.1.member.put.item'/,
      "TransactItems[0].Put.Item",
    );
    refused("Scan", { TableName: "orders", Limit: 0 }, "ValidationException", /greater than or equal to 1/);
    refused(
      "Query",
      { TableName: "orders", IndexName: "x" },
      "ValidationException",
      /length greater than or equal to 3/,
    );
    refused("Query", { TableName: "orders", IndexName: "a/b/c" }, "ValidationException", /regular expression/);
    refused("Query", { TableName: "orders", Select: "all_attributes" }, "ValidationException", /enum value set/);
    refused(
      "PutItem",
      { TableName: "orders", Item: {}, ReturnValues: "EVERYTHING" },
      "ValidationException",
      /enum value set/,
    );
    refused("ExecuteStatement", { Statement: "x".repeat(8193) }, "ValidationException", /less than or equal to 8192/);
    refused("TransactGetItems", { TransactItems: [] }, "ValidationException", /greater than or equal to 1/);
    const get = { Get: { TableName: "orders", Key: KEY } };
    refused(
      "TransactGetItems",
      { TransactItems: Array(101).fill(get) },
      "ValidationException",
      /less than or equal to 100/,
    );
  });

  it("refuses attribute values without exactly one known type (pitfall 33)", () => {
    const put = (value: unknown): unknown => ({ TableName: "orders", Item: { a: value } });
    refused("PutItem", put({}), "ValidationException", /AttributeValue is empty/);
    refused("PutItem", put({ S: "1", N: "1" }), "ValidationException", /more than one datatypes/);
    refused("PutItem", put({ s: "1" }), "SerializationException", /unknown type/);
    refused("PutItem", put({ S: "1", X: "1" }), "SerializationException", /unknown type/);
    refused("PutItem", put("1"), "SerializationException", /STRING_VALUE/);
    refused("PutItem", put({ S: 1 }), "SerializationException", /NUMBER_VALUE/);
    refused("PutItem", put({ N: 1 }), "SerializationException", /NUMBER_VALUE/);
    refused("PutItem", put({ NULL: false }), "ValidationException", /must have the value of true/);
    refused("PutItem", put({ SS: [] }), "ValidationException", /set/);
    refused("PutItem", put({ SS: "a" }), "SerializationException", /STRING_VALUE/);
    refused("PutItem", put({ L: [{ S: "x" }, { M: { b: { Q: 1 } } }] }), "SerializationException", /unknown type/);
  });

  it("refuses numbers that DynamoDB does not hold, quickly however large the exponent", () => {
    const put = (value: string): unknown => ({ TableName: "orders", Item: { a: { N: value } } });
    refused("PutItem", put("one"), "ValidationException", /cannot be converted to a numeric value/, "Item.a.N");
    refused("PutItem", put("1e100000000"), "ValidationException", /numeric value/);
    refused("PutItem", put("1e200"), "ValidationException", /Number overflow/);
    refused("PutItem", put("1e-200"), "ValidationException", /Number underflow/);
    refused("PutItem", put("1".repeat(39)), "ValidationException", /38 significant digits/);
    refused("PutItem", { TableName: "orders", Item: { a: { NS: ["1", "x"] } } }, "ValidationException", /numeric/);
  });

  it("refuses base64 that is malformed, unpadded or has a second spelling (pitfall 32)", () => {
    const put = (value: string): unknown => ({ TableName: "orders", Item: { a: { B: value } } });
    for (const text of [
      "A",
      "AA",
      "AAA",
      "A===",
      "====",
      "AA=A",
      "AA-_",
      "AA\n=",
      "AB==",
      "AAB=",
      "A*==",
      "AA*=",
      "AAA*",
      `${"A".repeat(399)}*`,
    ]) {
      refused("PutItem", put(text), "SerializationException", /Base64/);
    }
  });

  it("refuses items nested deeper than 32 levels, and accepts 32 wherever they stand (pitfall 17)", () => {
    const nested = (levels: number): unknown => (levels === 0 ? { S: "x" } : { M: { a: nested(levels - 1) } });
    const inBatch = (levels: number): unknown => ({
      TransactItems: [{ Put: { TableName: "orders", Item: { pk: { S: "a" }, a: nested(levels) } } }],
    });
    request("TransactWriteItems", inBatch(32));
    const lists = (levels: number): unknown => (levels === 0 ? { S: "x" } : { L: [lists(levels - 1)] });
    request("PutItem", { TableName: "orders", Item: { a: lists(32) } });
    refused("PutItem", { TableName: "orders", Item: { a: lists(33) } }, "ValidationException", /nested levels over 32/);
    refused("TransactWriteItems", inBatch(33), "ValidationException", /nested levels over 32/);
    refused("TransactWriteItems", inBatch(60), "SerializationException", /nested too deeply/);
  });

  it("refuses __type outside attribute names, and lets it be one inside (pitfall 15)", () => {
    refused(
      "GetItem",
      { __type: "x#GetItemInput", TableName: "orders", Key: KEY },
      "SerializationException",
      /no such member/,
    );
    refused(
      "TransactGetItems",
      { TransactItems: [{ __type: "x", Get: { TableName: "orders", Key: KEY } }] },
      "SerializationException",
      /no such member/,
    );
    refused("BatchGetItem", { RequestItems: { __type: { Keys: [KEY] } } }, "SerializationException", /__type/);
    refused(
      "GetItem",
      { TableName: "orders", Key: KEY, ExpressionAttributeNames: { __type: "a" } },
      "SerializationException",
      /__type/,
    );
    refused(
      "PutItem",
      { TableName: "orders", Item: { a: { __type: "x", S: "y" } } },
      "SerializationException",
      /unknown type/,
    );
    request("PutItem", { TableName: "orders", Item: { __type: { S: "x" }, m: { M: { __type: { N: "1" } } } } });
  });

  it("keeps attribute names that mean something to JavaScript as data (pitfall 18)", () => {
    const parsed = request("PutItem", '{"TableName":"orders","Item":{"__proto__":{"S":"x"},"constructor":{"S":"y"}}}');
    const item = parsed.params.get("Item");
    assert.ok(item instanceof Map);
    assert.deepEqual([...item.keys()], ["__proto__", "constructor"]);
  });

  it("bounds batches over all their tables together", () => {
    const writes = (count: number): unknown[] => Array.from({ length: count }, () => ({ DeleteRequest: { Key: KEY } }));
    request("BatchWriteItem", { RequestItems: { one: writes(12), two: writes(13) } });
    refused(
      "BatchWriteItem",
      { RequestItems: { one: writes(13), two: writes(13) } },
      "ValidationException",
      /Too many items/,
    );
    refused("BatchWriteItem", { RequestItems: { one: writes(26) } }, "ValidationException", /less than or equal to 25/);
    const keys = (count: number): unknown => ({ Keys: Array.from({ length: count }, () => KEY) });
    refused(
      "BatchGetItem",
      { RequestItems: { one: keys(60), two: keys(41) } },
      "ValidationException",
      /Too many items/,
    );
    refused("BatchGetItem", { RequestItems: { one: keys(101) } }, "ValidationException", /less than or equal to 100/);
    refused("BatchWriteItem", { RequestItems: {} }, "ValidationException", /greater than or equal to 1/);
  });

  it("refuses a part of a batch or transaction that is several things, or nothing", () => {
    const put = { PutRequest: { Item: KEY } };
    refused(
      "BatchWriteItem",
      { RequestItems: { one: [{ ...put, DeleteRequest: { Key: KEY } }] } },
      "ValidationException",
      /exactly one/,
    );
    refused("BatchWriteItem", { RequestItems: { one: [{}] } }, "ValidationException", /exactly one/);
    const part = { TableName: "orders", Key: KEY };
    refused(
      "TransactWriteItems",
      { TransactItems: [{ Delete: part, ConditionCheck: { ...part, ConditionExpression: "a = b" } }] },
      "ValidationException",
      /only contain one of/,
    );
    refused("TransactWriteItems", { TransactItems: [{}] }, "ValidationException", /only contain one of/);
  });

  it("bounds expressions in bytes and refuses empty ones", () => {
    const get = (projection: string): unknown => ({ TableName: "orders", Key: KEY, ProjectionExpression: projection });
    request("GetItem", get("a".repeat(4096)));
    refused("GetItem", get("a".repeat(4097)), "ValidationException", /Expression size has exceeded .* 4097/);
    refused("GetItem", get("é".repeat(2049)), "ValidationException", /expression size: 4098/);
    refused("GetItem", get(""), "ValidationException", /can not be empty/);
    refused(
      "GetItem",
      { TableName: "orders", Key: KEY, ExpressionAttributeNames: { a: "b" } },
      "ValidationException",
      /invalid key/,
    );
  });

  it("prints what the client sent on one line and cut", () => {
    const name = `evil\u001b[31m\n\u2028\u202e${"x".repeat(2000)}`;
    refused("Query", { TableName: "orders", Select: name }, "ValidationException", /^[^\p{Cc}\p{Cf}\u2028]{0,400}$/u);
    refused(
      "BatchWriteItem",
      { RequestItems: { [name]: [{}] } },
      "ValidationException",
      /^[^\p{Cc}\p{Cf}\u2028]{0,400}$/u,
    );
  });
});
