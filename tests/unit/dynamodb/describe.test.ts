import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { schemaOfAnswer } from "../../../src/dynamodb/describe.ts";

const key = (AttributeName: string, KeyType: string): object => ({ AttributeName, KeyType });
const TABLE = {
  TableName: "orders",
  TableId: "id-1",
  CreationDateTime: 1.7e9,
  AttributeDefinitions: [
    { AttributeName: "tenant", AttributeType: "S" },
    { AttributeName: "id", AttributeType: "N" },
    { AttributeName: "blob", AttributeType: "B" },
  ],
  KeySchema: [key("id", "RANGE"), key("tenant", "HASH")],
  GlobalSecondaryIndexes: [
    {
      IndexName: "two",
      KeySchema: [key("blob", "HASH"), key("city", "HASH")],
      Projection: { ProjectionType: "KEYS_ONLY" },
    },
    {
      IndexName: "some",
      KeySchema: [key("blob", "HASH")],
      Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["x", "y"] },
    },
  ],
  LocalSecondaryIndexes: [
    {
      IndexName: "all",
      KeySchema: [key("tenant", "HASH"), key("blob", "RANGE")],
      Projection: { ProjectionType: "ALL" },
    },
  ],
};
const answer = (table: unknown, name = "orders") => schemaOfAnswer(Buffer.from(JSON.stringify({ Table: table })), name);

describe("schemaOfAnswer()", () => {
  it("reads keys, types, projections and the table's identity", () => {
    const schema = answer(TABLE);
    assert.deepEqual(
      { ...schema, indexes: Object.fromEntries(schema?.indexes ?? []) },
      {
        table: "orders",
        id: "id-1",
        partition: [{ name: "tenant", type: "S" }],
        sort: [{ name: "id", type: "N" }],
        indexes: {
          two: {
            partition: [
              { name: "blob", type: "B" },
              { name: "city", type: null },
            ],
            sort: [],
            projected: ["blob", "city", "id", "tenant"],
          },
          some: { partition: [{ name: "blob", type: "B" }], sort: [], projected: ["blob", "id", "tenant", "x", "y"] },
          all: {
            partition: [{ name: "tenant", type: "S" }],
            sort: [{ name: "blob", type: "B" }],
            projected: "all",
          },
        },
      },
    );
  });

  it("is nothing when the answer is of another table, of no table, or not as DynamoDB answers", () => {
    const { KeySchema, TableId, CreationDateTime, ...bare } = TABLE;
    const identity = { TableId, CreationDateTime };
    for (const table of [
      { ...TABLE, TableName: "other" },
      { ...bare, ...identity },
      { ...bare, KeySchema },
      { ...bare, ...identity, KeySchema: [key("id", "RANGE")] },
      { ...bare, ...identity, KeySchema: [key("id", "OTHER")] },
      { ...bare, ...identity, KeySchema: "x" },
      { ...TABLE, KeySchema: [key("tenant", "HASH"), key("id", "HASH")] },
      { ...TABLE, KeySchema: [...TABLE.KeySchema, key("blob", "RANGE")] },
      { ...TABLE, GlobalSecondaryIndexes: [{}] },
      { ...TABLE, GlobalSecondaryIndexes: [...TABLE.GlobalSecondaryIndexes, ...TABLE.GlobalSecondaryIndexes] },
      { ...TABLE, AttributeDefinitions: [{ AttributeName: "id", AttributeType: "X" }] },
      null,
      [],
    ]) {
      assert.equal(answer(table), undefined, JSON.stringify(table));
    }
    assert.equal(schemaOfAnswer(Buffer.from("<html>"), "orders"), undefined);
  });
});
