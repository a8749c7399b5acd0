import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { type JsonValue, LazyObject } from "../../../src/base/json.ts";
import { redactedBody, type RedactLimits } from "../../../src/dynamodb/redact.ts";
import { request } from "./support.ts";

describe("redactedBody()", () => {
  it("hashes key and item values under their tag, and keeps names and expressions", () => {
    const body = {
      TableName: "orders",
      Item: {
        pk: { S: "secret-1" },
        n: { N: "1e3" },
        m: { M: { inner: { S: "secret-2" } } },
        ok: { BOOL: true },
        l: { L: [] },
      },
      ConditionExpression: "#a = :v",
      ExpressionAttributeNames: { "#a": "total" },
      ExpressionAttributeValues: { ":v": { S: "secret-3" } },
      ReturnValues: "ALL_OLD",
    };
    const hashed: string[] = [];
    const copy = redactedBody(request("PutItem", body), (text) => `h${hashed.push(text)}`);
    assert.deepEqual(copy, {
      TableName: "orders",
      Item: { pk: { S: "h1" }, n: { N: "h2" }, m: { M: "h3" }, ok: { BOOL: "h4" }, l: { L: "h5" } },
      ConditionExpression: "#a = :v",
      ExpressionAttributeNames: { "#a": "total" },
      ExpressionAttributeValues: { ":v": { S: "h6" } },
      ReturnValues: "ALL_OLD",
    });
    assert.deepEqual(hashed.slice(0, 2), ["S:secret-1", "N:1000"]);
  });

  it("hashes values with parts as the text of all of them, so that equal ones are equal and others are not", () => {
    const parts = {
      M: {
        'a "quoted" name': { L: [{ S: 'é"\\\n' }, { N: "1e2" }, { NULL: true }] },
        "": { SS: ["x", "y"] },
        e: { M: {} },
      },
    };
    const hashedOf = (pad: string): string[] => {
      const hashed: string[] = [];
      const body = `{"TableName":"orders","Item":{"pk":{"S":"k"},"parts":${JSON.stringify(parts)}}}${pad}`;
      redactedBody(request("PutItem", body), (text) => `h${hashed.push(text)}`);
      return hashed;
    };
    const text =
      'M:[["a \\"quoted\\" name",[["L",[[["S","é\\"\\\\\\n"]],[["N","1e2"]],[["NULL",true]]]]]],["",[["SS",["x","y"]]]],["e",[["M",[]]]]]';
    assert.deepEqual(hashedOf(""), ["S:k", text]);
    // And when the request is so large that it is kept as text.
    assert.deepEqual(hashedOf(" ".repeat(20_000)), ["S:k", text]);
  });

  it("hashes no value that has more parts than are hashed in one request", () => {
    // Each part counts for four characters besides its own: 262,144 are 52,428 strings of one character and their list.
    for (const [parts, count] of [
      [52_427, 1],
      [52_429, 0],
    ] as const) {
      const hashed: string[] = [];
      const Item = { l: { SS: Array.from({ length: parts }, () => "x") } };
      redactedBody(request("PutItem", { TableName: "orders", Item }), (text) => `${hashed.push(text)}`);
      assert.equal(hashed.length, count);
    }
  });

  it("leaves no value readable, wherever the model lets one stand", () => {
    const V = { S: "SECRET" };
    const cases: [string, object][] = [
      ["GetItem", { TableName: "orders", Key: { pk: V } }],
      [
        "Query",
        {
          TableName: "orders",
          KeyConditions: { pk: { ComparisonOperator: "EQ", AttributeValueList: [V] } },
          QueryFilter: { a: { ComparisonOperator: "EQ", AttributeValueList: [V] } },
          ExclusiveStartKey: { pk: V },
        },
      ],
      ["Scan", { TableName: "orders", ScanFilter: { a: { ComparisonOperator: "EQ", AttributeValueList: [V] } } }],
      [
        "UpdateItem",
        {
          TableName: "orders",
          Key: { pk: V },
          AttributeUpdates: { a: { Value: V, Action: "PUT" } },
          Expected: { b: { Value: V }, c: { ComparisonOperator: "EQ", AttributeValueList: [V] } },
        },
      ],
      ["BatchGetItem", { RequestItems: { orders: { Keys: [{ pk: V }] } } }],
      [
        "BatchWriteItem",
        {
          RequestItems: {
            orders: [
              { PutRequest: { Item: { pk: V, l: { L: [V, { M: { x: V } }] }, ss: { SS: ["SECRET"] } } } },
              { DeleteRequest: { Key: { pk: V } } },
            ],
          },
        },
      ],
      [
        "TransactWriteItems",
        {
          TransactItems: [
            { Put: { TableName: "orders", Item: { pk: V } } },
            {
              Update: {
                TableName: "orders",
                Key: { pk: V },
                UpdateExpression: "SET a=:v",
                ExpressionAttributeValues: { ":v": V },
              },
            },
          ],
        },
      ],
      [
        "ExecuteStatement",
        {
          Statement: `SELECT * FROM orders WHERE pk = 'SECRET' AND x = 'it''s SECRET' AND y = ?`,
          Parameters: [V],
          NextToken: "12345678SECRET",
        },
      ],
      [
        "ExecuteTransaction",
        {
          TransactStatements: [{ Statement: "INSERT INTO orders VALUE {'pk':'SECRET'}" }],
          ClientRequestToken: "token-12SECRET",
        },
      ],
      ["SearchVectors", { TableName: "orders", IndexName: "vec", TopK: 3, SearchVector: [V] }],
      ["GetRecords", { ShardIterator: "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/x|1|SECRET" }],
      ["ExecuteStatement", { Statement: "SELECT 'SECRET" }],
    ];
    for (const [name, body] of cases) {
      const text = JSON.stringify(redactedBody(request(name, body), () => "#"));
      assert.doesNotMatch(text, /SECRET/, `${name}: ${text}`);
      assert.match(text, /orders|unreadable/);
    }
    assert.deepEqual(
      redactedBody(request(...(cases[7] ?? ["", {}])), () => "#"),
      {
        Statement: "SELECT * FROM orders WHERE pk = '…' AND x = '…' AND y = ?",
        Parameters: [{ S: "#" }],
        NextToken: "12345678…",
      },
    );
  });

  it("keeps policies, KMS keys and buckets, which are what such requests are about", () => {
    const policy = request("PutResourcePolicy", { ResourceArn: "arn:x", Policy: '{"Version":"2012-10-17"}' });
    assert.deepEqual(redactedBody(policy, hash), { ResourceArn: "arn:x", Policy: '{"Version":"2012-10-17"}' });
    const table = { TableName: "orders", SSESpecification: { Enabled: true, KMSMasterKeyId: "alias/key" } };
    assert.deepEqual(redactedBody(request("UpdateTable", table), hash), table);
  });

  it("hashes 64 values and no more than fits, then only says that there are more", () => {
    const Item = Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`a${index}`, { S: `v${index}` }]));
    let calls = 0;
    const copy = redactedBody(request("PutItem", { TableName: "orders", Item }), () => `${(calls += 1)}`) as {
      Item: Record<string, unknown>;
    };
    assert.equal(calls, 64);
    assert.deepEqual(copy.Item["a63"], { S: "64" });
    assert.deepEqual(copy.Item["a64"], { S: "[redacted]" });
    const large = request("PutItem", {
      TableName: "orders",
      Item: { a: { S: "x".repeat(300_000) }, b: { M: { c: { S: "y".repeat(300_000) } } }, d: { S: "z" } },
    });
    const texts: string[] = [];
    redactedBody(large, (text) => `${texts.push(text)}`);
    assert.deepEqual(texts, ["S:z"]);
  });

  it("stays within its size for any request, and says that it was cut", () => {
    const item = (width: number): object =>
      Object.fromEntries(Array.from({ length: width }, (_, index) => [`attribute-${index}`, { S: "v" }]));
    const long = (length: number): object => ({ ["\u0001".repeat(length)]: { S: "v" }, b: { S: "v" } });
    const names = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`#${index}`, "\u0001".repeat(3000)]));
    for (const [name, body] of [
      ["PutItem", { TableName: "orders", Item: item(5000) }],
      ["PutItem", { TableName: "orders", Item: long(60_000) }],
      ["GetItem", { TableName: "orders", Key: {}, ExpressionAttributeNames: names }],
      [
        "TransactWriteItems",
        // Each of them alone is too large.
        { TransactItems: Array.from({ length: 100 }, () => ({ Put: { TableName: "orders", Item: item(500) } })) },
      ],
      ["PutResourcePolicy", { ResourceArn: "x", Policy: "p".repeat(100_000) }],
      [
        "BatchWriteItem",
        { RequestItems: { orders: Array.from({ length: 25 }, () => ({ PutRequest: { Item: long(3000) } })) } },
      ],
    ] as const) {
      const parsed = request(name, body);
      for (const limits of [{}, { bytes: 2000 }, { bytes: 600, values: 1 }] satisfies RedactLimits[]) {
        const text = JSON.stringify(redactedBody(parsed, () => "0123456789abcdef", limits));
        const size = Buffer.byteLength(text);
        assert.ok(size <= (limits.bytes ?? 8192), `${name}: ${size}`);
        assert.match(text, /…|\[truncated\]/);
      }
    }
  });

  it("walks once through a large item, and no further than there is room", () => {
    let steps = 0;
    const value = new Map([["S", "x"]]);
    const item = new LazyObject(
      {
        entries: () => assert.fail("built all members"),
        keys: () => assert.fail("read the names alone"),
        elements: () => assert.fail("no member is a list"),
        isArray: () => false,
        valueAt: () => value,
        *places() {
          for (let at = 0; at < 20_000; at++) {
            steps += 1;
            yield [`name ${at}`, at];
          }
        },
      },
      { start: 0, end: 400_000, size: 20_000, own: 400_000 },
    );
    const params = new Map<string, JsonValue>([["Item", item]]);
    const small = request("PutItem", { TableName: "orders", Item: { pk: { S: "k" } } });
    const copy = redactedBody({ ...small, params }, hash) as { Item: Record<string, unknown> };
    const copied = Object.keys(copy.Item);
    assert.ok(copied.length > 100 && copied.length < 1_000, String(copied.length));
    assert.equal(copied.at(-1), "…");
    assert.equal(steps, copied.length);
  });

  it("keeps attributes named like JavaScript's own as data", () => {
    const copy = redactedBody(request("PutItem", '{"TableName":"orders","Item":{"__proto__":{"S":"x"}}}'), hash);
    assert.equal(JSON.stringify(copy), '{"TableName":"orders","Item":{"__proto__":{"S":"#"}}}');
    assert.equal(Reflect.get({}, "S"), undefined);
  });

  it("never throws, not even when the hash does", () => {
    const parsed = request("GetItem", { TableName: "orders", Key: { pk: { S: "a" } } });
    assert.equal(
      redactedBody(parsed, () => {
        throw new Error("no key");
      }),
      "[unreadable]",
    );
  });
});

function hash(): string {
  return "#";
}
