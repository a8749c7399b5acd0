import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { ALICE_MAY_NEARLY_EVERYTHING, auditOf, ORDERS } from "../support/gateway.ts";
import { type PosternProcess, startPostern } from "../support/postern-process.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

describe("postern start", () => {
  let sandbox: Sandbox;
  before(async () => {
    sandbox = await startSandbox();
    await sandbox.seed([ORDERS]);
  });
  after(() => sandbox.close());

  const start = (options: { workers?: number; postern?: string } = {}): Promise<PosternProcess> =>
    startPostern({ resources: ALICE_MAY_NEARLY_EVERYTHING, uri: sandbox.dynamodb.url, env: sandbox.env, ...options });

  it("lets requests in flight end when it is told to stop, and ends with 0", async () => {
    const postern = await start();
    try {
      sandbox.fail("dynamodb_slow", { delayMs: 400 });
      const answer = get(postern.url);
      await new Promise((resolve) => setTimeout(resolve, 150));
      const code = postern.stop();
      assert.equal(await answer, 200);
      assert.equal(await code, 0);
      const events = auditOf(`${postern.dataDir}/audit`).map((line) => line["event"]);
      assert.equal(events.at(-1), "postern.service.stop");
      assert.match((await run("audit", "verify", "--data-dir", postern.dataDir)).stdout, /^ok/);
    } finally {
      sandbox.heal();
      await postern.close();
    }
  });

  it("records an intent that kill -9 left without its event as unknown, at the next start", async () => {
    const postern = await start();
    const { dataDir } = postern;
    try {
      sandbox.fail("dynamodb_slow", { delayMs: 5_000 });
      const answer = get(postern.url).catch(() => "gone");
      await until(() => auditOf(`${dataDir}/audit`).some((line) => line["event"] === "db.session.dynamodb.intent"));
      assert.equal(await postern.stop("SIGKILL"), "SIGKILL");
      assert.equal(await answer, "gone");
      sandbox.heal();
      const again = await startPostern({
        resources: ALICE_MAY_NEARLY_EVERYTHING,
        uri: sandbox.dynamodb.url,
        env: sandbox.env,
        dataDir,
      });
      await again.close();
      const lines = auditOf(`${dataDir}/audit`);
      const intent = lines.find((line) => line["event"] === "db.session.dynamodb.intent");
      const event = lines.find(
        (line) => line["event"] === "db.session.dynamodb.request" && line["uid"] === intent?.["uid"],
      );
      assert.deepEqual([event?.["code"], event?.["outcome"]], ["TDY01E", "unknown"]);
      assert.match((await run("audit", "verify", "--data-dir", dataDir)).stdout, /^ok/);
    } finally {
      sandbox.heal();
      await postern.close();
    }
  });

  it("shares its listeners among workers, reads their metrics as one and replaces one that dies", async () => {
    const postern = await start({ workers: 2 });
    try {
      assert.deepEqual(
        await Promise.all(Array.from({ length: 40 }, () => get(postern.url))),
        Array.from({ length: 40 }, () => 200),
      );
      const metrics = await (await fetch(`${postern.diagnostics}/metrics`)).text();
      assert.match(metrics, /^postern_requests_total\{operation="GetItem",outcome="allowed"\} 40$/m);
      const streams = new Set(auditFiles(postern.dataDir));
      assert.ok(streams.size >= 2, `each worker writes its own chain: ${[...streams].join(", ")}`);
      const [victim] = workersOf(postern);
      assert.ok(victim !== undefined);
      process.kill(victim, "SIGKILL");
      await until(() => workersOf(postern).length === 2 && !workersOf(postern).includes(victim));
      await until(async () => (await fetch(`${postern.diagnostics}/readyz`)).status === 200);
      assert.equal(await get(postern.url), 200);
      assert.equal(await postern.stop(), 0);
      assert.doesNotMatch(postern.log(), /were killed/, "the workers end by themselves");
      assert.match((await run("audit", "verify", "--data-dir", postern.dataDir)).stdout, /^ok/m);
    } finally {
      await postern.close();
    }
  });

  it("says in one error with file, line and hint what is wrong with a configuration, and ends with 1", async () => {
    const postern = await start();
    await postern.stop();
    try {
      const { writeFile, readFile } = await import("node:fs/promises");
      const text = await readFile(postern.configFile, "utf8");
      await writeFile(postern.configFile, text.replace("static_labels", "static_lables"));
      const { code, stderr } = await run("start", "-c", postern.configFile);
      assert.equal(code, 1);
      assert.match(stderr, /^postern: error: /);
      assert.match(stderr, /postern\.yaml:\d+:\d+: .*static_lables/);
      assert.match(stderr, /static_labels/);
      assert.doesNotMatch(stderr, /\n\s+at /);
    } finally {
      await postern.close();
    }
  });

  it("ends with 2 and a hint when it is misused", async () => {
    const { code, stderr } = await run("start", "--confg", "postern.yaml");
    assert.equal(code, 2);
    assert.match(stderr, /^postern: error: unknown option '--confg'\n.*--config/);
    assert.match(stderr, /^postern: hint: postern start --help$/m);
  });

  it("keeps what a client and the audit reader see free of secrets", async () => {
    const postern = await start();
    try {
      await get(postern.url);
      await postern.stop();
      const secrets = [sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "none", sandbox.env["AWS_ACCESS_KEY_ID"] ?? "none"];
      const said = postern.log() + JSON.stringify(auditOf(`${postern.dataDir}/audit`));
      for (const secret of secrets) assert.ok(!said.includes(secret));
    } finally {
      await postern.close();
    }
  });
});

async function get(url: string): Promise<number> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem" },
    body: JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } }),
  });
  await response.arrayBuffer();
  return response.status;
}

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [LAUNCHER, ...args],
      { env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
  });
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const giveUp = Date.now() + 20_000; Date.now() < giveUp;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not come to hold");
}

function auditFiles(dataDir: string): string[] {
  return readdirSync(`${dataDir}/audit`)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => name.replace(/-\d+\.jsonl$/, ""));
}

/** The process ids of the workers, as the system knows them. */
function workersOf({ child }: PosternProcess): number[] {
  const path = `/proc/${child.pid}/task/${child.pid}/children`;
  return readFileSync(path, "utf8")
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(Number);
}
