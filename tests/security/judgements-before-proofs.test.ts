import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadBuiltinBundle } from "../../src/cli/policy/builtin.ts";
import { type Access, understand } from "../../src/dynamodb/accesses.ts";
import { ACTION_TABLE } from "../../src/dynamodb/catalogue.ts";
import { type KeyAttribute, NO_SCHEMAS, type TableSchema } from "../../src/dynamodb/key-schema.ts";
import { parseRole } from "../../src/identity/role.ts";
import { compilePolicyData } from "../../src/policy/data.ts";
import { PolicyDecisionPoint } from "../../src/policy/pdp.ts";
import { PLACE, request } from "../unit/dynamodb/support.ts";

const SEED = 20_261_123;
const POLICIES = 60;
const REQUESTS = 40;

const key = (name: string): KeyAttribute => ({ name, type: "S" });

/** A table of which nothing is known but that its keys are among the attributes of the requests below. */
function schema(id: string, partition: string, sort?: string): TableSchema {
  const keys = [partition, ...(sort === undefined ? [] : [sort])];
  return {
    table: "items",
    id,
    partition: [key(partition)],
    sort: sort === undefined ? [] : [key(sort)],
    indexes: new Map([
      ["by-x", { partition: [key("x")], sort: [key("id")], projected: [...new Set([...keys, "id", "x"])].sort() }],
      ["local", { partition: [key(partition)], sort: [key("y")], projected: "all" }],
    ]),
  };
}

const SCHEMAS = [schema("1", "tenant", "id"), schema("2", "id", "tenant"), schema("3", "x", "id"), schema("4", "id")];

class Chance {
  #state = SEED;

  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  some<T>(list: readonly T[], most = 3): T[] {
    return [...new Set(Array.from({ length: 1 + this.below(most) }, () => this.of(list)))];
  }

  /** The member in one of `times` cases. */
  seldom(times: number, member: () => object): object {
    return this.below(times) === 0 ? member() : {};
  }
}

const ACTIONS = [
  "read",
  "write",
  "*",
  "dynamodb:GetItem",
  "dynamodb:Query",
  "dynamodb:PartiQLSelect",
  "dynamodb:PutItem",
];

/** A rule; `full_scan: true` is left out of allows: who may scan may also look up, as far as it is not proven to be that. */
function ruleOf(chance: Chance, isDeny: boolean): object {
  return {
    actions: chance.some(ACTIONS, 2),
    ...chance.seldom(3, () => ({ tables: chance.some(["items", "other", "it*"]) })),
    ...chance.seldom(5, () => ({ indexes: chance.some(["by-x", "local"]) })),
    ...chance.seldom(2, () => ({ leading_keys: chance.some(["ada", "bob", "a*", "1"]) })),
    ...chance.seldom(2, () => ({ attributes: chance.some(["tenant", "id", "x", "y", "x.z", "x*"], 6) })),
    ...chance.seldom(6, () => ({ full_scan: isDeny ? chance.below(2) === 0 : false })),
    ...chance.seldom(6, () => ({ return_values: isDeny ? ["ALL_OLD"] : ["NONE", "UPDATED_NEW"] })),
  };
}

function specOf(chance: Chance): object {
  const rules = (isDeny: boolean): object[] =>
    Array.from({ length: 1 + chance.below(2) }, () => ruleOf(chance, isDeny));
  return {
    allow: { db_labels: { "*": "*" }, db_users: ["*"], ...chance.seldom(1, () => ({ db_rules: rules(false) })) },
    ...chance.seldom(2, () => ({ deny: { db_rules: rules(true) } })),
  };
}

