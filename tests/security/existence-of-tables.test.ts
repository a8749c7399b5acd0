import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { readSources } from "../../scripts/lib/compile-policy.mjs";
import { parseBundle, type PolicyBundle } from "../../src/policy/bundle.ts";
import { compileCached } from "../support/cached-policy.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const policies = fileURLToPath(new URL("../../policies/", import.meta.url));

/** The built-in policy with a package of this installation's. */
async function policyWith(rego: string): Promise<PolicyBundle> {
  const sources = [...(await readSources(policies)), { name: "custom/closed.rego", text: rego }];
  const capabilities = `${policies}capabilities.json`;
  return parseBundle(await compileCached({ sources, capabilities, revision: "closed" }), "closed");
}

const people = (rules: string, deny = ""): string => `
kind: role
version: v7
metadata: {name: dev}
spec:
  allow: {db_labels: {env: dev}, db_users: [ExampleRole], db_rules: ${rules}}
  ${deny === "" ? "" : `deny: {db_rules: ${deny}}`}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [dev], traits: {tenant: [ada]}}
`;

/** A gateway, and what went to DynamoDB. */
async function withGateway(
  resources: string,
  policy: PolicyBundle | undefined,
  test: (gateway: TestGateway, sent: string[]) => Promise<void>,
): Promise<void> {
  const sent: string[] = [];
  const gateway = await startTestGateway({
    resources,
    ...(policy === undefined ? {} : { loadPolicy: () => Promise.resolve(policy) }),
    upstream: (real) => ({
      send: (request) => {
        sent.push(`${request.headers["x-amz-target"]} ${Buffer.from(request.body).toString()}`);
        return real.send(request);
      },
      close: () => real.close(),
    }),
  });
  try {
    await test(gateway, sent);
  } finally {
    await gateway.close();
  }
}

/** What a client is told of a denial, without the names that it gave. */
async function toldOf(gateway: TestGateway, operation: string, input: object, table: string): Promise<string> {
  const { status, body, headers } = await gateway.call(operation, input);
  assert.match(String(body["__type"]), /#AccessDeniedException$/, JSON.stringify(body));
  return `${status} ${String(body["Message"])}`
    .replaceAll(headers.get("x-postern-decision-id") ?? "-", "D")
    .replaceAll(table, "T");
}

/** Requests of many kinds for a table that has one key attribute, or is not there. */
const requests = (TableName: string): [operation: string, input: object][] => {
  const Key = { tenant: { S: "ada" }, id: { S: "1" } };
  const equal = {
    KeyConditionExpression: "tenant = :t AND id = :t",
    ExpressionAttributeValues: { ":t": { S: "ada" } },
  };
  return [
    ["GetItem", { TableName, Key }],
    ["PutItem", { TableName, Item: { ...Key, more: { S: "x" } }, ConditionExpression: "attribute_not_exists(id)" }],
    ["UpdateItem", { TableName, Key, UpdateExpression: "SET a = a" }],
    ["Query", { TableName, ...equal }],
    ["Query", { TableName, IndexName: "by-day", ...equal, ProjectionExpression: "id" }],
    ["Scan", { TableName, Select: "COUNT" }],
    ["BatchGetItem", { RequestItems: { [TableName]: { Keys: [Key] } } }],
    ["TransactWriteItems", { TransactItems: [{ Delete: { TableName, Key } }] }],
    ["ExecuteStatement", { Statement: `SELECT * FROM "${TableName}" WHERE tenant = 'ada' AND id = '1'` }],
    ["DescribeTable", { TableName }],
    ["DeleteTable", { TableName }],
  ];
};

describe("a table that the caller may not know of (pitfall 61)", () => {
  const denials: [what: string, resources: string][] = [
    ["no rule names it", people(`[{actions: ["*"], tables: ["other*"]}]`)],
    ["a denial names it", people(`[{actions: ["*"]}]`, `[{actions: ["*"], tables: [orders, nowhere]}]`)],
    [
      "no rule names it, and those about other tables turn on keys and attributes",
      people(
        `[{actions: [read, write], tables: ["other*"], leading_keys: ["{{external.tenant}}"], attributes: [tenant, id]}]`,
        `[{actions: ["*"], tables: ["other*"], leading_keys: [bob], attributes: [secret]}]`,
      ),
    ],
    [
      "a denial names it, and rules turn on keys and attributes",
      people(
        `[{actions: ["*"], leading_keys: ["{{external.tenant}}"], attributes: [tenant, id]}, {actions: ["*"]}]`,
        `[{actions: ["*"], leading_keys: [bob]}, {actions: ["*"], tables: [orders, nowhere]}]`,
      ),
    ],
  ];
  for (const [what, resources] of denials) {
    it(`is denied alike whether or not it is there, and nothing is sent, where ${what}`, async () => {
      await withGateway(resources, undefined, async (gateway, sent) => {
        const told = async (table: string): Promise<string[]> => {
          const all: string[] = [];
          for (const [operation, input] of requests(table)) all.push(await toldOf(gateway, operation, input, table));
          return all;
        };
        assert.deepEqual(await told("orders"), await told("nowhere"));
        assert.deepEqual(sent, []);
      });
    });
  }

  it("is not asked for its keys either where packages deny more than can be told", async () => {
    const policy = await policyWith(`package postern.custom.closed

deny contains {"message": "closed", "access": number} if {
	some number, access in input.request.accesses
	startswith(access.table, "open-")
}

deny contains concat("", ["closed ", json.marshal(number)]) if {
	some number in numbers.range(1, 20)
	not input.user.mfa_verified
}
`);
    const tables = Array.from({ length: 20 }, (_, at) => `open-${at}`);
    const Key = { tenant: { S: "ada" }, id: { S: "1" } };
    const batch = (hidden: string): object => ({
      RequestItems: Object.fromEntries([...tables, hidden].map((table) => [table, { Keys: [Key] }])),
    });
    for (const resources of [
      people(`[{actions: [read], tables: ["open-*"]}]`),
      people(`[{actions: [read]}]`, `[{actions: [read], tables: [orders, nowhere]}]`),
    ]) {
      await withGateway(resources, policy, async (gateway, sent) => {
        assert.equal(
          await toldOf(gateway, "BatchGetItem", batch("orders"), "orders"),
          await toldOf(gateway, "BatchGetItem", batch("nowhere"), "nowhere"),
        );
        assert.deepEqual(sent, []);
      });
    }
  });

  it("is denied alike by a package that may look at its keys", async () => {
    const policy = await policyWith(`package postern.custom.closed

deny contains "closed" if {
	some access in input.request.accesses
	access.table in {"orders", "nowhere"}
}
`);
    await withGateway(people(`[{actions: ["*"]}]`), policy, async (gateway) => {
      for (const [at, [operation, input]] of requests("orders").entries()) {
        const [, same] = requests("nowhere")[at] ?? ["", {}];
        assert.equal(
          await toldOf(gateway, operation, input, "orders"),
          await toldOf(gateway, operation, same, "nowhere"),
        );
      }
    });
  });
});
