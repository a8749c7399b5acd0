import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";
import { missing, type Moto, startMoto } from "../support/peers.ts";
import { signed, startIssuer, type TestIssuer } from "../support/issuer.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Service {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  log(): string;
}

const noMoto = await missing("motoServer");

describe("joining a cluster, as people do it", () => {
  let directory: string;
  let config: string;
  let issuer: TestIssuer;
  let auth: Service;
  let proxy: string;
  let pin: string;
  let moto: Moto | undefined;
  const running: Service[] = [];

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "postern-join-"));
    config = join(directory, "postern.yaml");
    issuer = await startIssuer();
    writeFileSync(join(directory, "issuer.pem"), issuer.ca);
    writeFileSync(
      config,
      `
version: v3
postern: {nodename: auth-1, data_dir: ./data}
auth_service: {enabled: "yes", cluster_name: example, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
db_service: {enabled: "no"}
`,
    );
    pin = /CA pin +(sha256:\S+)/.exec((await run(["ctl", "-c", config, "status"])).out)?.[1] ?? "";
    moto = noMoto === false ? await startMoto({ verify: true }) : undefined;
    auth = start(["start", "-c", config], moto === undefined ? {} : { AWS_ENDPOINT_URL_STS: moto.url });
    await eventually(() => /Listening.*address=(\S+)/.test(auth.log()));
    proxy = /Listening.*address=(\S+)/.exec(auth.log())?.[1] ?? "";
  });
  afterEach(async () => {
    for (const one of running.splice(1)) {
      one.child.kill();
      await one.ended;
    }
  });
  after(async () => {
    auth.child.kill();
    await auth.ended;
    await moto?.close();
    await issuer.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const surroundings = (): Record<string, string | undefined> => ({
    ...process.env,
    POSTERN_HOME: join(directory, "home"),
    NODE_EXTRA_CA_CERTS: join(directory, "issuer.pem"),
  });

  function start(words: readonly string[], more: Readonly<Record<string, string>> = {}): Service {
    const child = spawn(process.execPath, [LAUNCHER, ...words], {
      env: { ...surroundings(), ...more },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const service = {
      child,
      ended: new Promise<number | null>((resolve) => child.once("exit", resolve)),
      log: () => text,
    };
    running.push(service);
    return service;
  }

  function run(words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const child = spawn(process.execPath, [LAUNCHER, ...words], {
      env: { ...surroundings(), ...more },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
  }

  function agentFile(
    name: string,
    more: { readonly pin?: string; readonly proxy?: string; readonly how?: string } = {},
  ): string {
    const how = more.how ?? `auth_token: ${join(directory, "token")}`;
    const file = join(directory, `${name}.yaml`);
    writeFileSync(
      file,
      `
version: v3
postern: {nodename: ${name}, data_dir: ./${name}, proxy_server: "${more.proxy ?? proxy}", ${how}, ca_pin: "${more.pin ?? pin}"}
db_service:
  enabled: "yes"
  databases: [{name: orders, protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}]
`,
    );
    return file;
  }

  async function newToken(): Promise<string> {
    const { out, err } = await run([
      "ctl",
      "-c",
      config,
      "tokens",
      "add",
      "--type=db",
      "--max-uses=1",
      "--format=text",
    ]);
    assert.match(out, /^[0-9a-f]{32}\n$/, err);
    writeFileSync(join(directory, "token"), out);
    return out.trim();
  }

  it("an agent joins by the guide's file, says so, is ready then, and stays a member over a restart", async () => {
    const token = await newToken();
    const file = agentFile("db-1");
    const first = start(["start", "-c", file, "--diag-addr", "127.0.0.1:0"]);
    await eventually(() => first.log().includes("Ready"));
    const host = /Joined cluster "example" as host (\S+)/.exec(first.log())?.[1];
    assert.ok(host !== undefined, first.log());
    assert.ok(!first.log().includes(token) && !first.log().includes("is not used"));
    const diagnostics = /Diagnostics.*address=(\S+)/.exec(first.log())?.[1];
    const ready = (await (await fetch(`http://${diagnostics}/readyz`)).json()) as {
      parts: Record<string, string | null>;
    };
    assert.equal(ready.parts["cluster"], null);
    first.child.kill();
    assert.equal(await first.ended, 0);
    // The token can be used no more, and need not be.
    const second = start(["start", "-c", file]);
    await eventually(() => second.log().includes("Ready"));
    assert.match(second.log(), new RegExp(`Member of cluster "example" as host ${host}`));
    const events = await run([
      "audit",
      "ls",
      "--type",
      "instance.join",
      "--data-dir",
      join(directory, "data"),
      "-f",
      "json",
    ]);
    assert.ok(events.out.includes(host) && !events.out.includes(token), events.out);
  });

  it("an agent joins by the AWS identity that it has, without a secret of the cluster", { skip: noMoto }, async () => {
    const { userArn, key } = moto ?? assert.fail("there is no moto");
    const document = join(directory, "iam.yaml");
    const rule = `{aws_account: "123456789012", aws_arn: "${userArn}"}`;
    writeFileSync(
      document,
      `kind: token\nversion: v2\nmetadata: {name: agents}\nspec: {roles: [Db], join_method: iam, allow: [${rule}]}\n`,
    );
    assert.equal((await run(["ctl", "-c", config, "create", "-f", document])).code, 0);
    const file = agentFile("db-6", { how: "join_params: {method: iam, token_name: agents}" });
    const credentials = { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: key.secretAccessKey };
    const agent = start(["start", "-c", file], credentials);
    await eventually(() => agent.log().includes("Ready"));
    assert.match(agent.log(), /Joined cluster "example" as host/);
    const stranger = await run(
      ["start", "-c", agentFile("db-7", { how: "join_params: {method: iam, token_name: agents}" })],
      {
        ...credentials,
        AWS_SECRET_ACCESS_KEY: "guessed",
      },
    );
    assert.equal(stranger.code, 1);
    assert.match(stranger.err, /Cannot join by AWS identity: STS answered 403/);
  });

  it("an agent ends with what is wrong: the pin, the token, or that nothing is there to join by", async () => {
    await newToken();
    const wrongPin = await run(["start", "-c", agentFile("db-2", { pin: `sha256:${"0".repeat(64)}` })]);
    assert.equal(wrongPin.code, 1);
    assert.match(
      wrongPin.err,
      /error: Cannot trust 127\.0\.0\.1:\d+: none of the certificates .* has the pin sha256:0+\n/,
    );
    writeFileSync(join(directory, "token"), `${"f".repeat(32)}\n`);
    const wrongToken = await run(["start", "-c", agentFile("db-3")]);
    assert.equal(wrongToken.code, 1);
    assert.match(wrongToken.err, /error: Cannot join the cluster: the token is unknown, too old, used up/);
    assert.match(wrongToken.err, /hint: ask an administrator for another: postern ctl tokens add --type=db/);
    assert.ok(!wrongToken.err.includes("ffffffff"));
    rmSync(join(directory, "token"));
    const none = await run(["start", "-c", agentFile("db-4")]);
    assert.equal(none.code, 1);
    assert.match(none.err, /the token's file ".*token" cannot be read/);
  });

  it("an agent waits for a cluster that is not there, unready", async () => {
    await newToken();
    const agent = start(["start", "-c", agentFile("db-5", { proxy: "127.0.0.1:1" }), "--diag-addr", "127.0.0.1:0"]);
    await eventually(() => agent.log().includes("Cannot join the cluster"));
    const diagnostics = /Diagnostics.*address=(\S+)/.exec(agent.log())?.[1];
    await eventually(async () =>
      (await (await fetch(`http://${diagnostics}/readyz`)).text()).includes("has not joined"),
    );
    agent.child.kill();
    assert.equal(await agent.ended, 0);
  });

  it("a job logs in by GitHub's token, and by one in a file, without a secret of the cluster", async () => {
    const documents = join(directory, "bot.yaml");
    writeFileSync(
      documents,
      `
kind: user
version: v2
metadata: {name: ci}
spec: {roles: [access]}
---
kind: token
version: v2
metadata: {name: orders-ci}
spec:
  roles: [Bot]
  join_method: github
  bot_name: ci
  github: {enterprise_server_host: "${issuer.host}", allow: [{repository: acme/orders}]}
`,
    );
    const created = await run(["ctl", "-c", config, "create", "-f", documents]);
    assert.equal(created.code, 0, created.err);
    const key = await issuer.newKey("gh-1");
    const now = Math.floor(Date.now() / 1000);
    const jwt = (audience: string | null): Promise<string> =>
      signed(
        {
          iss: issuer.url,
          aud: audience ?? "",
          sub: "repo:acme/orders",
          iat: now,
          exp: now + 300,
          repository: "acme/orders",
        },
        { key, kid: "gh-1" },
      );
    issuer.sign = async (authorization, query) => {
      assert.equal(authorization, "Bearer of-the-job");
      return jwt(query.get("audience"));
    };
    const words = ["login", `--proxy=${proxy}`, `--ca-pin=${pin}`, "--join-method=github", "--token=orders-ci"];
    const outside = await run(words);
    assert.deepEqual([outside.code, /id-token: write/.test(outside.err)], [1, true], outside.err);
    const job = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `https://${issuer.host}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "of-the-job",
    };
    const login = await run(words, job);
    assert.equal(login.code, 0, login.err);
    assert.match(login.out, /Logged in as: {7}ci\n[\s\S]*valid for 1h0m0s/);
    const status = JSON.parse((await run(["status", "-f", "json"])).out) as {
      active: { username: string; traits: object };
    };
    assert.deepEqual([status.active.username, status.active.traits], ["ci", { bot: ["orders-ci"] }]);
    assert.equal((await run(["db", "ls"])).code, 0);
    const file = join(directory, "jwt");
    writeFileSync(file, `${await jwt("example")}\n`);
    assert.equal((await run([...words, `--jwt-file=${file}`])).code, 0);
    writeFileSync(file, await jwt("another"));
    const wrong = await run([...words, `--jwt-file=${file}`]);
    assert.deepEqual([wrong.code, /not for audience "example"/.test(wrong.err)], [1, true], wrong.err);
    assert.ok(!wrong.err.includes(readFileSync(file, "utf8").slice(-20)));
    assert.equal((await run(["login", "--token=orders-ci"])).code, 2);
    assert.equal((await run([...words, "--user=alice"])).code, 2);
  });
});
