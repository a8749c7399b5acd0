import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { missing, peerPaths } from "../support/peers.ts";
import { lacking } from "../support/programs.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy", import.meta.url));
const NO_KUBECTL = await lacking("kubectl", ["kubectl", "version", "--client"]);
const NO_HADOLINT = await lacking("hadolint", ["hadolint", "--version"]);
const run = promisify(execFile);

describe("deploy/kubernetes", { skip: await missing("kubernetesValidate") }, () => {
  let place: string;
  before(() => {
    place = mkdtempSync(join(tmpdir(), "postern-manifests-"));
    cpSync(join(DEPLOY, "kubernetes"), place, { recursive: true });
    for (const name of ["sealing.key", "token"]) writeFileSync(join(place, name), "x");
  });
  after(() => rmSync(place, { recursive: true, force: true }));

  /** @throws Error with what is wrong */
  async function validate(...files: readonly string[]): Promise<void> {
    const { kubernetesValidate } = await peerPaths();
    await run(kubernetesValidate ?? "", ["--strict", "-k", "1.32", ...files], { cwd: place });
  }

  it("says nothing that the API of Kubernetes does not know", async () => {
    await validate("namespace.yaml", "cluster.yaml", "agent.yaml");
  });

  it("is what kustomize makes a whole of, with the image and the namespace in it", { skip: NO_KUBECTL }, async () => {
    const { stdout } = await run("kubectl", ["kustomize", "."], { cwd: place });
    assert.equal(stdout.match(/image: registry\.example\.com\/postern:/g)?.length, 3);
    assert.doesNotMatch(stdout, /image: postern\b/);
    writeFileSync(join(place, "whole.yaml"), stdout);
    await validate("whole.yaml");
  });
});

describe("deploy/docker/Dockerfile", { skip: NO_HADOLINT }, () => {
  it("is as hadolint wants it", async () => {
    await run("hadolint", [join(DEPLOY, "docker/Dockerfile")]);
  });
});
