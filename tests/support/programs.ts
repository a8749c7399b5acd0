/** Programs of this machine that are no dependency of the project: what needs one is skipped where it is not, and says why. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Why a test that needs a program must be skipped, or `false`; `trial` are words that run the program and end well. */
export async function lacking(name: string, trial: readonly string[]): Promise<string | false> {
  const [program = "", ...words] = trial;
  return await run(program, words).then(
    () => false as const,
    () => `${program} is not here: install ${name}`,
  );
}

/** The first reason to skip among some, or `false`. */
export function anyOf(...reasons: readonly (string | false)[]): string | false {
  return reasons.find((reason) => reason !== false) ?? false;
}
