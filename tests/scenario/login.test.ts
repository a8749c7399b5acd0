import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("login, status and logout, as people run them", () => {
  let directory: string;
  let config: string;
  let service: ChildProcess;
  let proxy: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "postern-login-"));
    config = join(directory, "postern.yaml");
    writeFileSync(
      config,
      `
version: v3
postern: {nodename: test, data_dir: ./data}
auth_service: {enabled: "yes", cluster_name: example, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
db_service: {enabled: "no"}
`,
    );
    const added = await run(
      ["ctl", "-c", config, "users", "add", "alice", "--roles=access", "--password-stdin"],
      PASSWORD,
    );
    assert.equal(added.code, 0, added.err);
    const database = join(directory, "db.yaml");
    writeFileSync(
      database,
      `
kind: db
version: v3
metadata: {name: orders, labels: {env: dev}}
spec: {protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}
`,
    );
    const created = await run(["ctl", "-c", config, "create", "-f", database]);
    assert.equal(created.code, 0, created.err);
    service = spawn(process.execPath, [LAUNCHER, "start", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    proxy = await new Promise((resolve, reject) => {
      let text = "";
      service.once("exit", (code) => reject(new Error(`it ended with ${code}: ${text}`)));
      service.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        const address = /Listening.*address=(\S+)/.exec(text)?.[1] ?? /"address":"([^"]+)".*Listening/.exec(text)?.[1];
        if (address !== undefined) resolve(address);
      });
    });
  });
  after(async () => {
    const ended = new Promise((resolve) => service.once("exit", resolve));
    service.kill();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });

  function run(words: readonly string[], input = "", more: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const env = { ...process.env, POSTERN_HOME: join(directory, "home"), ...more };
    const child = spawn(process.execPath, [LAUNCHER, ...words], { env, stdio: "pipe" });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
    child.stdin.end(input);
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
  }

  it("work with the pin that ctl status prints, and the guide's roles can be read off", async () => {
    const pin = /CA pin +(sha256:\S+)/.exec((await run(["ctl", "-c", config, "status"])).out)?.[1] ?? "";
    const first = await run(["status", "-f", "json"]);
    assert.deepEqual([first.code, JSON.parse(first.out)], [1, { profiles: [] }]);
    const words = ["login", `--proxy=${proxy}`, "--user=alice", "--password-stdin"];
    const unknown = await run(words, PASSWORD);
    assert.equal(unknown.code, 1);
    assert.match(unknown.err, /hint: log in with --ca-pin=sha256:…/);
    const login = await run([...words, `--ca-pin=${pin}`], `${PASSWORD}\n`);
    assert.deepEqual([login.code, login.err], [0, ""]);
    const status = await run(["status", "-f", "json"]);
    assert.equal(status.code, 0, status.err);
    const { active } = JSON.parse(status.out) as { active: { roles: string[] } };
    assert.equal(active.roles.join(","), "access");
    const update = [
      "ctl",
      "-c",
      config,
      "users",
      "update",
      "alice",
      "--set-roles",
      `${active.roles.join(",")},auditor`,
    ];
    assert.equal((await run(update)).code, 0);
    // New roles come with a new login; the cluster is known by now.
    const again = await run(words, PASSWORD);
    assert.match(again.out, /Roles: {14}access, auditor\n/);
    assert.match((await run(["db", "ls"])).out, /\norders .*env=dev\n$/);
    const file = join(directory, "home", `${proxy.replace(":", "_")}.json`);
    const { trusted } = JSON.parse(readFileSync(file, "utf8")) as { trusted: string[] };
    assert.equal((await run(["logout"])).out, "Logged out of all clusters.\n");
    const last = await run(["status"]);
    assert.deepEqual([last.code, last.err.split("\n")[0]], [1, "postern: error: Not logged in."]);

    // An authority that the system trusts needs no pin, and the cluster's own are not asked in its place later.
    const authority = join(directory, "authority.pem");
    writeFileSync(authority, trusted.join(""));
    const trusting = { NODE_EXTRA_CA_CERTS: authority };
    assert.equal((await run(words, PASSWORD, trusting)).code, 0);
    assert.match(readFileSync(file, "utf8"), /"door": "system"/);
    assert.match((await run(words, PASSWORD)).err, /no authority that this system trusts/);
  });
});
