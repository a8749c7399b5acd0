import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
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
    dataDir = "./data",
  ): Promise<{ code: number; findings: Finding[] }> => {
    const file = join(directory, "postern.yaml");
    writeFileSync(
      file,
      `
version: v3
postern: {data_dir: ${dataDir}, resources: ./resources}
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
    // Its trust policy may be as it should: nobody has asked.
    const roles = findings.filter(({ subject }) => subject.startsWith("AWS role"));
    assert.deepEqual(
      roles.map(({ state, message }) => [state, /not tried/.test(message)]),
      [["warn", true]],
    );
    assert.doesNotMatch(JSON.stringify(roles), /trust/);
  });

  it("takes an STS that cannot be reached for that, not for a lack of trust", async () => {
    const { code, findings } = await doctor(listener("alice", "ExampleRole"), {
      AWS_ENDPOINT_URL_STS: await closedUrl(),
    });
    assert.equal(code, 1);
    const role = findings.find(({ subject }) => subject.startsWith("AWS role"));
    assert.equal(role?.state, "fail");
    assert.match(role.remedy ?? "", /reach STS/);
    assert.doesNotMatch(JSON.stringify(role), /trust/);
  });

  it("guesses the user and the database that were meant, and says where to correct the listener", async () => {
    const { findings } = await doctor(
      `[${listener("alcie", "ExampleRole").slice(1, -1)}, ${listener("alice", "ExampleRole").slice(1, -1).replace("example,", "exampel,")}]`,
    );
    const remedies = findings.filter(({ subject }) => subject.startsWith("listener")).map(({ remedy }) => remedy);
    assert.equal(remedies.length, 2);
    assert.match(remedies[0] ?? "", /postern\.yaml:6 \(did you mean "alice"\?\)/);
    assert.match(remedies[1] ?? "", /postern\.yaml:6 \(did you mean "example"\?\)/);
  });

  it("passes on what the resources are warned of", async () => {
    writeFileSync(
      join(directory, "resources", "lock.yaml"),
      "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: bob}}\n",
    );
    const { findings } = await doctor(listener("alice", "ExampleRole"));
    rmSync(join(directory, "resources", "lock.yaml"));
    const warning = findings.find(({ subject }) => subject.includes("lock.yaml"));
    assert.equal(warning?.state, "warn");
  });

  it("says that no directory can be made where data_dir points, rather than trying for ever", async () => {
    const { code, findings } = await doctor(listener("alice", "ExampleRole"), {}, "/proc/postern");
    assert.equal(code, 1);
    const finding = findings.find(({ subject }) => subject === "data directory");
    assert.equal(finding?.state, "fail");
    assert.match(finding.message, /postern\.yaml:3:\d+: .*"\/proc\/postern"/);
  });

  it("prints lists of problems indented, and YAML when asked", async () => {
    const file = join(directory, "postern.yaml");
    const bad = join(directory, "resources", "bad.yaml");
    writeFileSync(bad, "kind: user\nversion: v2\nmetadata: {name: u}\nspec: {rolls: []}\n");
    const { stdout } = await run(["doctor", "-c", file], {});
    assert.match(
      stdout,
      /\nfail {2}policy and resources: .*\n {6}.*bad\.yaml:4:\d+: .*\n {8}hint: did you mean "roles"\?\n/,
    );
    const yaml = await run(["doctor", "-c", file, "-f", "yaml"], {});
    rmSync(bad);
    assert.match(yaml.stdout, /^- state: ok\n {2}subject: configuration\n/);
  });
});

/** Where nobody listens any more. */
async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

function run(args: string[], env: Record<string, string>): Promise<{ code: number; stdout: string }> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
  return new Promise((resolve) => {
    execFile(process.execPath, [LAUNCHER, ...args], { env: { ...clean, NO_COLOR: "1", ...env } }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout });
    });
  });
}
