import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { loadBuiltinBundle } from "../../src/cli/policy/builtin.ts";
import { type Access, accessesOf } from "../../src/dynamodb/accesses.ts";
import { ACTIONS, NAMED_ONLY } from "../../src/dynamodb/actions.ts";
import { ACTION_TABLE, OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { parseRole } from "../../src/identity/role.ts";
import { compilePolicyData } from "../../src/policy/data.ts";
import { PolicyDecisionPoint } from "../../src/policy/pdp.ts";
import { startTestGateway } from "../support/gateway.ts";
import { PLACE } from "../unit/dynamodb/support.ts";

interface Claim {
  readonly operation: string;
  readonly request: object;
}
/** Requests of every operation, as tests/unit/dynamodb/mutation.test.ts holds them. */
const CLAIMS = JSON.parse(
  readFileSync(new URL("../unit/dynamodb/claims.json", import.meta.url), "utf8"),
) as readonly Claim[];

/** Every access of every one of them, with its operation; what is malformed is left out. */
function allAccesses(): [operation: string, access: Access][] {
  return CLAIMS.flatMap(({ operation: name, request }) => {
    const operation = OPERATIONS.find((each) => each.name === name);
    if (operation === undefined) throw new TypeError(`there is no operation ${name}`);
    try {
      const parsed = parseRequest(operation, Buffer.from(JSON.stringify(request)));
      return accessesOf(parsed, PLACE).map((access): [string, Access] => [name, access]);
    } catch {
      return [];
    }
  });
}

const ACCESSES = allAccesses();
const EVERY_ACTION = [...ACTIONS.keys()];
const ANYWHERE = { db_labels: { "*": "*" }, db_users: ["*"] };

/** Operations that read, show or move items; the others are about tables. */
const ON_ITEMS = `GetItem BatchGetItem Query Scan PutItem UpdateItem DeleteItem BatchWriteItem TransactGetItems
  TransactWriteItems ExecuteStatement BatchExecuteStatement ExecuteTransaction SearchVectors`.split(/\s+/);
/** Facts about tables without any of their items. */
const FACTS = OPERATIONS.filter(({ dataClass }) => dataClass === "metadata").map(({ name }) => name);

describe("rules about some items of a table", () => {
  let policy: PolicyDecisionPoint;
  before(async () => {
    const data = compilePolicyData([], ACTION_TABLE);
    policy = await PolicyDecisionPoint.load({ bundle: await loadBuiltinBundle(), data });
  });

  /** The operations of which a role with this spec allows an access, each once. */
  async function allowedBy(spec: object): Promise<Set<string>> {
    const role = parseRole({ kind: "role", version: "v7", metadata: { name: "some" }, spec }).value;
    await policy.replace({ data: compilePolicyData([role], ACTION_TABLE) });
    const allowed = ACCESSES.filter(([operation, access]) => {
      const { allow } = policy.decide({
        version: 1,
        time: "2026-11-22T14:00:00.000Z",
        user: { name: "alice", roles: ["some"], traits: {}, mfa_verified: false },
        client: { ip: "127.0.0.1", user_agent: "" },
        database: {
          name: "example",
          labels: {},
          region: PLACE.region,
          account_id: PLACE.accountId,
          partition: PLACE.partition,
        },
        db_user: `arn:aws:iam::${PLACE.accountId}:role/ExampleRole`,
        request: { service: "dynamodb", operation, id: "1", accesses: [access] },
      });
      return allow;
    });
    return new Set(allowed.map(([operation]) => operation));
  }

  /** Of the operations, those that are not among these. */
  const beyond = (operations: Iterable<string>, ...these: readonly string[]): string[] =>
    [...operations].filter((name) => !these.includes(name));

  it("are tried with requests of every operation", () => {
    const tried = new Set(ACCESSES.map(([operation]) => operation));
    assert.deepEqual(
      OPERATIONS.map(({ name }) => name).filter((name) => !tried.has(name)),
      [],
    );
  });

  it("never let anybody at streams, copies, exports, indexes or settings, even where they name every action (pitfalls 24, 46, 53, 54)", async () => {
    const keys = { actions: EVERY_ACTION, leading_keys: ["*"], resources: ["*"] };
    const byKeys = await allowedBy({ allow: { ...ANYWHERE, db_rules: [keys] } });
    assert.deepEqual(beyond(byKeys, ...ON_ITEMS), []);
    for (const operation of ["Scan", "SearchVectors"]) assert.ok(!byKeys.has(operation), operation);
    assert.ok(byKeys.has("GetItem") && byKeys.has("TransactWriteItems"));
    const attributes = { actions: EVERY_ACTION, attributes: ["a*", "pk"], resources: ["*"] };
    const byAttributes = await allowedBy({ allow: { ...ANYWHERE, db_rules: [attributes] } });
    assert.deepEqual(beyond(byAttributes, ...ON_ITEMS, ...FACTS), []);
    for (const operation of ["DeleteItem", "BatchWriteItem", "SearchVectors"])
      assert.ok(!byAttributes.has(operation), operation);
    assert.ok(byAttributes.has("GetItem") && byAttributes.has("DescribeTable"));
  });

  it("deny what they are not proven not to deny, and leave facts about tables alone (pitfalls 24, 46, 53, 54)", async () => {
    const unproven = beyond(
      OPERATIONS.map(({ name }) => name),
      ...FACTS,
      ...ON_ITEMS,
    );
    for (const denied of [{ leading_keys: ["bob"] }, { attributes: ["secret"] }]) {
      const allowed = await allowedBy({ allow: ANYWHERE, deny: { db_rules: [{ actions: ["*"], ...denied }] } });
      // Buckets, keys and roles are accesses of their own, without keys and attributes to prove.
      assert.deepEqual(
        unproven.filter((name) => allowed.has(name)),
        [],
      );
      assert.deepEqual(
        FACTS.filter((name) => !allowed.has(name)),
        [],
      );
    }
  });

  it("deny GetItem wherever items are shown one by one: in batches, transactions and streams", async () => {
    const allowed = await allowedBy({ allow: ANYWHERE, deny: { db_rules: [{ actions: ["dynamodb:GetItem"] }] } });
    for (const operation of ["GetItem", "BatchGetItem", "TransactGetItems", "GetRecords"])
      assert.ok(!allowed.has(operation), operation);
    for (const operation of ["Query", "Scan", "GetShardIterator"]) assert.ok(allowed.has(operation), operation);
  });

  it("that say every action or a level do not let anybody copy a table, or lead clients round (pitfalls 24, 25, 26, 27)", async () => {
    const wide = await allowedBy({
      allow: { ...ANYWHERE, db_rules: [{ actions: ["*", "dynamodb:*", "list", "read", "write"], resources: ["*"] }] },
    });
    const named = OPERATIONS.filter(({ actions }) => actions.every((action) => NAMED_ONLY.has(action)));
    assert.ok(named.length > 10);
    assert.deepEqual(
      named.filter(({ name }) => wide.has(name)).map(({ name }) => name),
      [],
    );
    assert.ok(wide.has("CreateTable") && wide.has("GetRecords"));
  });
});

describe("a role that may not read an attribute", () => {
  it("cannot copy it to another, test it, or have it returned, by any write", async () => {
    const resources = `
kind: role
version: v7
metadata: {name: dev}
spec:
  allow: {db_labels: {env: dev}, db_users: [ExampleRole]}
  deny: {db_rules: [{actions: [read], attributes: [ssn, "secret*"]}]}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [dev]}
`;
    const gateway = await startTestGateway({ resources });
    try {
      gateway.sandbox.forget();
      const on = { TableName: "orders", Key: { id: { S: "ada#1" } } };
      const guess = { ":v": { N: "18.15" } };
      const denied: [operation: string, input: object][] = [
        ["UpdateItem", { ...on, UpdateExpression: "SET pub = ssn" }],
        ["UpdateItem", { ...on, UpdateExpression: "SET pub = if_not_exists(gone, ssn)" }],
        ["UpdateItem", { ...on, UpdateExpression: "SET pub = #s", ExpressionAttributeNames: { "#s": "secret.key" } }],
        [
          "UpdateItem",
          {
            ...on,
            UpdateExpression: "SET pub = :v",
            ConditionExpression: "ssn = :v",
            ExpressionAttributeValues: guess,
          },
        ],
        ["UpdateItem", { ...on, AttributeUpdates: {}, Expected: { ssn: { Value: { N: "18.15" } } } }],
        ["DeleteItem", { ...on, ConditionExpression: "ssn = :v", ExpressionAttributeValues: guess }],
        ["PutItem", { TableName: "orders", Item: on.Key, Expected: { ssn: { Value: { N: "18.15" } } } }],
        ["PutItem", { TableName: "orders", Item: { ...on.Key, ssn: { N: "1" } }, ReturnValues: "ALL_OLD" }],
        ["ExecuteStatement", { Statement: "UPDATE orders SET pub = ssn WHERE id = 'ada#1'" }],
        ["ExecuteStatement", { Statement: "DELETE FROM orders WHERE id = 'ada#1' AND ssn > 18" }],
        ["TransactWriteItems", { TransactItems: [{ Update: { ...on, UpdateExpression: "SET pub = ssn" } }] }],
        [
          "TransactWriteItems",
          {
            TransactItems: [
              { Put: { TableName: "orders", Item: { id: { S: "n" }, ...manyAttributes() } } },
              { Delete: { ...on, ConditionExpression: "ssn = :v", ExpressionAttributeValues: guess } },
            ],
          },
        ],
        [
          "TransactWriteItems",
          {
            TransactItems: [
              { Put: { TableName: "orders", Item: { id: { S: "n" }, ...manyAttributes() } } },
              {
                Put: {
                  TableName: "orders",
                  Item: { id: { S: "m" } },
                  ConditionExpression: "ssn = :v",
                  ExpressionAttributeValues: guess,
                },
              },
            ],
          },
        ],
      ];
      for (const [operation, input] of denied) {
        const { body } = await gateway.call(operation, input);
        const what = `${operation} ${JSON.stringify(input).slice(0, 200)}: ${JSON.stringify(body)}`;
        assert.match(String(body["__type"]), /#AccessDeniedException$/, what);
      }
      assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
      const written = { ...on, UpdateExpression: "SET ssn = :v, pub = :v", ExpressionAttributeValues: guess };
      assert.equal((await gateway.call("UpdateItem", written)).status, 200);
    } finally {
      await gateway.close();
    }
  });
});

/** More than policy is told of one access. */
function manyAttributes(): Record<string, object> {
  return Object.fromEntries(Array.from({ length: 2_100 }, (_, at) => [`a${at}`, { S: "" }]));
}
