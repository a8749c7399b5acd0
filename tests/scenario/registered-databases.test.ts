/** Databases that come, change and go while agents run, and how people find and reach them. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { type Running, startTunnelCluster, type TunnelCluster } from "../support/tunnel-cluster.ts";

const ROLES = `kind: role
version: v7
metadata: {name: dev}
spec:
  allow: {db_labels: {env: [dev, staging]}, db_users: [ExampleRole, "app-{{external.team}}"]}
---
kind: role
version: v7
metadata: {name: all}
spec:
  allow: {db_labels: {owner: '*'}, db_users: ['*']}
  deny: {db_users: [Admin]}
`;

describe("databases that are registered in the cluster", () => {
  let cluster: TunnelCluster;
  let agent: Running;
  const document = (name: string, labels: string, description = "Orders of people"): string => `kind: db
version: v3
metadata: {name: ${name}, description: ${description}, labels: ${labels}}
spec:
  protocol: dynamodb
  uri: ${cluster.sandbox.dynamodb.url}
  aws: {region: us-east-1, account_id: "123456789012"}
`;
  const list = `postern db exec --db-user=ExampleRole NAME -- "${process.execPath}" -e "
fetch(process.env.AWS_ENDPOINT_URL_DYNAMODB, {method: 'POST', headers: {'x-amz-target': 'DynamoDB_20120810.ListTables', 'content-type': 'application/x-amz-json-1.0', authorization: 'AWS4-HMAC-SHA256 Credential=' + process.env.AWS_ACCESS_KEY_ID + '/x'}, body: '{}'}).then(async (r) => console.log(r.status, await r.text()))"`;
  const tables = async (name: string): Promise<string> => {
    const { stdout, stderr } = await cluster.line(list.replace("NAME", name));
    return stdout + stderr;
  };

  before(async () => {
    cluster = await startTunnelCluster(ROLES, ["dev", "all"]);
    agent = await cluster.agent(
      `  resources:\n  - labels: {env: [dev, staging]}\n  databases:\n  - {name: own, protocol: dynamodb, uri: "${cluster.sandbox.dynamodb.url}", static_labels: {env: dev}, aws: {region: us-east-1, account_id: "123456789012"}}\n`,
    );
    await cluster.logIn("alice");
  });
  after(() => cluster.close());

  it("are served within moments of their creation, without a restart", async () => {
    cluster.write("db.yaml", document("orders-dev", "{env: dev}"));
    assert.equal(await cluster.said(`${cluster.ctl} create -f db.yaml`), 'database "orders-dev" has been created\n');
    assert.match(await cluster.said("postern db ls"), /^orders-dev +Orders of people/m);
    await eventually(async () => /^200 .*"orders"/m.test(await tables("orders-dev")));
    assert.equal(agent.child.exitCode, null);
  });

  it("are not served by an agent that their labels do not name", async () => {
    cluster.write("db.yaml", document("orders-prod", "{env: prod, owner: ops}"));
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    // What came later is there: so what came before would be.
    cluster.write("db.yaml", document("orders-staging", "{env: staging}"));
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    await eventually(async () => (await tables("orders-staging")).startsWith("200"));
    assert.match(await tables("orders-prod"), /no .*(?:agent|service)|not .*served|database service/i);
  });

  it("are found by labels, words and the beginning of a name, with the AWS roles that may be named", async () => {
    const table = await cluster.said("postern db ls");
    const rows = table.split("\n").map((row) => row.trimEnd().split(/ {2,}|(?<=\]) /));
    assert.match(table, /^Name +Description +Allowed Users +Labels +Connect\n/);
    assert.match(table, /^orders-dev .*\[ExampleRole\] +env=dev +postern proxy db --db-user=ExampleRole orders-dev$/m);
    assert.match(
      table,
      /^orders-prod .*\[\*\], except: \[Admin\] env=prod,owner=ops +postern proxy db --db-user=ROLE/m,
    );
    assert.ok(rows.length > 3);
    const names = async (words: string): Promise<string[]> =>
      (JSON.parse(await cluster.said(`postern db ls -f json ${words}`)) as { metadata: { name: string } }[]).map(
        ({ metadata }) => metadata.name,
      );
    assert.deepEqual(await names("env=dev"), ["orders-dev", "own"]);
    assert.deepEqual(await names("--search ORDERS,prod"), ["orders-prod"]);
    assert.match(await cluster.said("postern db ls -v"), /^Name +Description +Protocol Type +URI +Allowed Users/);
    assert.match(await tables("orders-s"), /^200/);
    const { code, stderr } = await cluster.line("postern proxy db --db-user=ExampleRole orders");
    assert.equal(code, 1);
    assert.match(stderr, /matches multiple databases:\n {2}Name +Description +Labels\n.*orders-dev/s);
    const users = JSON.parse(await cluster.said("postern db ls -f json owner=ops")) as { users: unknown }[];
    assert.deepEqual(users[0]?.users, { allowed: ["*"], denied: ["Admin"] });
  });

  it("change while they are served, and are gone when they no longer fit or are removed", async () => {
    cluster.write("db.yaml", document("orders-dev", "{env: dev, team: pay}", "Orders renamed"));
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    await eventually(async () => /orders-dev +Orders renamed .*team=pay/.test(await cluster.said("postern db ls")));
    assert.match(await tables("orders-dev"), /^200/);
    await cluster.said(`${cluster.ctl} rm db/orders-staging`);
    await eventually(async () => /"orders-staging" not found/.test(await tables("orders-staging")));
    cluster.write("db.yaml", document("orders-dev", "{env: prod, owner: ops}"));
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    await eventually(async () => !(await tables("orders-dev")).startsWith("200"));
  });

  it("give way to the agent's own of the same name, with a warning, and nothing else is held up by it", async () => {
    cluster.write("db.yaml", document("own", "{env: dev, from: cluster}"));
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    await eventually(() => /registered in the cluster is not served here.*own/.test(agent.log()));
    cluster.write("db.yaml", document("later", "{env: dev}"));
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    await eventually(async () => (await tables("later")).startsWith("200"));
    assert.match(await tables("own"), /^200/);
  });

  it("never lead an agent to a host that is not AWS's or its own", async () => {
    cluster.write(
      "db.yaml",
      document("foreign", "{env: dev}").replace(/uri: .*/, "uri: http://198.51.100.7:8000\n  insecure: true"),
    );
    await cluster.said(`${cluster.ctl} create -f db.yaml`);
    await eventually(() => /not served here.*foreign/.test(agent.log()));
    assert.doesNotMatch(await tables("foreign"), /^200/);
  });
});
