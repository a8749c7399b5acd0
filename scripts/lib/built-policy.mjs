// The built-in policy of a checkout: policies/ compiled to build/policy/bundle.tar.gz, whose revision is the digest of all
// that went into it. So a stale build cannot be taken for a fresh one, whatever its date.

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { compilePolicy, filesBelow, keyOf, readSources, writeWhole } from "./compile-policy.mjs";

export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Builds the policy below `root` unless its build is up to date. `opa` is what findOpa() gave. */
export async function buildPolicy({ opa, root = PROJECT, say = () => undefined }) {
  const policies = join(root, "policies");
  const capabilities = join(policies, "capabilities.json");
  const output = join(root, "build", "policy", "bundle.tar.gz");
  const sources = await readSources(policies);
  const revision = await revisionOf(root, opa.version);
  if ((await manifestAt(output))?.revision === revision) return { output, revision, built: false };
  say(`Building the policy with OPA ${opa.version} (${opa.from})`);
  const bundle = await compilePolicy({ opa: opa.path, sources, capabilities, revision, opaVersion: opa.version });
  const wasm = membersOf(bundle).get("policy.wasm");
  if (wasm === undefined || !WebAssembly.validate(wasm))
    throw new Error("OPA built a policy that WebAssembly refuses as invalid");
  await requireDenial(wasm);
  await writeWhole(output, bundle);
  return { output, revision, built: true };
}

/** Whether the build below `root` is of the sources as they are now, by the compiler that made it. */
export async function isBuildCurrent(root) {
  const manifest = await manifestAt(join(root, "build", "policy", "bundle.tar.gz"));
  return manifest !== undefined && manifest.revision === (await revisionOf(root, manifest.metadata?.opa));
}

/** The digest of all that goes into the policy. */
async function revisionOf(root, opaVersion) {
  const policies = join(root, "policies");
  const others = [join(policies, "capabilities.json"), ...(await filesBelow(join(policies, "schemas")))];
  return keyOf([
    `opa ${opaVersion}`,
    ...(await readSources(policies)).flatMap(({ name, text }) => [name, text]),
    ...(await Promise.all(others.map((path) => readFile(path)))),
    ...(await Promise.all(
      ["built-policy.mjs", "compile-policy.mjs"].map((name) => readFile(join(PROJECT, "scripts", "lib", name))),
    )),
  ]);
}

async function manifestAt(path) {
  try {
    const manifest = membersOf(await readFile(path)).get(".manifest");
    return manifest && JSON.parse(manifest.toString());
  } catch {
    return undefined;
  }
}

/** An empty question, to which every policy of ours says no. */
async function requireDenial(wasm) {
  const { loadPolicySync } = (await import("@open-policy-agent/opa-wasm")).default;
  const policy = loadPolicySync(wasm);
  const { opa_wasm_abi_version: major, opa_wasm_abi_minor_version: minor } = policy.wasmInstance.exports;
  if (major.value !== 1 || minor.value < 2)
    throw new Error(`OPA built a policy of ABI ${major.value}.${minor.value}; 1.2 is needed`);
  let answer;
  try {
    answer = policy.evaluate({}, "postern/decision");
  } catch (thrown) {
    throw new Error(`The policy fails on an empty input: ${thrown?.message ?? thrown}`);
  }
  if (answer[0]?.result?.allow !== false)
    throw new Error(`The policy does not deny an empty input: ${JSON.stringify(answer)}`);
}

/** Members of an archive that OPA wrote, by name without the leading slash. */
function membersOf(archive) {
  const tar = gunzipSync(archive);
  const members = new Map();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    const name = tar.toString("utf8", at, tar.indexOf(0, at)).replace(/^\//, "");
    members.set(name, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return members;
}
