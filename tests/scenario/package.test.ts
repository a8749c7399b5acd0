import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { ALICE_MAY_NEARLY_EVERYTHING, ORDERS } from "../support/gateway.ts";
import { startPostern } from "../support/postern-process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

describe("the package as it ships", () => {
  let sandbox: Sandbox;
  /** In the checkout, so that the packages that are not built in are found. */
  let place: string;
  let launcher: string;

  before(async () => {
    mkdirSync(join(ROOT, "build"), { recursive: true });
    place = mkdtempSync(join(ROOT, "build", "package-"));
    launcher = join(place, "bin", "postern");
    await run(process.execPath, ["scripts/build.mjs", join(place, "dist")], { cwd: ROOT });
    for (const part of ["bin", "package.json"]) cpSync(join(ROOT, part), join(place, part), { recursive: true });
    sandbox = await startSandbox();
    await sandbox.seed([ORDERS]);
  });
  after(async () => {
    await sandbox.close();
    rmSync(place, { recursive: true, force: true });
  });

  for (const workers of [1, 2]) {
    it(`serves requests and metrics with ${workers === 1 ? "one process" : `${workers} workers`}`, async () => {
      const postern = await startPostern({
        resources: ALICE_MAY_NEARLY_EVERYTHING,
        uri: sandbox.dynamodb.url,
        env: sandbox.env,
        workers,
        launcher,
      });
      try {
        const answer = await fetch(postern.url, {
          method: "POST",
          headers: { "x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0" },
          body: JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } }),
        });
        assert.equal(answer.status, 200, await answer.text());
        const metrics = await (await fetch(`${postern.diagnostics}/metrics`)).text();
        assert.match(metrics, /^postern_requests_total\{operation="GetItem",outcome="allowed"\} 1$/m);
        assert.match(metrics, /^postern_policy_info\{revision="[0-9a-f]{16}",engine="direct"\} [12]$/m);
        assert.equal(await postern.stop(), 0, postern.log());
      } finally {
        await postern.close();
      }
    });
  }

  it("tells its version, and looks at its surroundings", async () => {
    assert.match((await run(process.execPath, [launcher, "version"])).stdout, /^Postern \d/);
    const { stderr } = await run(process.execPath, [launcher, "doctor", "-c", join(place, "none.yaml")]).catch(
      (failed: { stderr: string }) => failed,
    );
    assert.match(stderr, /does not exist/);
  });

  it("can be embedded", async () => {
    const { createGateway } = (await import(pathToFileURL(join(place, "dist", "mod.mjs")).href)) as {
      createGateway: (file: string) => Promise<unknown>;
    };
    await assert.rejects(createGateway(join(place, "none.yaml")), { code: "config_unreadable" });
  });

  it("has the licences of what is built in, once each", () => {
    const notices = readFileSync(join(place, "dist", "THIRD-PARTY.txt"), "utf8");
    for (const name of ["hono", "zod", "pino", "yaml", "commander", "prom-client", "lru-cache", "@smithy/signature-v4"])
      assert.equal(notices.match(new RegExp(`^${name} ${versionOf(name)} \\(`, "gm"))?.length, 1, name);
    assert.doesNotMatch(notices, /^@aws-sdk/m, "the SDK's clients are loaded when they are needed");
  });
});

function versionOf(name: string): string {
  const text = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version.replaceAll(".", "\\.");
}
