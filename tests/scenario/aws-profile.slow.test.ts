/** A laptop with a login and an AWS profile: boto3, the aws CLI and the SDK for JavaScript reach a database with nothing in between. */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { eventually } from "../support/eventually.ts";
import { auditOf, ORDERS } from "../support/gateway.ts";
import { missing, peerPaths } from "../support/peers.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PASSWORD = "correct horse battery";
const ROLE = `kind: role
version: v7
metadata: {name: orders}
spec:
  allow:
    db_labels: {'*': '*'}
    db_users: [ExampleRole]
`;
const LOCK = `kind: lock
version: v2
metadata: {name: l}
spec: {target: {user: alice}, message: see the desk}
`;

const noCli = await missing("awsCli");

describe("an AWS profile", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-profile-"));
  const running: { child: ChildProcess; ended: Promise<unknown>; log: () => string }[] = [];
  let sandbox: Sandbox;
  let proxy = "";
  let awsCli: string | null = null;
  let python: string | null = null;

  const env = (): Record<string, string> => ({
    PATH: `${join(directory, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: join(directory, "home"),
    POSTERN_HOME: join(directory, "home", ".postern"),
    NO_COLOR: "1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_MAX_ATTEMPTS: "1",
  });
  const line = (text: string): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(
        "/bin/bash",
        ["-c", text],
        { cwd: directory, env: { ...env(), AWS_PROFILE: "example-dynamodb" } },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const said = async (text: string): Promise<string> => {
    const { code, stdout, stderr } = await line(text);
    assert.equal(code, 0, `${text}\n${stderr}`);
    return stdout;
  };
  function start(words: readonly string[], more: Readonly<Record<string, string>> = {}): (typeof running)[number] {
    const child = spawn(process.execPath, [LAUNCHER, ...words], {
      cwd: directory,
      env: { ...env(), ...more },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
    const service = { child, ended: new Promise((resolve) => child.once("exit", resolve)), log: () => log };
    running.push(service);
    return service;
  }
  const js = (code: string): string => {
    writeFileSync(join(directory, "client.mjs"), code);
    const ca = readdirSync(join(directory, "home", ".postern")).find((name) => name.endsWith(".pem"));
    return `NODE_EXTRA_CA_CERTS=home/.postern/${ca} "${process.execPath}" client.mjs`;
  };

  before(async () => {
    if (noCli === false) ({ awsCli, python } = await peerPaths());
    sandbox = await startSandbox();
    await sandbox.seed([ORDERS]);
    sandbox.putRole({ name: "ExampleRole", trust: { principals: ["123456789012"] } });
    for (const name of ["bin", "home", "home/.aws"]) mkdirSync(join(directory, name));
    writeFileSync(join(directory, "bin", "postern"), `#!/bin/sh\nexec "${process.execPath}" "${LAUNCHER}" "$@"\n`);
    chmodSync(join(directory, "bin", "postern"), 0o755);
    writeFileSync(join(directory, "role.yaml"), ROLE);
    writeFileSync(join(directory, "lock.yaml"), LOCK);
    writeFileSync(
      join(directory, "auth.yaml"),
      `version: v3
postern: {nodename: auth-1, data_dir: ./auth}
auth_service: {enabled: "yes", cluster_name: example, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
db_service: {enabled: "no"}
`,
    );
    const auth = start(["start", "-c", "auth.yaml"]);
    await eventually(() => /Listening.*address=(\S+)/.test(auth.log()));
    proxy = /Listening.*address=(\S+)/.exec(auth.log())?.[1] ?? "";
    const pin = (await said("postern ctl -c auth.yaml status -f json | jq -r '.ca_pins[0]'")).trim();
    await said("postern ctl -c auth.yaml create role.yaml");
    await said(
      `printf '${PASSWORD}' | postern ctl -c auth.yaml users add alice --roles=access,orders --password-stdin`,
    );
    await said(`printf '${PASSWORD}' | postern login --proxy=${proxy} --user=alice --password-stdin --ca-pin=${pin}`);
    await said("postern ctl -c auth.yaml tokens add --type=db --format=text > token");
    writeFileSync(
      join(directory, "agent.yaml"),
      `version: v3
postern: {nodename: agent-1, data_dir: ./agent, proxy_server: "${proxy}", auth_token: ${join(directory, "token")}, ca_pin: "${pin}"}
db_service:
  enabled: "yes"
  databases:
  - name: example-dynamodb
    protocol: dynamodb
    uri: ${sandbox.dynamodb.url}
    aws: {region: us-east-1, account_id: "123456789012"}
`,
    );
    const agent = start(["start", "-c", "agent.yaml"], sandbox.env);
    await eventually(() => {
      assert.equal(agent.child.exitCode, null, agent.log());
      return agent.log().includes("A tunnel is open");
    });
    await eventually(async () => (await said("postern db ls -f json")).includes("example-dynamodb"));
    appendFileSync(
      join(directory, "home", ".aws", "config"),
      await said("postern db profile --db-user=ExampleRole example-dynamodb"),
    );
  });
  after(async () => {
    for (const { child, ended } of running.toReversed()) {
      child.kill();
      await ended;
    }
    await sandbox.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("is what the aws CLI needs", { skip: noCli }, async () => {
    assert.deepEqual(JSON.parse(await said(`"${awsCli}" dynamodb list-tables`)), { TableNames: ["orders"] });
    await said(`"${awsCli}" dynamodb put-item --table-name orders --item '{"id":{"S":"eve#1"}}'`);
  });

  it("is what boto3 needs, for many requests at once, and large ones", { skip: noCli }, async () => {
    const listed = await said(`"${python}" -c "
import boto3, concurrent.futures
c = boto3.client('dynamodb')
c.put_item(TableName='orders', Item={'id': {'S': 'big'}, 'data': {'S': 'x' * 380000}})
assert len(c.get_item(TableName='orders', Key={'id': {'S': 'big'}})['Item']['data']['S']) == 380000
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    got = list(pool.map(lambda _: c.get_item(TableName='orders', Key={'id': {'S': 'ada#1'}})['Item']['total']['N'], range(64)))
print(set(got))"`);
    assert.equal(listed.trim(), "{'18.15'}");
  });

  it("is what the SDK for JavaScript needs, and each request is on record with who and from where", async () => {
    const got = await said(
      js(`import { DynamoDBClient, GetItemCommand } from "${ROOT}node_modules/@aws-sdk/client-dynamodb/dist-cjs/index.js";
const client = new DynamoDBClient({});
const key = { TableName: "orders", Key: { id: { S: "ada#1" } } };
console.log((await client.send(new GetItemCommand(key))).Item.total.N);`),
    );
    assert.equal(got.trim(), "18.15");
    const events = auditOf(join(directory, "agent", "audit"));
    const last = events.findLast(({ event }) => event === "db.session.dynamodb.request");
    assert.equal(last?.["user"], "alice");
    assert.equal(last?.["db_user"], "arn:aws:iam::123456789012:role/ExampleRole");
    assert.equal(last?.["outcome"], "completed");
  });

  it("says what is wrong to who has no login, on stderr and not as credentials", async () => {
    const { code, stdout, stderr } = await line(
      "POSTERN_HOME=$PWD/none postern credentials --db-user=ExampleRole example-dynamodb",
    );
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /Not logged in/);
    const other = await line("postern credentials --db-user=ExampleRole others");
    assert.equal(other.code, 1);
    assert.match(other.stderr, /database "others".*not found/);
  });

  it("takes no other keys: those of AWS are nobody's here", async () => {
    const client =
      js(`import { DynamoDBClient, ListTablesCommand } from "${ROOT}node_modules/@aws-sdk/client-dynamodb/dist-cjs/index.js";
const client = new DynamoDBClient({ credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "b", sessionToken: process.argv[2] } });
await client.send(new ListTablesCommand({})).catch((error) => console.log(error.name));`);
    assert.equal((await said(client)).trim(), "UnrecognizedClientException");
    assert.equal((await said(`${client} 1.a.b.c`)).trim(), "UnrecognizedClientException");
  });

  it("ends with the next operation when a lock is set, with keys that are held already", async () => {
    const client =
      js(`import { DynamoDBClient, ListTablesCommand } from "${ROOT}node_modules/@aws-sdk/client-dynamodb/dist-cjs/index.js";
import { execFileSync } from "node:child_process";
const client = new DynamoDBClient({});
const list = () => client.send(new ListTablesCommand({})).then(() => "allowed", (error) => error.name + " " + error.message);
console.log(await list());
execFileSync("postern", ["ctl", "-c", "auth.yaml", "create", "lock.yaml"]);
for (let round = 0; round < 100; round++) {
  const said = await list();
  if (said === "allowed") await new Promise((resolve) => setTimeout(resolve, 50));
  else { console.log(said); break; }
}`);
    const [first, second] = (await said(client)).split("\n");
    assert.equal(first, "allowed");
    assert.match(second ?? "", /^AccessDeniedException .*locked.*see the desk/);
    const { code, stdout } = await line("postern credentials --db-user=ExampleRole example-dynamodb");
    assert.equal(code, 3);
    assert.equal(stdout, "");
  });
});
