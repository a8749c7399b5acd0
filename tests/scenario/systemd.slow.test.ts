import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually } from "../support/eventually.ts";
import { lacking } from "../support/programs.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const run = promisify(execFile);
const STRACE = await lacking("strace", ["strace", "-V"]);

describe("postern systemd", { skip: await lacking("systemd", ["systemd-analyze", "--version"]) }, () => {
  let directory: string;
  before(() => void (directory = mkdtempSync(join(tmpdir(), "postern-systemd-"))));
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** The unit of a configuration, in a file of its own. */
  async function unitOf(
    yaml: string | undefined,
    ...words: readonly string[]
  ): Promise<{ path: string; said: string }> {
    const place = mkdtempSync(join(directory, "unit-"));
    const config = join(place, "postern.yaml");
    if (yaml !== undefined) writeFileSync(config, yaml);
    const path = join(place, "postern.service");
    const { stderr } = await run(process.execPath, [LAUNCHER, "systemd", "-c", config, "-o", path, ...words]);
    return { path, said: stderr };
  }

  const configurations: Readonly<Record<string, { yaml: string | undefined; words: readonly string[] }>> = {
    "a file that is not there yet": { yaml: undefined, words: [] },
    "a cluster on port 443": {
      yaml: 'version: v3\nauth_service: {enabled: "yes"}\nproxy_service: {enabled: "yes", listen_addr: "0.0.0.0:443"}\n',
      words: ["--diag-addr", "127.0.0.1:3000"],
    },
    "an agent with its token in /tmp": {
      yaml: "version: v3\npostern: {proxy_server: 'p.acme.io:443', auth_token: /tmp/token}\ndb_service: {enabled: \"yes\"}\n",
      words: [],
    },
    "a gateway with a directory and a socket of its own": {
      yaml: `version: v3
postern: {data_dir: "./my data", resources: ./resources}
db_service:
  enabled: "yes"
  listeners: [{address: "unix:/run/postern/db.sock", user: alice, database: orders, db_user: R}]
  databases: [{name: orders, protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}]
`,
      words: ["--user", "root"],
    },
  };
  for (const [what, { yaml, words }] of Object.entries(configurations)) {
    it(`makes a unit of ${what} that systemd takes, with an exposure of at most 2.0 of 10`, async () => {
      const { path } = await unitOf(yaml, ...words);
      // What it has to say of other units of this machine is not about ours.
      const { stderr } = await run("systemd-analyze", ["verify", "--recursive-errors=no", path]);
      assert.equal(stderr, "");
      if (words.includes("root")) return;
      await run("systemd-analyze", ["security", "--offline=yes", "--no-pager", "--threshold=20", path]);
    });
  }

  it("says what the service could not read, and refuses a directory that systemd does not make", async () => {
    const { said } = await unitOf(undefined);
    assert.match(said, /postern\.yaml is not there yet/);
    const cluster = await unitOf('version: v3\nauth_service: {enabled: "yes"}\n');
    assert.match(cluster.said, /add --user NAME to administer here/);
    await assert.rejects(unitOf('version: v3\npostern: {data_dir: ./data}\ndb_service: {enabled: "yes"}\n'), {
      stderr: /Cannot let systemd make the user: data_dir .*\npostern: hint: add --user NAME/,
    });
  });

  it("allows the system calls that a start, a request and a stop make", { skip: STRACE }, async () => {
    const place = join(directory, "traced");
    mkdirSync(place);
    const config = join(place, "postern.yaml");
    writeFileSync(
      config,
      'version: v3\npostern: {nodename: n, data_dir: ./data, workers: 2}\nauth_service: {enabled: "yes", authentication: {second_factor: off}}\nproxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}\n',
    );
    const trace = join(place, "trace");
    const words = [
      "-f",
      "-qq",
      "-o",
      trace,
      process.execPath,
      LAUNCHER,
      "start",
      "-c",
      config,
      "--diag-addr",
      "127.0.0.1:0",
    ];
    // In a group of its own: strace hands no signal on.
    const child = spawn("strace", words, { stdio: ["ignore", "ignore", "pipe"], detached: true });
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    try {
      await eventually(() => /Diagnostics +address=\S+/.test(log) && log.includes("proxy_service"));
      const address = /Diagnostics +address=(\S+)/.exec(log)?.[1] ?? "";
      await eventually(async () => (await fetch(`http://${address}/readyz`)).status === 200);
      await fetch(`http://${address}/metrics`);
    } finally {
      process.kill(-(child.pid ?? 0), "SIGTERM");
      await ended;
    }
    const used = new Set(
      [...readFileSync(trace, "utf8").matchAll(/^\d+ +([a-z_0-9]+)\(/gm)]
        .map(([, name]) => name ?? "")
        // What strace reads of a thread that ends just then is an error's number, not a call's.
        .filter((name) => !name.startsWith("syscall_0xfff")),
    );
    assert.ok(used.has("epoll_wait") || used.has("epoll_pwait"), "nothing was traced");

    const { path } = await unitOf(undefined);
    const filters = [...readFileSync(path, "utf8").matchAll(/^SystemCallFilter=(.*)$/gm)].map(
      ([, words = ""]) => words,
    );
    const [allowed = "", denied = ""] = filters;
    const may = new Set((await Promise.all(allowed.split(" ").map(callsOf))).flat());
    const mayNot = new Set(await callsOf(denied.slice(1)));
    // SQLite gives its files to the owner of the database when it runs as root, which the service does not.
    const asRoot = new Set(["fchown"]);
    assert.deepEqual(
      [...used].filter((name) => (!may.has(name) || mayNot.has(name)) && !asRoot.has(name)),
      [],
    );
  });
});

/** The system calls of one of systemd's sets, those of the sets in it included. */
async function callsOf(set: string): Promise<string[]> {
  const { stdout } = await run("systemd-analyze", ["syscall-filter", "--no-pager", set]);
  const names = [...stdout.matchAll(/^ {4}([@\w-]+)$/gm)].map(([, name]) => name ?? "");
  const found = await Promise.all(names.map(async (name) => (name.startsWith("@") ? await callsOf(name) : [name])));
  return found.flat();
}