/** A request for the table `items`, whose keys are not plain from the request itself. */
function requestOf(chance: Chance): [operation: string, body: object] {
  const TableName = "items";
  const value = { ":v": { S: chance.of(["ada", "1"]) } };
  const Key = { tenant: { S: chance.of(["ada", "bob"]) }, id: { S: chance.of(["1", "ada"]) } };
  const shown = chance.of([{}, { ProjectionExpression: "tenant, id" }, { ProjectionExpression: "x.z, id, tenant" }]);
  const conditions = ["attribute_not_exists(tenant)", "attribute_not_exists(id) AND x = :v", "y = :v"];
  const condition = chance.of([
    {},
    ...conditions.map((ConditionExpression) => ({
      ConditionExpression,
      ...(ConditionExpression.includes(":v") ? { ExpressionAttributeValues: value } : {}),
    })),
  ]);
  const update = { UpdateExpression: chance.of(["SET y = x", "REMOVE y", "SET x.z = y"]) };
  const Item = { ...Key, ...chance.of([{}, { x: { S: "ada" } }, { y: { S: "1" } }]) };
  const lookup = {
    ...chance.of([{}, { IndexName: "by-x" }, { IndexName: "local" }]),
    KeyConditionExpression: chance.of(["tenant = :v", "x = :v", "tenant = :v AND id = :v", "x = :v AND id > :v"]),
    ExpressionAttributeValues: value,
  };
  const Statement = chance.of([
    "SELECT * FROM items WHERE tenant = 'ada'",
    "SELECT id FROM items WHERE tenant = 'ada' AND id = '1'",
    `SELECT * FROM items."by-x" WHERE x = 'ada'`,
    "SELECT x FROM items WHERE tenant IN ['ada', 'bob'] AND id = '1'",
    "UPDATE items SET y = x WHERE tenant = 'ada' AND id = '1'",
    "DELETE FROM items WHERE tenant = 'bob' AND id = '1'",
    "INSERT INTO items VALUE {'tenant': 'ada', 'id': '1'}",
  ]);
  const part = chance.of([{ Put: { TableName, Item, ...condition } }, { Update: { TableName, Key, ...update } }]);
  return chance.of<[string, object]>([
    ["GetItem", { TableName, Key, ...shown }],
    ["PutItem", { TableName, Item, ...condition, ...chance.of([{}, { ReturnValues: "ALL_OLD" }]) }],
    ["UpdateItem", { TableName, Key, ...update, ...chance.of([{}, { ReturnValues: "UPDATED_NEW" }]) }],
    ["DeleteItem", { TableName, Key, ...condition }],
    ["Query", { TableName, ...lookup, ...chance.of([shown, { Select: "COUNT" }]) }],
    ["BatchGetItem", { RequestItems: { items: { Keys: [Key], ...shown } } }],
    ["BatchWriteItem", { RequestItems: { items: [{ PutRequest: { Item } }] } }],
    ["TransactWriteItems", { TransactItems: [part, { Delete: { TableName, Key } }] }],
    ["ExecuteStatement", { Statement }],
  ]);
}

describe("what is allowed before the keys of a table are known", () => {
  it("is allowed whatever they are, and is so often enough", async () => {
    const chance = new Chance();
    const bundle = await loadBuiltinBundle();
    const policy = await PolicyDecisionPoint.load({ bundle, data: compilePolicyData([], ACTION_TABLE) });
    const counts = { allowed: 0, denied: 0, changed: 0 };
    for (let at = 0; at < POLICIES; at++) {
      const specs = Array.from({ length: 1 + chance.below(2) }, () => specOf(chance));
      const roles = specs.map(
        (spec, number) => parseRole({ kind: "role", version: "v7", metadata: { name: `r${number}` }, spec }).value,
      );
      await policy.replace({ data: compilePolicyData(roles, ACTION_TABLE) });
      const allows = (operation: string, accesses: readonly Access[]): boolean =>
        policy.decide({
          version: 1,
          time: "2026-11-23T14:00:00.000Z",
          user: { name: "alice", roles: roles.map(({ name }) => name), traits: {}, mfa_verified: false },
          client: { ip: "127.0.0.1", user_agent: "" },
          database: {
            name: "example",
            labels: {},
            region: PLACE.region,
            account_id: PLACE.accountId,
            partition: "aws",
          },
          db_user: `arn:aws:iam::${PLACE.accountId}:role/ExampleRole`,
          request: { service: "dynamodb", operation, id: "1", accesses },
        }).allow;
      for (let more = 0; more < REQUESTS; more++) {
        const [operation, body] = requestOf(chance);
        const parsed = request(operation, body);
        const before = allows(operation, understand(parsed, PLACE, NO_SCHEMAS).accesses);
        counts[before ? "allowed" : "denied"] += 1;
        for (const known of SCHEMAS) {
          const { accesses, mismatched } = understand(parsed, PLACE, { schemaOf: () => known });
          if (mismatched.length > 0) continue;
          const after = allows(operation, accesses);
          if (after && !before) counts.changed += 1;
          const what = JSON.stringify({ specs, operation, body, schema: known.id });
          assert.ok(after || !before, `allowed without its keys, denied with them: ${what}`);
        }
      }
    }
    assert.ok(counts.allowed > 150 && counts.denied > 1_000 && counts.changed > 100, JSON.stringify(counts));
  });
});
