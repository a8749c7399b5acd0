/** Files that commands write for people: whole or not at all, over nothing that is there unless told so. */

import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf } from "../base/errors.ts";
import { syncDirectoryIfCan } from "../base/sync-directory.ts";
import { CommandError } from "./command-error.ts";

/** Where a command writes: `undefined` is standard output. Understands `-`, `stdout`, a path and `file:///path`. */
export function outputOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "-" || text === "stdout") return undefined;
  if (!text.startsWith("file:")) return resolve(text);
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw new CommandError(2, `Cannot write to "${text}": ${messageOf(cause)}`, {
      cause,
      hint: "write file:///etc/postern.yaml, or the path alone",
    });
  }
}

/** @throws CommandError when something is there already, or nothing can be written */
export function writeWhole(path: string, text: string, { mode, force }: { mode: number; force: boolean }): void {
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    const descriptor = openSync(draft, "wx", mode);
    try {
      writeFileSync(descriptor, text);
      // Whatever the umask took away.
      fchmodSync(descriptor, mode);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (force) renameSync(draft, path);
    else linkSync(draft, path);
    syncDirectoryIfCan(dirname(path));
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === "EEXIST";
    throw new CommandError(1, `Cannot write "${path}": ${taken ? "it is there already" : reasonFor(cause, path)}`, {
      cause,
      hint: taken ? "--force replaces it" : "name a place that this user may write with -o",
    });
  } finally {
    rmSync(draft, { force: true });
  }
}

function reasonFor(cause: unknown, path: string): string {
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: `there is no directory "${dirname(path)}"`,
    EACCES: "this user may not write there",
    EROFS: "its file system can only be read",
    EISDIR: "it is a directory",
  };
  return reasons[code] ?? messageOf(cause);
}
