/** A database service of several workers: each has tunnels of its own, and all are one member of the cluster. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { auditOf } from "../support/gateway.ts";
import { type Running, startTunnelCluster, type TunnelCluster } from "../support/tunnel-cluster.ts";

const ROLES = `kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {'*': '*'}, db_users: [ExampleRole]}}
`;
const LIST = { "x-amz-target": "DynamoDB_20120810.ListTables", "content-type": "application/x-amz-json-1.0" };

const skip = process.platform === "linux" ? false : "it looks for the workers in /proc";

describe("a database service of two workers", { skip }, () => {
  let cluster: TunnelCluster;
  let agent: Running;
  let port: number;
  const tunnels = (): number =>
    agent.log().split("A tunnel is open").length - agent.log().split("A tunnel has ended").length;
  const workers = (): number[] => {
    const pid = agent.child.pid ?? 0;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number);
    return children.filter((child) => child > 0);
  };
  /** Each on a connection of its own. */
  const ask = (): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const asked = request({ port, method: "POST", agent: false, headers: { ...LIST, host: "localhost" } });
      asked.on("response", (response) => {
        text(response).then(() => resolve(response.statusCode), reject);
      });
      asked.on("error", reject).end("{}");
    });
  const statuses = async (count: number): Promise<ReadonlySet<number | undefined>> =>
    new Set(await Promise.all(Array.from({ length: count }, ask)));
  /** Which workers have answered. */
  const served = (): readonly string[] => {
    const directory = join(cluster.directory, "agent-1", "audit");
    return readdirSync(directory).filter(
      (name) =>
        name.endsWith(".jsonl") && readFileSync(join(directory, name), "utf8").includes("db.session.dynamodb.request"),
    );
  };

  before(async () => {
    cluster = await startTunnelCluster(ROLES, ["dev"]);
    agent = await cluster.agent(
      `  databases:\n  - {name: orders, protocol: dynamodb, uri: "${cluster.sandbox.dynamodb.url}", aws: {region: us-east-1, account_id: "123456789012"}}\n`,
      "  workers: 2\n",
    );
    await cluster.logIn("alice");
    const tunnel = cluster.start(["proxy", "db", "--tunnel", "--db-user=ExampleRole", "orders"]);
    await eventually(() => /on 127\.0\.0\.1:\d+\./.test(tunnel.out()));
    port = Number(/on 127\.0\.0\.1:(\d+)\./.exec(tunnel.out())?.[1]);
    await eventually(() => tunnels() === 2);
  });
  after(() => cluster.close());

  it("serves by both, as one member", async () => {
    assert.deepEqual(await statuses(60), new Set([200]));
    assert.equal(served().length, 2, served().join());
    const listed = JSON.parse(await cluster.said(`${cluster.ctl} db ls -f json`)) as {
      status: { agents: unknown[] };
    }[];
    assert.equal(listed[0]?.status.agents.length, 1);
    const joined = auditOf(join(cluster.directory, "auth", "audit")).filter(({ event }) => event === "instance.join");
    assert.equal(joined.length, 1);
  });

  it("goes on when a worker is killed, and has its tunnel back", async () => {
    const [, second] = workers();
    assert.ok(second !== undefined);
    process.kill(second, "SIGKILL");
    await eventually(() => !workers().includes(second));
    assert.deepEqual(await statuses(20), new Set([200]));
    await eventually(() => workers().length === 2 && agent.log().split("A tunnel is open").length - 1 === 3);
    assert.deepEqual(await statuses(20), new Set([200]));
  });

  it("denies by both as soon as a user is locked", async () => {
    await cluster.said(
      `printf 'kind: lock\\nversion: v2\\nmetadata: {name: out}\\nspec: {target: {user: alice}}\\n' | ${cluster.ctl} create -f`,
    );
    await eventually(async () => !(await statuses(20)).has(200));
    assert.deepEqual(await statuses(40), new Set([400]));
  });
});
