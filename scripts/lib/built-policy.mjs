// The built-in policies of a checkout: policies/ compiled to build/policy/bundle.tar.gz for the gateway, and policies/control
// to build/policy/control.tar.gz for administration. The revision of each is the digest of all that went into it, so a
// stale build cannot be taken for a fresh one, whatever its date.

import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import {
  compilePolicy,
  CONTROL_ENTRYPOINTS,
  ENTRYPOINTS,
  filesBelow,
  keyOf,
  readSources,
  writeWhole,
} from "./compile-policy.mjs";

export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where each policy's sources are, below policies/, and what is asked of it. */
const POLICIES = {
  bundle: { folder: ".", entrypoints: ENTRYPOINTS },
  control: { folder: "control", entrypoints: CONTROL_ENTRYPOINTS },
};

/** Builds a policy below `root`, the gateway's by default, unless its build is up to date. `opa` is what findOpa() gave. */
export async function buildPolicy({ opa, root = PROJECT, say = () => undefined, name = "bundle" }) {
  const policies = join(root, "policies");
  const { folder, entrypoints } = POLICIES[name];
  const capabilities = join(policies, "capabilities.json");
  const output = join(root, "build", "policy", `${name}.tar.gz`);
  const sources = await readSources(join(policies, folder));
  const revision = await revisionOf(root, opa.version, name);
  if ((await manifestAt(output))?.revision === revision) return { output, revision, built: false };
  say(`Building the policy ${name === "bundle" ? "" : `of ${name} `}with OPA ${opa.version} (${opa.from})`);
  const compiled = { sources, capabilities, revision, opaVersion: opa.version, entrypoints };
  const bundle = await compilePolicy({ opa: opa.path, ...compiled });
  const wasm = membersOf(bundle).get("policy.wasm");
  if (wasm === undefined || !WebAssembly.validate(wasm))
    throw new Error("OPA built a policy that WebAssembly refuses as invalid");
  await requireDenial(wasm, entrypoints[0]);
  await writeWhole(output, bundle);
  return { output, revision, built: true };
}

/** Whether the build of a policy below `root` is of the sources as they are now, by the compiler that made it. */
export async function isBuildCurrent(root, name = "bundle") {
  const manifest = await manifestAt(join(root, "build", "policy", `${name}.tar.gz`));
  return manifest !== undefined && manifest.revision === (await revisionOf(root, manifest.metadata?.opa, name));
}

/** The digest of all that goes into a policy. */
async function revisionOf(root, opaVersion, name) {
  const policies = join(root, "policies");
  const isOwn = (schema) => basename(schema).startsWith("control") === (name === "control");
  const schemas = (await filesBelow(join(policies, "schemas"))).filter(isOwn);
  return keyOf([
    `opa ${opaVersion}`,
    ...(await readSources(join(policies, POLICIES[name].folder))).flatMap((source) => [source.name, source.text]),
    ...(await Promise.all([join(policies, "capabilities.json"), ...schemas].map((path) => readFile(path)))),
    ...(await Promise.all(
      ["built-policy.mjs", "compile-policy.mjs"].map((file) => readFile(join(PROJECT, "scripts", "lib", file))),
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
async function requireDenial(wasm, entrypoint) {
  const { loadPolicySync } = (await import("@open-policy-agent/opa-wasm")).default;
  const policy = loadPolicySync(wasm);
  const { opa_wasm_abi_version: major, opa_wasm_abi_minor_version: minor } = policy.wasmInstance.exports;
  if (major.value !== 1 || minor.value < 2)
    throw new Error(`OPA built a policy of ABI ${major.value}.${minor.value}; 1.2 is needed`);
  let answer;
  try {
    answer = policy.evaluate({}, entrypoint);
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
