import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accesses, refused, request } from "./support.ts";

describe("large requests", () => {
  it("are as strict about lists as small ones", () => {
    const padded = (list: string): string =>
      `{"Statement":"SELECT * FROM orders WHERE pk = ?","Parameters":${list}${" ".repeat(20_000)}}`;
    assert.equal(accesses("ExecuteStatement", padded(`[{"S":"a"}]`)).length, 1);
    for (const [list, type, message, parameter] of [
      ["[]", "ValidationException", /greater than or equal to 1/, "Parameters"],
      ["{}", "SerializationException", /not expected/, "Parameters"],
      [`"x"`, "SerializationException", /cannot be converted to List/, "Parameters"],
      ["null", "SerializationException", /null/, "Parameters"],
      [`[{"S":"a"},{"S":1}]`, "SerializationException", /cannot be converted/, "Parameters[1].S"],
    ] as const) {
      refused("ExecuteStatement", padded(list), type, message, parameter);
    }
    const writes = (name: string, element: unknown): object => ({
      RequestItems: { [name]: [{ PutRequest: { Item: { pk: { S: "x".repeat(20_000) } } } }, element] },
    });
    assert.equal(
      accesses("BatchWriteItem", writes("orders", { DeleteRequest: { Key: { pk: { S: "b" } } } })).length,
      1,
    );
    refused("BatchWriteItem", writes("orders", {}), "ValidationException", /exactly one/, "RequestItems.orders[1]");
    refused("BatchWriteItem", writes("__type", {}), "SerializationException", /__type/);
  });

  it("may have ten thousand elements in a list that the model does not bound, and placeholders, and no more", () => {
    const list = (length: number): object => ({
      TableName: "orders",
      Key: { pk: { S: "a" } },
      AttributesToGet: Array.from({ length }, (_, at) => `attribute-${at}`),
    });
    request("GetItem", list(10_000));
    refused("GetItem", list(10_001), "ValidationException", /less than or equal to 10000/, "AttributesToGet");
    const names = (length: number): object => ({
      TableName: "orders",
      ProjectionExpression: "#n0",
      ExpressionAttributeNames: Object.fromEntries(Array.from({ length }, (_, at) => [`#n${at}`, `attribute-${at}`])),
    });
    refused("Scan", names(10_000), "ValidationException", /^Value provided in .* unused .{0,500}$/);
    refused("Scan", names(10_001), "ValidationException", /less than or equal to 10000/, "ExpressionAttributeNames");
    const item = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`a${at}`, { S: "" }]));
    request("PutItem", { TableName: "orders", Item: item });
  });
});
