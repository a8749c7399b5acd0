/** Files that only this user may read: refused when others could have read or made them, and written whole or not at all. */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { messageOf, PosternError } from "../../base/errors.ts";
import { makePrivateDirectory } from "../../base/private-directory.ts";

/** Larger than any file of ours. */
const MAX_BYTES = 262_144;

/** Whether the directory is there. @throws PosternError `profile_insecure` when it is not this user's alone */
export function isPrivateDirectory(path: string): boolean {
  const found = attempt(path, "read", () => lstatSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return false;
  if (found.isSymbolicLink()) throw insecure(path, "it is a link", "set POSTERN_HOME to the directory itself");
  if (!found.isDirectory())
    throw insecure(path, "it is not a directory", "set POSTERN_HOME to a directory of your own");
  requireOwn(path, found, 0o700);
  return true;
}

/** The text of a file; undefined when there is none. @throws PosternError `profile_insecure`, `profile_unreadable` */
export function readPrivateFile(path: string): string | undefined {
  let descriptor: number;
  try {
    // Without waiting for somebody to write, should it be a pipe.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw insecure(path, "it is a link", "remove it, and log in again");
    throw failed(path, "read", cause);
  }
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile()) throw insecure(path, "it is not a file", "remove it, and log in again");
    requireOwn(path, found, 0o600);
    if (found.size > MAX_BYTES)
      throw insecure(path, `it has more than ${MAX_BYTES} bytes`, "remove it, and log in again");
    return attempt(path, "read", () => readFileSync(descriptor, "utf8"));
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a file, and its directory when it is missing. @throws PosternError `profile_unwritable` */
export function writePrivateFile(path: string, text: string): void {
  const draft = `${path}.${randomBytes(6).toString("hex")}.new`;
  attempt(path, "write", () => {
    makePrivateDirectory(dirname(path));
    try {
      const descriptor = openSync(draft, "wx", 0o600);
      try {
        writeSync(descriptor, text);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(draft, path);
    } catch (cause) {
      removePrivateFile(draft);
      throw cause;
    }
  });
}

/** Removes a file, or the link that stands in its place. @returns whether there was one */
export function removePrivateFile(path: string): boolean {
  return attempt(path, "remove", () => {
    try {
      unlinkSync(path);
      return true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw cause;
    }
  });
}

function requireOwn(path: string, { mode, uid }: Stats, widest: number): void {
  const self = process.getuid?.();
  // Windows has neither owners nor modes of this kind.
  if (self === undefined) return;
  if (uid !== self) {
    throw insecure(path, `it belongs to user ${uid}, not to ${self}`, "set POSTERN_HOME to a directory of your own");
  }
  if ((mode & 0o7777 & ~widest) === 0) return;
  const shown = (mode & 0o7777).toString(8).padStart(4, "0");
  throw insecure(
    path,
    `its mode is ${shown}, and ${widest.toString(8).padStart(4, "0")} is the widest allowed`,
    `chmod ${widest.toString(8)} '${path}'; whoever could read it may have done so: log in again`,
  );
}

function attempt<T>(path: string, what: "read" | "write" | "remove", work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw failed(path, what, cause);
  }
}

function failed(path: string, what: "read" | "write" | "remove", cause: unknown): PosternError {
  return new PosternError(
    what === "read" ? "profile_unreadable" : "profile_unwritable",
    `Cannot ${what} "${path}": ${messageOf(cause)}`,
    { cause, hint: "set POSTERN_HOME to a directory that this user can write" },
  );
}

function insecure(path: string, reason: string, hint: string): PosternError {
  return new PosternError("profile_insecure", `Cannot use "${path}": ${reason}`, { hint });
}
