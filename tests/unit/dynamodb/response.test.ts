import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { summarise } from "../../../src/dynamodb/response.ts";

describe("summarise()", () => {
  it("counts what came back", () => {
    assert.equal(items({ Item: { pk: { S: "a" } } }), 1);
    assert.equal(items({}), null);
    assert.equal(summarise(Buffer.from("{}"), "GetItem").items, 0);
    assert.equal(summarise(Buffer.from("{}"), "PutItem").items, null);
    assert.equal(items({ Count: 3, Items: [{}, {}, {}], ScannedCount: 9 }), 3);
    assert.equal(items({ Count: 7, ScannedCount: 9 }), 7);
    assert.equal(items({ Items: [{ a: { L: [{ S: "]" }, { S: '"}' }] } }, {}], NextToken: "x" }), 2);
    assert.equal(items({ Responses: { one: [{}, {}], two: [{}], three: [] } }), 3);
    assert.equal(items({ Responses: [{ Item: {} }, {}, { Item: { pk: { S: "a" } } }] }), 2);
    assert.equal(
      items({
        Responses: [
          { Error: { Code: "x" }, TableName: "t" },
          { Item: {}, TableName: "t" },
        ],
      }),
      1,
    );
    assert.equal(items({ Records: [{ dynamodb: {} }] }), 1);
    assert.equal(items({ TableNames: ["a"] }), null);
    assert.equal(items({ Attributes: { Count: { N: "5" }, Item: { S: "x" } } }), null);
  });

  it("sums capacity units over tables", () => {
    assert.equal(
      capacity({ ConsumedCapacity: { TableName: "t", CapacityUnits: 2.5, Table: { CapacityUnits: 2 } } }),
      2.5,
    );
    assert.equal(capacity({ ConsumedCapacity: [{ CapacityUnits: 1 }, { CapacityUnits: 0.5 }] }), 1.5);
    assert.equal(capacity({ ConsumedCapacity: [] }), null);
    assert.equal(capacity({}), null);
  });

  it("names an error without its namespace", () => {
    assert.deepEqual(summary({ __type: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", message: "x" }), {
      items: null,
      consumed_capacity: null,
      error: "ResourceNotFoundException",
    });
    assert.equal(
      summary({ __type: "ConditionalCheckFailedException", Item: { pk: { S: "a" } } }).error,
      "ConditionalCheckFailedException",
    );
    assert.equal(summary({ __type: "x#a b\n" }).error, null);
  });

  it("never throws and always ends, whatever it is given", () => {
    const nothing = { items: null, consumed_capacity: null, error: null };
    for (const text of [
      "",
      "x",
      "[]",
      "{",
      '{"',
      '{"a',
      '{"a"',
      '{"a":',
      '{"a":}',
      '{"Items":[',
      '{"Items":[,]}',
      '{"Items":[}]}',
      "\\",
      '{"a\\',
    ]) {
      assert.deepEqual(summarise(Buffer.from(text)), nothing, text);
    }
    const whole = JSON.stringify({ Count: 1, Items: [{ a: { S: 'q"\\' } }], ConsumedCapacity: { CapacityUnits: 1 } });
    for (let end = 0; end < whole.length; end++) assert.deepEqual(summarise(Buffer.from(whole.slice(0, end))), nothing);
    assert.equal(summarise(Buffer.from(` ${whole} `)).items, 1);
  });
});

function summary(value: unknown): ReturnType<typeof summarise> {
  return summarise(Buffer.from(JSON.stringify(value)));
}

function items(value: unknown): number | null {
  return summary(value).items;
}

function capacity(value: unknown): number | null {
  return summary(value).consumed_capacity;
}
