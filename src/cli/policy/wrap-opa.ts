/** Runs opa for `postern policy test|check|fmt`, with the built-in policy beside the user's where it needs to see it. */

import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { readSources } from "../../../scripts/lib/compile-policy.mjs";
import { findOpa } from "../../../scripts/lib/find-opa.mjs";
import { CommandError } from "../command-error.ts";
import { builtinSources } from "./builtin.ts";

/**
 * Runs `opa ...args`; its output goes where ours goes.
 *
 * @returns whether it said anything on stdout
 * @throws CommandError with `failure` and exit code 1 when opa is not content.
 */
export async function runOpa(args: readonly string[], failure: string): Promise<boolean> {
  const opa = await findOpa({ say: (line) => process.stderr.write(`${line}\n`) });
  let said = false;
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(opa.path, args, { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.on("data", (chunk: Buffer) => {
      said = true;
      process.stdout.write(chunk);
    });
    child.on("error", reject).on("close", resolve);
  });
  if (code !== 0) throw new CommandError(1, failure);
  return said;
}

/** Runs `work` with a copy of the built-in policy, its fixtures for tests included but not its tests. */
export async function withBuiltin(work: (flags: readonly string[], directory: string) => Promise<void>): Promise<void> {
  const { policies, schemas, capabilities } = builtinSources();
  const stage = await mkdtemp(join(tmpdir(), "postern-policy-"));
  try {
    for (const { name, text } of await readSources(policies)) {
      const path = join(stage, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
    await cp(join(policies, "testing"), join(stage, "testing"), { recursive: true });
    await work(["--schema", schemas, "--capabilities", capabilities], stage);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}
