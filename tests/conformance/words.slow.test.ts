import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, it } from "node:test";
import { understand } from "../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import { NO_SCHEMAS } from "../../src/dynamodb/key-schema.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { RequestError } from "../../src/dynamodb/request-error.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { Dynamo } from "./differential/dynamo.ts";

const PLACE = { partition: "aws", region: "us-east-1", accountId: "123456789012" };
const KEY = { pk: { S: "a" }, sk: { N: "1" } };
const VALUE = { ExpressionAttributeValues: { ":v": { S: "x" } } };

const projections = ["a,", "a b", "name", "#x", "a[x]", "a..b", "1a", "a-b", "é", "", ".a", "a.", "a[", "a[1", "(a)"];
const conditions = [
  "a = ",
  "foo(a)",
  "attribute_exists(a, b)",
  "a",
  "size(a)",
  "a = :v AND",
  "a == :v",
  "a = :v; b = :v",
  "a BETWEEN :v OR :v",
  "a IN :v",
  "NOT",
  "(a = :v",
  "a = :w",
  "a = :v)",
  "a <> :v <> :v",
  "AND a = :v",
  "a b",
  "a = :v AND a b",
  "NOT a.b c",
];
const updates = [
  "SET a",
  "SET a = :v SET b = :v",
  "PUT a = :v",
  "SET a = :v,",
  "ADD a b",
  "SET a = foo(b)",
  "SET a = b + c + d",
  "REMOVE",
  "SET status = :v",
  "SET a = :v REMOVE b REMOVE c",
];
const expected = [
  { a: { Exists: false, Value: { S: "x" } } },
  { a: { Exists: true } },
  { a: {} },
  { a: { ComparisonOperator: "EQ", Exists: true } },
  { a: { ComparisonOperator: "NULL", AttributeValueList: [{ S: "x" }] } },
];

/** Bad requests. */
const REQUESTS: readonly (readonly [string, object])[] = [
  ...projections.map((text) => ["GetItem", { Key: KEY, ProjectionExpression: text }] as const),
  ["GetItem", { Key: KEY, ProjectionExpression: "a", ExpressionAttributeNames: { "#x": "y" } }],
  ["GetItem", { Key: KEY, ExpressionAttributeNames: { "#x": "y" } }],
  ["GetItem", { Key: KEY, ProjectionExpression: "a", AttributesToGet: ["b"] }],
  ...conditions.map((text) => ["PutItem", { Item: KEY, ConditionExpression: text, ...VALUE }] as const),
  ...updates.map((text) => ["UpdateItem", { Key: KEY, UpdateExpression: text, ...VALUE }] as const),
  // Looked at before the expressions are.
  ["UpdateItem", { Key: KEY, UpdateExpression: "SET a = :v", ExpressionAttributeValues: {} }],
  [
    "UpdateItem",
    { Key: KEY, UpdateExpression: "SET SET", ExpressionAttributeNames: {}, ExpressionAttributeValues: {} },
  ],
  ["PutItem", { Item: { ...KEY, a: { SS: [] } } }],
  ["PutItem", { Item: { ...KEY, a: { NS: [] } } }],
  ["PutItem", { Item: { ...KEY, a: { L: [{ BS: [] }] } } }],
  ["UpdateItem", { Key: KEY, AttributeUpdates: { a: { Action: "PUT" } } }],
  [
    "UpdateItem",
    { Key: KEY, AttributeUpdates: { a: { Value: { S: "x" } } }, ConditionExpression: "attribute_exists(a)" },
  ],
  ...expected.map((conditions_) => ["PutItem", { Item: KEY, Expected: conditions_ }] as const),
  ["ExecuteStatement", { Statement: "SELECT * FROM orders WHERE pk = ?" }],
];

/** Where our words differ, and why that is as good. */
const OTHER_WORDS: readonly RegExp[] = [
  // A statement is not repeated: what is wrong with it is said instead.
  /^Statement wasn't well formed/,
  // Both tell that something is undefined or unused; DynamoDB Local looks at another one first.
  /ExpressionAttributeValues unused in expressions/,
];

describe("bad requests", async () => {
  const reason = await missing("dynamodbLocal", "java");
  let peer: Peer | undefined;
  before(async () => {
    if (reason === false) peer = await startDynamoDbLocal();
  });
  after(async () => peer?.close());

  it("are refused in DynamoDB's words, or left to DynamoDB", { skip: reason }, async () => {
    const dynamo = new Dynamo(peer?.url ?? "");
    const made = await dynamo.call("CreateTable", {
      TableName: "orders",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "N" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    });
    assert.equal(made["__type"], undefined);
    const different: string[] = [];
    const tally = { same: 0, left: 0, other: 0 };
    for (const [name, more] of REQUESTS) {
      const operation = OPERATIONS.find((each) => each.name === name);
      assert.ok(operation !== undefined);
      const body = name === "ExecuteStatement" ? more : { TableName: "orders", ...more };
      const answer = await dynamo.call(name, body);
      const theirs = `${String(answer["__type"] as string | undefined).replace(/^.*#/, "")}: ${String((answer["message"] ?? answer["Message"]) as string | undefined)}`;
      assert.notEqual(answer["__type"], undefined, JSON.stringify(body));
      try {
        understand(parseRequest(operation, Buffer.from(JSON.stringify(body))), PLACE, NO_SCHEMAS);
        tally.left += 1;
      } catch (error) {
        assert.ok(error instanceof RequestError);
        const ours = `${error.type}: ${error.message}`;
        if (ours === theirs) tally.same += 1;
        else if (OTHER_WORDS.some((words) => words.test(error.message))) tally.other += 1;
        else different.push(`${JSON.stringify(body)}\n  theirs ${theirs}\n  ours   ${ours}`);
      }
    }
    process.stderr.write(
      `words: ${tally.same} the same, ${tally.left} left to DynamoDB, ${tally.other} known to differ\n`,
    );
    assert.deepEqual(different, []);
    assert.ok(tally.same >= 35, String(tally.same));
  });
});
