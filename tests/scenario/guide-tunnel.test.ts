/** The guide from its second step to its last, as it is printed, on three processes: auth and proxy, agent, and a local port. */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { DynamoDBClient, GetItemCommand, ListTablesCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { eventually } from "../support/eventually.ts";
import { auditOf, ORDERS } from "../support/gateway.ts";
import { GUIDE_ROLE } from "../support/guide.ts";
import { missing, peerPaths } from "../support/peers.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";

interface Service {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  log(): string;
  out(): string;
}

const noCli = await missing("awsCli");

describe("the guide, to its last step", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-tunnel-"));
  let sandbox: Sandbox;
  let proxy: string;
  let pin: string;
  let agent: Service;
  const running: Service[] = [];

  const surroundings = (): Record<string, string> => ({
    PATH: `${join(directory, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: join(directory, "home"),
    POSTERN_HOME: join(directory, "home", ".postern"),
    NO_COLOR: "1",
  });
  const line = (text: string): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile("/bin/bash", ["-c", text], { cwd: directory, env: surroundings() }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const said = async (text: string): Promise<string> => {
    const { code, stdout, stderr } = await line(text);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Service {
    const child = spawn(process.execPath, [LAUNCHER, ...words], {
      cwd: directory,
      env: { ...surroundings(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [log, out] = ["", ""];
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const service = { child, ended, log: () => log, out: () => out };
    running.push(service);
    return service;
  }
  async function stop({ child, ended }: Service, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    child.kill(signal);
    await ended;
  }
  const logIn = (user: string): Promise<string> =>
    said(`printf '${PASSWORD}' | postern login --proxy=${proxy} --user=${user} --password-stdin --ca-pin=${pin}`);

  before(async () => {
    sandbox = await startSandbox();
    await sandbox.seed([ORDERS]);
    sandbox.putRole({ name: "ExampleTeleportDynamoDBRole", trust: { principals: ["123456789012"] } });
    mkdirSync(join(directory, "bin"));
    mkdirSync(join(directory, "home"));
    writeFileSync(join(directory, "bin", "postern"), `#!/bin/sh\nexec "${process.execPath}" "${LAUNCHER}" "$@"\n`);
    chmodSync(join(directory, "bin", "postern"), 0o755);
    writeFileSync(
      join(directory, "auth.yaml"),
      `
version: v3
postern: {nodename: auth-1, data_dir: ./auth}
auth_service: {enabled: "yes", cluster_name: example, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
db_service: {enabled: "no"}
`,
    );
    writeFileSync(join(directory, "aws-dynamodb-access.yaml"), GUIDE_ROLE);
    const auth = start(["start", "-c", "auth.yaml"]);
    await eventually(() => /Listening.*address=(\S+)/.test(auth.log()));
    proxy = /Listening.*address=(\S+)/.exec(auth.log())?.[1] ?? "";
    pin = (await said("postern ctl -c auth.yaml status -f json | jq -r '.ca_pins[0]'")).trim();
    const local = "postern ctl -c auth.yaml";
    await said(`printf '${PASSWORD}' | ${local} users add email@example.com --roles=access,editor --password-stdin`);
    await said(`printf '${PASSWORD}' | ${local} users add mallory --roles=auditor --password-stdin`);
    await said(`printf '${PASSWORD}' | ${local} users add root --roles=editor --password-stdin`);
  });
  after(async () => {
    for (const one of running.toReversed()) if (one.child.exitCode === null) await stop(one);
    await sandbox.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("step 2: the role is made and assigned", async () => {
    await logIn("email@example.com");
    await said("postern ctl create -f aws-dynamodb-access.yaml");
    await said(`ROLES=$(postern status -f json | jq -r '.active.roles | join(",")')
postern ctl users update $(postern status -f json | jq -r '.active.username') \\
    --set-roles "\${ROLES?},aws-dynamodb-access"`);
    await said("postern logout");
    await logIn("email@example.com");
  });

  it("step 3: the agent joins by the guide's file and serves its database", async () => {
    await said("postern ctl tokens add --type=db --format=text > token");
    // The guide's file; only its database is one of this machine.
    writeFileSync(
      join(directory, "teleport.yaml"),
      `version: v3
teleport:
  nodename: agent-1
  data_dir: ${join(directory, "agent")}
  proxy_server: ${proxy}
  auth_token: ${join(directory, "token")}
  ca_pin: ${pin}
db_service:
  enabled: "yes"
  databases:
  - name: "example-dynamodb"
    protocol: "dynamodb"
    uri: ${sandbox.dynamodb.url}
    static_labels:
      env: "dev"
    aws:
      region: "us-east-1"
      account_id: "123456789012"
`,
    );
    agent = start(["start", "-c", "teleport.yaml", "--diag-addr", "127.0.0.1:0"], sandbox.env);
    await eventually(() => agent.log().includes("A tunnel is open"));
    await eventually(async () => (await said("postern db ls -f json")).includes("example-dynamodb"));
    const diagnostics = /Diagnostics.*address=(\S+)/.exec(agent.log())?.[1];
    const ready = await fetch(`http://${diagnostics}/readyz`);
    assert.equal(ready.status, 200, await ready.text());
  });

  describe("step 4", () => {
    let port: string;
    let tunnel: Service;
    let client: DynamoDBClient;
    before(async () => {
      tunnel = start([
        ..."proxy db --tunnel --port 0 --db-user=ExampleTeleportDynamoDBRole example-dynamodb"
          .replace(" --port 0", "")
          .split(" "),
      ]);
      await eventually(() => {
        assert.equal(tunnel.child.exitCode, null, tunnel.log());
        return /on 127\.0\.0\.1:(\d+)\./.test(tunnel.out());
      });
      port = /on 127\.0\.0\.1:(\d+)\./.exec(tunnel.out())?.[1] ?? "";
      client = new DynamoDBClient({
        endpoint: `http://localhost:${port}`,
        region: "local",
        credentials: { accessKeyId: "fakeClientKeyID", secretAccessKey: "fakeClientSecret" },
        maxAttempts: 1,
      });
    });
    after(() => client.destroy());

    it("opens the port in the words of the guide", () => {
      assert.match(
        tunnel.out(),
        /^Started authenticated tunnel for the DynamoDB database "example-dynamodb" in cluster "example" on 127\.0\.0\.1:\d+\.\nUse the following command to connect to the database or to the address above using other database GUI\/CLI clients:\n {2}\$ aws --endpoint http:\/\/localhost:\d+\/ /,
      );
    });

    it("lets the aws CLI list the tables", { skip: noCli }, async () => {
      const { awsCli } = await peerPaths();
      const listed = await said(
        `PATH="${dirname(awsCli ?? "")}:$PATH" AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=us-east-1 aws dynamodb list-tables --endpoint-url=http://localhost:${port}`,
      );
      assert.deepEqual(JSON.parse(listed), { TableNames: ["orders"] });
    });

    it("lets boto3 do the same, as the guide's lines have it", { skip: noCli }, async () => {
      const { python } = await peerPaths();
      const listed = await said(
        `AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=us-east-1 "${python}" -c "
import boto3
clt = boto3.client('dynamodb', endpoint_url='http://localhost:${port}')
res = clt.list_tables()
print(res)"`,
      );
      assert.match(listed, /'TableNames': \['orders'\]/);
    });

    it("lets the SDK read and write, many at once, each on record with who and from where", async () => {
      const command = new GetItemCommand({ TableName: "orders", Key: { id: { S: "ada#1" } } });
      const answers = await Promise.all(Array.from({ length: 40 }, () => client.send(command)));
      for (const { Item } of answers) assert.equal(Item?.["total"]?.N, "18.15");
      await client.send(new PutItemCommand({ TableName: "orders", Item: { id: { S: "bob#1" } } }));
      const events = auditOf(join(directory, "agent", "audit"));
      const put = events.findLast(
        ({ event, target }) => event === "db.session.dynamodb.request" && String(target).endsWith("PutItem"),
      );
      assert.equal(put?.["user"], "email@example.com");
      assert.equal(put?.["db_user"], "arn:aws:iam::123456789012:role/ExampleTeleportDynamoDBRole");
      assert.equal(put?.["outcome"], "completed");
    });

    it("takes a large request and gives a large answer", async () => {
      const data = "x".repeat(380_000);
      await client.send(new PutItemCommand({ TableName: "orders", Item: { id: { S: "big" }, data: { S: data } } }));
      const { Item } = await client.send(new GetItemCommand({ TableName: "orders", Key: { id: { S: "big" } } }));
      assert.equal(Item?.["data"]?.S?.length, data.length);
    });

    it("refuses a page in a browser, and other host names", async () => {
      const ask = (headers: Readonly<Record<string, string>>): Promise<number | undefined> =>
        new Promise((resolve, reject) => {
          const asked = request({ port, method: "POST", agent: false, headers }, (response) => {
            response.resume();
            resolve(response.statusCode);
          });
          asked.on("error", reject).end("{}");
        });
      const target = { "x-amz-target": "DynamoDB_20120810.ListTables", "content-type": "application/x-amz-json-1.0" };
      assert.equal(await ask({ ...target, host: "localhost" }), 200);
      assert.equal(await ask({ ...target, host: "localhost", origin: "https://evil.example" }), 400);
      assert.equal(await ask({ ...target, host: "evil.example" }), 400);
    });

    it("denies what the user may not be, in words that SDK users can act on", async () => {
      const { code, stderr } = await line(
        `postern db exec --db-user=Admin example-dynamodb -- "${process.execPath}" -e "
fetch(process.env.AWS_ENDPOINT_URL_DYNAMODB, {method: 'POST', headers: {'x-amz-target': 'DynamoDB_20120810.ListTables', 'content-type': 'application/x-amz-json-1.0', authorization: 'AWS4-HMAC-SHA256 Credential=' + process.env.AWS_ACCESS_KEY_ID + '/x'}, body: '{}'}).then(async (r) => { console.error(r.status, await r.text()); process.exit(7); })"`,
      );
      assert.equal(code, 7, stderr);
      assert.match(stderr, /400 .*AccessDeniedException.*email@example\.com/);
    });

    it("keeps the tools of db exec and db env away from the network's HTTP proxy", async () => {
      const { stdout } = await line(
        `NO_PROXY=example.com HTTP_PROXY=http://127.0.0.1:9 postern db exec --db-user=Admin example-dynamodb -- sh -c 'echo $NO_PROXY $no_proxy'`,
      );
      assert.equal(stdout.trim(), "example.com,localhost,127.0.0.1 example.com,localhost,127.0.0.1");
      const shown = await line(
        `export AWS_PROFILE=other no_proxy=example.com; eval "$(postern db env --port 8123 --region eu-west-1)"; echo $AWS_ENDPOINT_URL_DYNAMODB $AWS_ENDPOINT_URL_DYNAMODB_STREAMS $AWS_REGION $AWS_ACCESS_KEY_ID [$AWS_PROFILE] $NO_PROXY $no_proxy`,
      );
      assert.equal(
        shown.stdout.trim(),
        "http://localhost:8123 http://localhost:8123 eu-west-1 postern [] localhost,127.0.0.1 example.com,localhost,127.0.0.1",
      );
    });

    it("lets nobody ride the port of an exec who has not its key", async () => {
      const { stdout } = await line(
        `postern db exec --db-user=ExampleTeleportDynamoDBRole example-dynamodb -- "${process.execPath}" -e "
fetch(process.env.AWS_ENDPOINT_URL_DYNAMODB, {method: 'POST', headers: {'x-amz-target': 'DynamoDB_20120810.ListTables', 'content-type': 'application/x-amz-json-1.0'}, body: '{}'}).then(async (r) => console.log(r.status, await r.text()))"`,
      );
      assert.match(stdout, /^400 .*AccessDeniedException.*access key/);
    });

    it("ends with the next operation when a lock is set, on the same connection too, and goes on when it is gone", async () => {
      const list = new ListTablesCommand({});
      await client.send(list);
      writeFileSync(
        join(directory, "lock.yaml"),
        "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: email@example.com}, message: see the desk}\n",
      );
      await said("postern ctl -c auth.yaml create lock.yaml");
      await eventually(async () => {
        const error = await client.send(list).then(
          () => undefined,
          (thrown: Error) => thrown,
        );
        return error?.name === "AccessDeniedException" && /locked.*see the desk/.test(error.message);
      });
      await said("postern ctl -c auth.yaml rm lock/l");
      await eventually(() => client.send(list).then(() => true));
    });

    it("is refused to who may not know of the database, and says so before anything listens", async () => {
      const { code, stderr } = await line(
        `export POSTERN_HOME=$PWD/home/mallory
printf '${PASSWORD}' | postern login --proxy=${proxy} --user=mallory --password-stdin --ca-pin=${pin} >/dev/null
postern proxy db --tunnel --port 8000 --db-user=ExampleTeleportDynamoDBRole example-dynamodb`,
      );
      assert.equal(code, 1);
      assert.match(stderr, /database "example-dynamodb" not found/);
    });

    it("says who has the port when it is busy", async () => {
      const { code, stderr } = await line(
        `postern proxy db --tunnel --port ${port} --db-user=ExampleTeleportDynamoDBRole example-dynamodb`,
      );
      assert.equal(code, 1);
      assert.match(stderr, /Cannot listen on 127\.0\.0\.1:\d+: another program does/);
    });

    it("works on when the agent was started anew", async () => {
      await stop(agent, "SIGKILL");
      const failed = await client.send(new ListTablesCommand({})).then(
        () => undefined,
        (error: Error) => error,
      );
      assert.ok(failed !== undefined);
      agent = start(["start", "-c", "teleport.yaml"], sandbox.env);
      await eventually(() => client.send(new ListTablesCommand({})).then(() => true));
    });

    it("ends when it is told to", async () => {
      await stop(tunnel);
      assert.equal(tunnel.child.exitCode, 0, tunnel.log());
    });
  });
});
