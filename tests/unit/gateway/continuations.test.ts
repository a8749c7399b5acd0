import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { operationOf } from "../../../src/dynamodb/catalogue.ts";
import { type DynamoRequest, parseRequest } from "../../../src/dynamodb/request.ts";
import type { Caller } from "../../../src/gateway/authenticate.ts";
import { opened, sealed } from "../../../src/gateway/continuations.ts";
import { Refusal } from "../../../src/gateway/refusal.ts";
import { Seals } from "../../../src/gateway/seals.ts";

const SEALS = new Seals(Buffer.alloc(32, 7));
const ROLE = "arn:aws:iam::123456789012:role/ExampleRole";
const ITERATOR = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026|1|AAAA";

/** As much of a caller as binds. */
function caller(user = "alice", database = "example", awsRoleArn = ROLE): Caller {
  return { principal: { name: user }, database: { name: database }, awsRoleArn } as unknown as Caller;
}

function request(operation: string, body: object): DynamoRequest {
  const found = operationOf(`DynamoDB_20120810.${operation}`) ?? operationOf(`DynamoDBStreams_20120810.${operation}`);
  assert.ok(found, operation);
  return parseRequest(found, Buffer.from(JSON.stringify(body)));
}

/** What a client gets of this answer to go on with. */
function given(who: Caller, asked: DynamoRequest, answer: Record<string, string>, member: string): string {
  const body = sealed(SEALS, who, asked, Buffer.from(JSON.stringify(answer)));
  assert.ok(body);
  const found = (JSON.parse(Buffer.from(body).toString()) as Record<string, string>)[member];
  assert.notEqual(found, answer[member]);
  return String(found);
}

/** Whether DynamoDB would be asked to go on with it, and then with its very own text. */
function goesOn(who: Caller, operation: string, body: object, text: string, seals = SEALS): boolean {
  try {
    const { params } = opened(seals, who, request(operation, body));
    assert.equal(params.get("NextToken") ?? params.get("ShardIterator"), text);
    return true;
  } catch (error) {
    assert.ok(error instanceof Refusal && error.code === "continuation_not_bound", String(error));
    return false;
  }
}

const STATEMENT = { Statement: "SELECT * FROM orders WHERE id = ?", Parameters: [{ S: "a" }] };
const NextToken = given(caller(), request("ExecuteStatement", STATEMENT), { NextToken: "token" }, "NextToken");
const ASKED = {
  StreamArn: ITERATOR.split("|")[0],
  ShardId: "shardId-00000000000000000000-00000000",
  ShardIteratorType: "LATEST",
};
const ShardIterator = given(caller(), request("GetShardIterator", ASKED), { ShardIterator: ITERATOR }, "ShardIterator");

describe("what is given out to go on with (pitfalls 50, 52)", () => {
  it("serves who got it, however much and however fresh is asked for", () => {
    for (const more of [{}, { Limit: 7 }, { ConsistentRead: true }, { ReturnConsumedCapacity: "TOTAL" }])
      assert.ok(goesOn(caller(), "ExecuteStatement", { ...STATEMENT, ...more, NextToken }, "token"));
    for (const more of [{}, { Limit: 7 }])
      assert.ok(goesOn(caller(), "GetRecords", { ShardIterator, ...more }, ITERATOR));
  });

  it("serves no other user, database or AWS role", () => {
    const others = [
      caller("bob"),
      caller("alice", "other"),
      caller("alice", "example", `${ROLE}2`),
      // Facts that run together to the same text.
      caller("alice,example", ""),
      caller('alice","example', ROLE),
    ];
    for (const other of others) {
      assert.ok(!goesOn(other, "ExecuteStatement", { ...STATEMENT, NextToken }, "token"));
      assert.ok(!goesOn(other, "GetRecords", { ShardIterator }, ITERATOR));
    }
    const strange = new Seals(Buffer.alloc(32, 8));
    assert.ok(!goesOn(caller(), "GetRecords", { ShardIterator }, ITERATOR, strange));
  });

  it("serves no other statement, parameters or purpose", () => {
    for (const other of [
      { Statement: `${STATEMENT.Statement} `, Parameters: STATEMENT.Parameters },
      { Statement: STATEMENT.Statement, Parameters: [{ S: "b" }] },
      { Statement: STATEMENT.Statement, Parameters: [{ N: "1" }] },
      { Statement: "SELECT * FROM orders WHERE id = 'a'" },
    ]) {
      assert.ok(!goesOn(caller(), "ExecuteStatement", { ...other, NextToken }, "token"));
    }
    assert.ok(!goesOn(caller(), "ExecuteStatement", { ...STATEMENT, NextToken: ShardIterator }, ITERATOR));
    const token = given(caller(), request("ExecuteStatement", STATEMENT), { NextToken: ITERATOR }, "NextToken");
    assert.ok(!goesOn(caller(), "GetRecords", { ShardIterator: token }, ITERATOR));
  });

  it("serves in no other spelling: cut, prolonged, altered, or with a seal of another text", () => {
    const at = ShardIterator.indexOf("|postern:");
    const seal = ShardIterator.slice(at);
    for (const odd of [
      ITERATOR,
      ShardIterator.slice(0, -1),
      `${ShardIterator}A`,
      `${ShardIterator}${seal}`,
      `${ITERATOR}A${seal}`,
      `${ITERATOR.replace("orders", "payroll")}${seal}`,
      `${ITERATOR}${seal.toLowerCase()}`,
      `${ITERATOR}${seal.slice(0, -1)}\u0660`,
      `${ITERATOR}${seal.replace("|", "\uff5c")}`,
      ` ${ShardIterator}`,
      seal,
      "|",
    ]) {
      assert.ok(!goesOn(caller(), "GetRecords", { ShardIterator: odd }, ITERATOR), odd);
    }
  });
});
