import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { ALICE_MAY_NEARLY_EVERYTHING } from "../support/gateway.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

interface Finding {
  readonly state: string;
  readonly subject: string;
  readonly message: string;
  readonly remedy?: string;
}

describe("postern doctor", () => {
  let sandbox: Sandbox;
  let directory: string;
  before(async () => {
    sandbox = await startSandbox();
    directory = mkdtempSync(join(tmpdir(), "postern-doctor-"));
    mkdirSync(join(directory, "resources"));
    writeFileSync(join(directory, "resources", "all.yaml"), ALICE_MAY_NEARLY_EVERYTHING);
  });
  after(async () => {
    await sandbox.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const doctor = async (
    listeners: string,
    env: Record<string, string> = {},
  ): Promise<{ code: number; findings: Finding[] }> => {
    const file = join(directory, "postern.yaml");
    writeFileSync(
      file,
      `
version: v3
postern: {data_dir: ./data, resources: ./resources}
db_service:
  enabled: "yes"
  listeners: ${listeners}
  databases:
    - {name: example, protocol: dynamodb, uri: "${sandbox.dynamodb.url}", static_labels: {env: dev}, aws: {region: us-east-1, account_id: "123456789012"}}
`,
    );
    // The sandbox has no IAM: what asks for trust policies gets an error there, not the network.
    const { code, stdout } = await run(["doctor", "-c", file, "-f", "json"], {
      ...sandbox.env,
      AWS_ENDPOINT_URL_IAM: sandbox.sts.url,
      ...env,
    });
    return { code, findings: JSON.parse(stdout) as Finding[] };
  };
  const listener = (user: string, role: string): string =>
    `[{address: "127.0.0.1:0", user: ${user}, database: example, db_user: ${role}}]`;

  it("finds everything well but what it cannot see, and ends with 0", async () => {
    const { code, findings } = await doctor(listener("alice", "ExampleRole"));
    assert.equal(code, 0, JSON.stringify(findings));
    const states = Object.fromEntries(findings.map(({ subject, state }) => [subject, state]));
    assert.deepEqual(states, {
      configuration: "ok",
      "data directory": "ok",
      policy: "ok",
      resources: "ok",
      "own AWS identity": "ok",
      clock: "ok",
      "database example": "ok",
      "AWS role arn:aws:iam::123456789012:role/ExampleRole": "ok",
      "trust of arn:aws:iam::123456789012:role/ExampleRole": "warn",
    });
  });

  it("names a role that cannot be assumed and a user who does not exist, each with a remedy, and ends with 1", async () => {
    const { code, findings } = await doctor(
      `[${listener("alice", "NoSuchRole").slice(1, -1)}, ${listener("carol", "ExampleRole").slice(1, -1)}]`,
    );
    assert.equal(code, 1);
    const failed = findings.filter(({ state }) => state === "fail");
    assert.deepEqual(failed.map(({ subject }) => subject).sort(), [
      "AWS role arn:aws:iam::123456789012:role/NoSuchRole",
      "listener 127.0.0.1:0",
    ]);
    assert.ok(failed.every(({ remedy }) => remedy !== undefined));
    const said = JSON.stringify(findings);
    assert.ok(!said.includes(sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "none"), "no secret is shown");
  });

  it("says that the gateway has no credentials of its own", async () => {
    const { code, findings } = await doctor(listener("alice", "ExampleRole"), {
      AWS_ACCESS_KEY_ID: "",
      AWS_SECRET_ACCESS_KEY: "",
      AWS_EC2_METADATA_DISABLED: "true",
      HOME: directory,
    });
    assert.equal(code, 1);
    assert.equal(findings.find(({ subject }) => subject === "own AWS credentials")?.state, "fail");
  });
});

function run(args: string[], env: Record<string, string>): Promise<{ code: number; stdout: string }> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
  return new Promise((resolve) => {
    execFile(process.execPath, [LAUNCHER, ...args], { env: { ...clean, NO_COLOR: "1", ...env } }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout });
    });
  });
}
