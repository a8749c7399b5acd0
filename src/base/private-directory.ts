/** Directories of an installation's own, which nobody else may enter. */

import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory, and those above it that are missing, for this user alone. One that is there is left as it is.
 *
 * Not `mkdir(…, { recursive: true })`: where the system answers ENOENT below a directory that is there, as in /proc, Node
 * asks again for ever.
 *
 * @throws Error of the system, with `code`
 */
export function makePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "EEXIST" && statSync(directory).isDirectory()) return;
    const above = dirname(directory);
    if (code !== "ENOENT" || above === directory) throw cause;
    makePrivateDirectory(above);
    makeLast(directory);
  }
}

/** What is above is there now: whatever the system says this time is the answer. */
function makeLast(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (cause) {
    // Another process was faster.
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST" || !statSync(directory).isDirectory()) throw cause;
  }
}
