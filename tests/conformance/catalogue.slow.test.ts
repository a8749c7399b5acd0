import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { missing, peerPaths } from "../support/peers.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const { python } = await peerPaths();
const skip = await missing("python");

/** Runs the command that makes the catalogue's model, or compares it. */
function catalogue(flags: readonly string[], env: NodeJS.ProcessEnv = {}): { status: number | null; said: string } {
  const args = ["--import", "tsx", "scripts/catalogue.ts", ...flags, "--python", python ?? ""];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, said: stdout + stderr };
}

/** A copy of the official service models with one thing more in it, as Python would find it first. */
function newerModels(change: (model: ServiceModel) => void): string {
  const installed = spawnSync(python ?? "", ["-c", "import botocore; print(botocore.__file__)"], { encoding: "utf8" });
  const from = dirname(installed.stdout.trim());
  const path = mkdtempSync(join(tmpdir(), "newer-models-"));
  mkdirSync(join(path, "botocore"));
  writeFileSync(join(path, "botocore", "__init__.py"), '__version__ = "99.0.0"\n');
  for (const service of ["dynamodb", "dynamodbstreams"]) {
    cpSync(join(from, "data", service), join(path, "botocore", "data", service), { recursive: true });
  }
  const file = join(path, "botocore/data/dynamodb/2012-08-10/service-2.json.gz");
  const model = JSON.parse(gunzipSync(readFileSync(file)).toString()) as ServiceModel;
  change(model);
  writeFileSync(file, gzipSync(JSON.stringify(model)));
  return path;
}

interface ServiceModel {
  readonly operations: Record<string, { readonly input: { readonly shape: string } }>;
  readonly shapes: Record<string, { readonly members: Record<string, { readonly shape: string }> }>;
}

describe("the catalogue against the official service model", () => {
  it("is what the pinned model generates, and knows all that is in it", { skip }, () => {
    assert.deepEqual(catalogue(["--check"]), { status: 0, said: "" });
    assert.deepEqual(catalogue(["--news"]), { status: 0, said: "" });
  });

  it("fails, and names what it does not cover, when a newer model has more (pitfall 11)", { skip }, () => {
    const path = newerModels(({ operations, shapes }) => {
      operations["CopyItems"] = { input: { shape: "GetItemInput" } };
      const get = shapes["GetItemInput"];
      assert.ok(get !== undefined);
      get.members["AlsoFrom"] = { shape: "TableArn" };
    });
    try {
      const { status, said } = catalogue(["--news"], { PYTHONPATH: path });
      assert.equal(status, 1);
      assert.match(said, /^operation DynamoDB_20120810\.CopyItems/m);
      assert.match(said, /^member GetItemInput\.AlsoFrom/m);
      assert.equal(said.trim().split("\n").length, 2, said);
    } finally {
      rmSync(path, { recursive: true });
    }
  });
});
