// Runs commands as named steps, prints how each ended and how long it took, and says at the end which failed.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

const require = createRequire(import.meta.url);

/** Arguments for Node that start the program which an installed package brings: npx without its second of delay. */
export function programOf(name, args = [], file) {
  const manifest = join(root, "node_modules", name, "package.json");
  const { bin } = require(manifest);
  const script = file ?? (typeof bin === "string" ? bin : bin[name]);
  return [join(dirname(manifest), script), ...args];
}

/** Arguments for Node that run a TypeScript file. */
export function typescript(file, args = [], flags = []) {
  return ["--import", "tsx", ...flags, join(root, file), ...args];
}

/**
 * Runs one step. With `quiet` its output appears only if it fails. A step that prints nothing for `silenceMs` is ended,
 * first by SIGTERM, and counts as failed.
 */
export async function runStep({
  name,
  args,
  command = process.execPath,
  env = {},
  quiet = false,
  silenceMs = 420_000,
}) {
  const started = performance.now();
  let output = "";
  const code = await new Promise((resolve) => {
    const stdio = quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "pipe", "inherit"];
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio });
    let timer;
    const wind = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        process.stderr.write(`postern: ${name} has printed nothing for ${silenceMs / 1000} s: ending it\n`);
        child.kill("SIGTERM");
        setTimeout(() => child.kill("SIGKILL"), 5_000).unref();
      }, silenceMs);
    };
    wind();
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        wind();
        if (quiet) output += chunk.toString();
        else process.stdout.write(chunk);
      });
    }
    child.once("error", (error) => {
      output += `${error.message}\n`;
      clearTimeout(timer);
      resolve(127);
    });
    child.once("close", (ended) => {
      clearTimeout(timer);
      resolve(ended ?? 1);
    });
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (quiet && code !== 0) process.stdout.write(output);
  process.stderr.write(`postern: ${code === 0 ? "passed" : "FAILED"}: ${name} (${seconds} s)\n`);
  return { name, passed: code === 0 };
}

/** Runs steps, `width` at a time, all of them whatever happens, and sets the exit code. */
export async function runSteps(steps, width = 1) {
  const started = performance.now();
  const waiting = [...steps];
  const results = [];
  const work = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) results.push(await runStep(step));
  };
  await Promise.all(Array.from({ length: width }, work));
  const failed = results.filter((result) => !result.passed).map((result) => result.name);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (failed.length === 0) {
    process.stderr.write(`postern: all ${results.length} steps passed (${seconds} s)\n`);
  } else {
    process.stderr.write(
      `postern: error: ${failed.length} of ${results.length} steps failed: ${failed.join(", ")} (${seconds} s)\n`,
    );
    process.exitCode = 1;
  }
}
