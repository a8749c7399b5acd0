/** A port of `postern proxy db` through what happens to it in a day: logins that end, terminals, sockets of the dead. */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { missing, peerPaths } from "../support/peers.ts";
import { lacking } from "../support/programs.ts";
import { PASSWORD, type Running, startTunnelCluster, type TunnelCluster } from "../support/tunnel-cluster.ts";

const ROLES = `kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {'*': '*'}, db_users: [ExampleRole]}}
`;
const LIST = { "x-amz-target": "DynamoDB_20120810.ListTables", "content-type": "application/x-amz-json-1.0" };

const NO_CLIENTS = await missing("awsCli", "python");
const NO_SCRIPT = await lacking("bsdutils", ["script", "--version"]);

describe("a port of postern proxy db", () => {
  let cluster: TunnelCluster;
  before(async () => {
    cluster = await startTunnelCluster(ROLES, ["dev"]);
    await cluster.agent(
      `  databases:\n  - {name: orders, protocol: dynamodb, uri: "${cluster.sandbox.dynamodb.url}", aws: {region: us-east-1, account_id: "123456789012"}}\n`,
    );
    await cluster.logIn("alice");
  });
  after(() => cluster.close());

  const PROXY = ["proxy", "db", "--tunnel", "--db-user=ExampleRole", "orders"];
  const portOf = async (running: Running): Promise<number> => {
    await eventually(() => {
      assert.equal(running.child.exitCode, null, running.log());
      return /on 127\.0\.0\.1:\d+\./.test(running.out());
    });
    return Number(/on 127\.0\.0\.1:(\d+)\./.exec(running.out())?.[1]);
  };
  const ask = (where: { port: number } | { socketPath: string }): Promise<[number | undefined, string]> =>
    new Promise((resolve, reject) => {
      const asked = request(
        { ...where, method: "POST", agent: false, headers: { ...LIST, host: "localhost" } },
        (response) => {
          text(response).then((body) => resolve([response.statusCode, body]), reject);
        },
      );
      asked.on("error", reject).end("{}");
    });

  it("stays open when the login ends, says so, and works again after a login on another terminal", async () => {
    await cluster.logIn("alice", "--ttl=8s");
    const tunnel = cluster.start(PROXY);
    const port = await portOf(tunnel);
    assert.equal((await ask({ port }))[0], 200);
    await eventually(async () => {
      const [status, body] = await ask({ port });
      return status === 400 && /AccessDeniedException.*The login has ended: log in again with postern login/.test(body);
    });
    assert.equal(tunnel.log().split("The login has ended").length, 2, "said once");
    await cluster.logIn("alice");
    await eventually(async () => (await ask({ port }))[0] === 200);
    assert.match(tunnel.log(), /Database certificate renewed: valid until \S+Z \[valid for 60m\]/);
    await cluster.stop(tunnel, "SIGINT");
    assert.equal(tunnel.child.exitCode, 0, tunnel.log());
  });

  it("asks for the password on its own terminal, while connections wait", { skip: NO_SCRIPT }, async () => {
    await cluster.logIn("alice", "--ttl=8s");
    // A terminal of its own, whose keyboard is a pipe.
    const tunnel = cluster.start(["-qefc", `exec postern ${PROXY.join(" ")}`, "/dev/null"], { program: "script" });
    const type = (keys: string): void => void tunnel.child.stdin?.write(keys);
    const port = await portOf(tunnel);
    await eventually(() => Date.now() > endOfLogin(cluster));
    const waiting = ask({ port });
    await eventually(() => tunnel.out().includes("Press Enter to log in again as alice"));
    type("\r");
    await eventually(() => tunnel.out().includes("Password of alice"));
    type(`${PASSWORD}\r`);
    assert.deepEqual((await waiting)[0], 200);
    assert.ok(!tunnel.out().includes(PASSWORD));
    type("\u0003");
    await tunnel.ended;
    assert.equal(tunnel.child.exitCode, 0, tunnel.out());
  });

  it(
    "ends at control-C while it asks, and goes on when the login came from another terminal",
    { skip: NO_SCRIPT },
    async () => {
      await cluster.logIn("alice", "--ttl=8s");
      const start = (): Running =>
        cluster.start(["-qefc", `exec postern ${PROXY.join(" ")}`, "/dev/null"], { program: "script" });
      const [one, other] = [start(), start()];
      const ports = [await portOf(one), await portOf(other)];
      await eventually(() => Date.now() > endOfLogin(cluster));
      const asked = ports.map((port) => ask({ port }).catch((error: Error) => [error.message]));
      await eventually(() => [one, other].every((each) => each.out().includes("Press Enter")));
      one.child.stdin?.write("\u0003");
      await one.ended;
      assert.equal(one.child.exitCode, 0, one.out());
      await cluster.logIn("alice");
      assert.equal((await asked[1])?.[0], 200, other.out());
      await cluster.stop(other);
    },
  );

  it("is that of who opened it, whoever logs in later", async () => {
    const { ctl, proxy, pin } = cluster;
    await cluster.said(`${ctl} users add bob --roles=dev --password-stdin < password`);
    await cluster.logIn("alice");
    const tunnel = cluster.start(PROXY);
    const port = await portOf(tunnel);
    await cluster.said("postern logout");
    assert.match((await ask({ port }))[1], /Nobody is logged in to .* any more/);
    await cluster.said(`postern login --proxy=${proxy} --user=bob --password-stdin --ca-pin=${pin} < password`);
    assert.match((await ask({ port }))[1], /This port is that of \\"alice\\"/);
    await cluster.logIn("alice");
    assert.equal((await ask({ port }))[0], 200);
    await cluster.stop(tunnel);
  });

  it("is a Unix socket of its user alone, in the place of one that a dead process left, never of a live one", async () => {
    const path = join(cluster.directory, "db.sock");
    const words = [...PROXY, "--socket", "./db.sock"];
    const first = cluster.start(words);
    await eventually(() => first.out().includes(path));
    await cluster.stop(first, "SIGKILL");
    assert.ok(existsSync(path));
    const second = cluster.start(words);
    await eventually(() => second.out().includes(path));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal((await ask({ socketPath: path }))[0], 200);
    const { code, stderr } = await cluster.line(`postern ${words.join(" ")}`);
    assert.equal(code, 1);
    assert.match(stderr, /Cannot listen on .*db\.sock: another program does/);
    assert.equal((await ask({ socketPath: path }))[0], 200);
    await cluster.stop(second, "SIGINT");
    assert.ok(!existsSync(path));
  });

  it("speaks TLS to the aws CLI and to boto3, by the line that it prints", { skip: NO_CLIENTS }, async () => {
    await cluster.logIn("alice");
    const tunnel = cluster.start([...PROXY, "--tls"]);
    const port = await portOf(tunnel);
    const printed = /^ {2}\$ (AWS_CA_BUNDLE=\S+) (aws --endpoint (https:\S+) .*)$/m.exec(tunnel.out());
    assert.ok(printed !== null, tunnel.out());
    const [, trust = "", command = "", endpoint = ""] = printed;
    assert.equal(endpoint, `https://localhost:${port}/`);
    const { awsCli, python } = await peerPaths();
    const keys = `PATH="${dirname(awsCli ?? "")}:$PATH" AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b`;
    const asked = command.replace("[dynamodb|dynamodbstreams] <command>", "dynamodb list-tables");
    assert.deepEqual(JSON.parse(await cluster.said(`${keys} ${trust} ${asked}`)), { TableNames: ["orders"] });
    const script = `import boto3; print(boto3.client('dynamodb', endpoint_url='${endpoint}', region_name='local').list_tables())`;
    assert.match(await cluster.said(`${keys} ${trust} "${python}" -c "${script}"`), /'TableNames': \['orders'\]/);
    const { code, stderr } = await cluster.line(`${keys} ${asked}`);
    assert.notEqual(code, 0);
    assert.match(stderr, /CERTIFICATE_VERIFY_FAILED/);
    await cluster.stop(tunnel);
  });

  it("keeps what it hears of new authorities, so that the login outlives their rotation", async () => {
    const home = join(cluster.directory, "home", ".postern");
    const file = readdirSync(home).find((name) => name.endsWith(".json")) ?? "";
    const trusted = (): string[] =>
      (JSON.parse(readFileSync(join(home, file), "utf8")) as { trusted: string[] }).trusted;
    await cluster.logIn("alice");
    assert.equal(trusted().length, 1);
    const [before] = trusted();
    await cluster.said(`${cluster.ctl} auth rotate --type=host --manual --phase=init`);
    const tunnel = cluster.start(PROXY);
    const port = await portOf(tunnel);
    assert.equal((await ask({ port }))[0], 200);
    await cluster.stop(tunnel);
    assert.equal(trusted().length, 2);
    assert.ok(trusted().includes(before ?? ""));
    assert.match(await cluster.said("postern db ls"), /^orders/m);
  });
});

/** Of the profile in use, in milliseconds since the epoch. */
function endOfLogin({ directory }: TunnelCluster): number {
  const home = join(directory, "home", ".postern");
  const file = readdirSync(home).find((name) => name.endsWith(".json")) ?? "";
  const { certificate } = JSON.parse(readFileSync(join(home, file), "utf8")) as { certificate: string };
  return Date.parse(new X509Certificate(certificate).validTo);
}
