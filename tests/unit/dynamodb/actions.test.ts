import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACTIONS, EQUIVALENT_ACTIONS, NAMED_ONLY } from "../../../src/dynamodb/actions.ts";
import { accesses, arn } from "./support.ts";

const KEY = { pk: { S: "a" } };
const ORDERS = arn("table/orders");

describe("EQUIVALENT_ACTIONS with effects", () => {
  /** What a policy does with a denial of one action. */
  function denies(action: string, name: string, body: unknown): boolean {
    const closure = new Set([action, ...(EQUIVALENT_ACTIONS.get(action) ?? [])]);
    return accesses(name, body).some((access) => [access.action, ...access.effects].some((each) => closure.has(each)));
  }

  const put = { RequestItems: { orders: [{ PutRequest: { Item: KEY } }] } };
  const remove = { RequestItems: { orders: [{ DeleteRequest: { Key: KEY } }] } };
  const statement = (text: string): object => ({ Statement: text });

  it("let a denied PutItem reach every way to put, and not a batch that only deletes", () => {
    assert.ok(denies("dynamodb:PutItem", "BatchWriteItem", put));
    assert.ok(!denies("dynamodb:PutItem", "BatchWriteItem", remove));
    assert.ok(denies("dynamodb:PutItem", "ExecuteStatement", statement(`INSERT INTO orders VALUE {'pk':'a'}`)));
    assert.ok(
      denies("dynamodb:PutItem", "TransactWriteItems", {
        TransactItems: [{ Put: { TableName: "orders", Item: KEY } }],
      }),
    );
    assert.ok(!denies("dynamodb:PutItem", "UpdateItem", { TableName: "orders", Key: KEY }));
    assert.ok(denies("dynamodb:PartiQLInsert", "PutItem", { TableName: "orders", Item: KEY }));
    assert.ok(denies("dynamodb:PartiQLInsert", "BatchWriteItem", put));
  });

  it("let a denied DeleteItem or UpdateItem reach its PartiQL twin and back", () => {
    assert.ok(denies("dynamodb:DeleteItem", "BatchWriteItem", remove));
    assert.ok(!denies("dynamodb:DeleteItem", "BatchWriteItem", put));
    assert.ok(denies("dynamodb:DeleteItem", "ExecuteStatement", statement(`DELETE FROM orders WHERE pk='a'`)));
    assert.ok(denies("dynamodb:UpdateItem", "ExecuteStatement", statement(`UPDATE orders SET a=1 WHERE pk='a'`)));
    assert.ok(denies("dynamodb:PartiQLUpdate", "UpdateItem", { TableName: "orders", Key: KEY }));
  });

  it("let denied reads reach batches, PartiQL, writes that return the item and copies", () => {
    const select = statement(`SELECT * FROM orders WHERE pk='a'`);
    for (const action of ["GetItem", "Query", "Scan"])
      assert.ok(denies(`dynamodb:${action}`, "ExecuteStatement", select));
    assert.ok(denies("dynamodb:GetItem", "BatchGetItem", { RequestItems: { orders: { Keys: [KEY] } } }));
    assert.ok(denies("dynamodb:GetItem", "DeleteItem", { TableName: "orders", Key: KEY, ReturnValues: "ALL_OLD" }));
    assert.ok(!denies("dynamodb:GetItem", "DeleteItem", { TableName: "orders", Key: KEY }));
    assert.ok(denies("dynamodb:Scan", "ExportTableToPointInTime", { TableArn: ORDERS, S3Bucket: "bucket" }));
    assert.ok(denies("dynamodb:BatchGetItem", "BatchExecuteStatement", { Statements: [select] }));
    assert.ok(!denies("dynamodb:PartiQLSelect", "GetItem", { TableName: "orders", Key: KEY }));
    assert.ok(!denies("dynamodb:GetItem", "Query", { TableName: "orders" }));
  });
});

describe("NAMED_ONLY", () => {
  it("names actions that there are, and every one that changes tags, permissions or replicas (pitfalls 25, 26, 27)", () => {
    for (const action of NAMED_ONLY) assert.ok(ACTIONS.has(action), action);
    const expected = [...ACTIONS].filter(
      ([action, level]) =>
        level === "tagging" ||
        level === "permissions" ||
        /(?:Create|Delete|Associate|Disassociate).*(?:Replica|Witness)|Restore|Export(?=Table)|Import(?=Table)|Endpoints|BulkPut/.test(
          action,
        ),
    );
    for (const [action] of expected) assert.ok(NAMED_ONLY.has(action), action);
  });
});
