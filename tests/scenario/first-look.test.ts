import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ALICE_MAY_NEARLY_EVERYTHING } from "../support/gateway.ts";
import { eventually } from "../support/eventually.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

describe("postern start, of what it cannot do", () => {
  let directory = "";
  let child: ChildProcess | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "postern-look-"));
    mkdirSync(join(directory, "resources"));
    writeFileSync(join(directory, "resources", "all.yaml"), ALICE_MAY_NEARLY_EVERYTHING);
  });
  afterEach(async () => {
    if (child?.exitCode === null) {
      const ended = new Promise((resolve) => child?.once("exit", resolve));
      child.kill();
      await ended;
    }
    rmSync(directory, { recursive: true });
  });

  /** Starts the gateway; what it says on stderr grows behind the function that is returned. */
  const start = (postern: string, listener: string, database: string): (() => string) => {
    const file = join(directory, "postern.yaml");
    writeFileSync(
      file,
      `
version: v3
postern: {resources: ./resources, ${postern}}
db_service:
  enabled: "yes"
  listeners: [{address: "127.0.0.1:0", database: example, db_user: ExampleRole, ${listener}}]
  databases:
    - {name: example, protocol: dynamodb, static_labels: {env: dev}, aws: {region: us-east-1, account_id: "123456789012"}${database}}
`,
    );
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
    child = spawn(process.execPath, [LAUNCHER, "start", "-c", file], {
      env: { ...clean, AWS_EC2_METADATA_DISABLED: "true", HOME: directory },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    return () => text;
  };

  it("warns that there are no AWS credentials, with a remedy, and serves", async () => {
    const log = start("data_dir: ./data", "user: alice", "");
    await eventually(() => /WARN .*AWS credentials/.test(log()) && / Ready /.test(log()));
    assert.match(log(), /WARN .*AWS credentials.*503.*hint=set AWS_ACCESS_KEY_ID/);
  });

  it("warns of a listener whose user is not there, and not of credentials that an emulator needs none of", async () => {
    const log = start("data_dir: ./data", "user: bob", ', uri: "http://127.0.0.1:1"');
    await eventually(() => /no such user.*user=bob/.test(log()));
    assert.doesNotMatch(log(), /AWS credentials/);
  });

  it("ends at once where its data directory cannot be made", async () => {
    const log = start("data_dir: /proc/postern", "user: alice", "");
    await eventually(() => child?.exitCode !== null);
    assert.equal(child?.exitCode, 1);
    assert.match(log(), /postern\.yaml:3:\d+: Cannot use data_dir "\/proc\/postern"[^]*hint: /);
  });
});
