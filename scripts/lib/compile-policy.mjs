// Compiles Rego sources to a bundle with OPA. Plain JavaScript without dependencies: it also runs before `npm ci`.

import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";

/** What the gateway queries. */
export const ENTRYPOINTS = [
  "postern/decision",
  "postern/patterns/invalid",
  "postern/visible/shown",
  "postern/databases/shown",
];

/** Everything of ours lives under this path of `data`; roles and other data are set below it by the gateway. */
const ROOTS = ["postern"];

// -O=0: at -O=1 without exact roots OPA takes absent data for undefined and turns decisions round.
const BUILD_FLAGS = ["build", "--bundle", "--target=wasm", "--optimize=0", "--prune-unused"];

/** What administration queries: a policy of its own, so that the gateway's does not grow by it. */
export const CONTROL_ENTRYPOINTS = ["postern/control/decision"];

/** Folders of policies/ that are no part of the gateway's policy. */
const NOT_POLICY = new Set(["cases", "control", "schemas", "testing"]);

export async function readSources(directory) {
  const sources = [];
  for (const path of await filesBelow(directory)) {
    const name = relative(directory, path).split(sep).join("/");
    if (!name.endsWith(".rego") || name.endsWith("_test.rego") || NOT_POLICY.has(name.split("/")[0])) continue;
    sources.push({ name, text: await readFile(path, "utf8") });
  }
  return sources.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Digest of everything that the compiled policy depends on. */
export function keyOf(parts) {
  const digest = createHash("sha256").update(JSON.stringify([BUILD_FLAGS, ROOTS, ENTRYPOINTS]));
  for (const part of parts) digest.update(`${part.length}:`).update(part);
  return digest.digest("hex").slice(0, 16);
}

export async function compilePolicy({
  opa,
  sources,
  data,
  capabilities,
  revision,
  opaVersion,
  entrypoints = ENTRYPOINTS,
}) {
  const stage = await mkdtemp(join(tmpdir(), "postern-policy-"));
  try {
    const tree = join(stage, "tree");
    for (const { name, text } of sources) {
      const path = join(tree, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
    await mkdir(tree, { recursive: true });
    await writeFile(join(tree, "data.json"), JSON.stringify(data ?? {}));
    await writeFile(
      join(tree, ".manifest"),
      JSON.stringify({
        revision,
        roots: ROOTS,
        rego_version: 1,
        metadata: {
          ...(opaVersion === undefined ? {} : { opa: opaVersion }),
          // Whether packages of the installation's own take part in decisions.
          custom: sources.some(({ name }) => name.startsWith("custom/")),
        },
      }),
    );
    const output = join(stage, "bundle.tar.gz");
    const flags = ["--output", output, ...entrypoints.flatMap((one) => ["--entrypoint", one])];
    if (capabilities !== undefined) flags.push("--capabilities", capabilities);
    // From inside the tree, so that the paths in its errors and in the module are those of the sources.
    const { code, stderr, stdout } = await run(opa, [...BUILD_FLAGS, ...flags, "."], { cwd: tree });
    if (code !== 0) throw new Error((stderr || stdout).trim());
    return await readFile(output);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

export function run(command, args, { cwd, env, timeout } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    // Not spawn's own `timeout`: where the program is not there its timer goes on and keeps us alive.
    const timer = timeout === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), timeout);
    const output = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8").on("data", (text) => (output[stream] += text));
    }
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal, ...output });
    });
  });
}

/** Writes a file so that a reader sees the old content or the new, whole. */
export async function writeWhole(path, content, mode) {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, content, mode === undefined ? {} : { mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export async function filesBelow(directory) {
  const entries = await readdir(directory, { withFileTypes: true });
  const nested = entries.map((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name.startsWith(".") ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
  return (await Promise.all(nested)).flat().sort();
}
