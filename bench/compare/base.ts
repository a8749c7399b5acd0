/** The revision that is compared with: checked out in a worktree of its own, built there, and removed at the end. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../scripts/lib/compile-policy.mjs";
import { buildPackage, PROJECT } from "../load/build.ts";
import { atEnd } from "../load/processes.ts";

export interface Base {
  readonly name: string;
  readonly revision: string;
  /** Its package. */
  readonly place: string;
}

// Below the project, so that it finds the project's packages by walking up.
const TREE = join(PROJECT, "build", "bench", "base");

/** @throws Error when there is no such revision, or it cannot be built */
export async function checkOutBase(name: string, say: (line: string) => void): Promise<Base> {
  const { code, stdout } = await run("git", ["rev-parse", "--verify", "--short=12", `${name}^{commit}`], {
    cwd: PROJECT,
  });
  if (code !== 0) throw new Error(`There is no revision "${name}" here: give one with --base`);
  const revision = stdout.trim();
  // One that was killed may have left its own behind.
  removeTree();
  const added = await run("git", ["worktree", "add", "--detach", "--force", TREE, revision], { cwd: PROJECT });
  if (added.code !== 0) throw new Error(`Cannot check out ${revision}:\n${added.stderr.trim()}`);
  atEnd(removeTree);
  const lock = (root: string): string => readFileSync(join(root, "package-lock.json"), "utf8");
  if (lock(TREE) !== lock(PROJECT)) {
    say(`${name} has other dependencies; installing them`);
    const setUp = await run(process.execPath, ["scripts/setup.mjs"], { cwd: TREE });
    if (setUp.code !== 0) throw new Error(`Cannot set up ${revision}:\n${setUp.stderr.trim()}`);
  }
  return { name, revision, place: await buildPackage(TREE) };
}

function removeTree(): void {
  spawnSync("git", ["worktree", "remove", "--force", TREE], { cwd: PROJECT, stdio: "ignore" });
  spawnSync("git", ["worktree", "prune"], { cwd: PROJECT, stdio: "ignore" });
}
