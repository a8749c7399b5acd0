/** Several keys of one purpose in one file that nobody else may read: the first is in use, the others are old. */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { messageOf, PosternError } from "./errors.ts";
import { syncDirectory } from "./sync-directory.ts";
import { KEY_BYTES, makeKey } from "./key-file.ts";

/** Keys that a file may hold; more means that nobody drops old ones. */
const MAX_KEYS = 16;

/** Which file, and what it means when it is not there. */
export interface KeyListPlace {
  readonly directory: string;
  /** The file is `<name>.key`; errors begin with the name. */
  readonly name: string;
  /** The file, where it is another one. */
  readonly path?: string | undefined;
}

/**
 * The keys of a file with one key of 64 hex digits per line. With `make`, a file that is not there is made with one key.
 *
 * @throws PosternError `<name>_key_invalid` when it is damaged, a link, another user's or open to others;
 * `<name>_key_lost` when it is not there; `<name>_key_unavailable` when it cannot be read or made
 */
export function readKeyList(place: KeyListPlace, options: { readonly make: boolean }): readonly Buffer[] {
  const path = pathOf(place);
  const text = readPrivately(place);
  if (text !== undefined) return parseKeys(place, text);
  if (!options.make) {
    throw new PosternError(`${place.name}_key_lost`, `Cannot read "${path}": there is no such file`, {
      hint: "restore it from a backup, or copy it from another node: nothing else opens what it sealed",
    });
  }
  try {
    makeKey(dirname(path), path);
  } catch (cause) {
    throw unavailable(place, "make", cause);
  }
  // Not what was made: another process may have been faster.
  return readKeyList(place, { make: false });
}

/** Puts a new key before the others, which stay, and returns all. */
export function addKeyToList(place: KeyListPlace): readonly Buffer[] {
  return replace(place, (keys) => [randomBytes(KEY_BYTES), ...keys]);
}

/** Makes a file that holds these keys; one that is there stays as it is, and is an error. */
export function writeKeyList(place: KeyListPlace, keys: readonly Uint8Array[]): void {
  const path = pathOf(place);
  const draft = `${path}.new`;
  const descriptor = openDraft(place, draft);
  try {
    writeFileSync(descriptor, keys.map((key) => `${Buffer.from(key).toString("hex")}\n`).join(""));
    fsyncSync(descriptor);
    linkSync(draft, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    throw unavailable(place, "make", cause);
  } finally {
    rmSync(draft, { force: true });
    closeSync(descriptor);
  }
}

/** Removes a key that is no longer in use, and returns the others. The first cannot be removed. */
export function dropKeyFromList(place: KeyListPlace, isDropped: (key: Buffer) => boolean): readonly Buffer[] {
  return replace(place, ([first, ...old]) => [first as Buffer, ...old.filter((key) => !isDropped(key))]);
}

/** Writes the file anew beside the old and renames it; the draft keeps a second process from doing the same meanwhile. */
function replace(place: KeyListPlace, change: (keys: readonly Buffer[]) => readonly Buffer[]): readonly Buffer[] {
  const path = pathOf(place);
  const draft = `${path}.new`;
  const descriptor = openDraft(place, draft);
  try {
    // Read only now that no other process can change it: what one wrote meanwhile would be lost.
    const keys = change(readKeyList(place, { make: false }));
    if (keys.length > MAX_KEYS) throw invalid(place, `would hold more than ${MAX_KEYS} keys`, "drop old keys first");
    writeFileSync(descriptor, keys.map((key) => `${key.toString("hex")}\n`).join(""));
    fsyncSync(descriptor);
    renameSync(draft, path);
    syncDirectory(dirname(path));
    return keys;
  } catch (cause) {
    rmSync(draft, { force: true });
    throw cause instanceof PosternError ? cause : unavailable(place, "change", cause);
  } finally {
    closeSync(descriptor);
  }
}

/** Changing a file takes milliseconds: a draft of this age is of a process that was killed. */
const STALE_MS = 30_000;

function openDraft(place: KeyListPlace, draft: string): number {
  const made = statSync(draft, { throwIfNoEntry: false })?.mtimeMs;
  if (made !== undefined && Date.now() - made > STALE_MS) rmSync(draft, { force: true });
  try {
    return openSync(draft, "wx", 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw unavailable(place, "change", cause);
    throw new PosternError(
      `${place.name}_key_unavailable`,
      `Cannot change "${pathOf(place)}": "${draft}" is there, so another process is changing it or was stopped while it did`,
      { cause, hint: "remove the draft when no other process is at work" },
    );
  }
}

function parseKeys(place: KeyListPlace, text: string): readonly Buffer[] {
  const lines = text.endsWith("\n") ? text.slice(0, -1).split("\n") : text.split("\n");
  if (!lines.every((line) => /^[0-9a-f]{64}$/.test(line))) {
    throw invalid(place, `does not hold lines of ${KEY_BYTES * 2} hex digits`, "restore it from a backup");
  }
  if (new Set(lines).size !== lines.length) throw invalid(place, "holds a key twice", "restore it from a backup");
  if (lines.length > MAX_KEYS) throw invalid(place, `holds more than ${MAX_KEYS} keys`, "drop old keys");
  return lines.map((line) => Buffer.from(line, "hex"));
}

/** The text of a file that only this user can read or write; undefined when there is none. */
function readPrivately(place: KeyListPlace): string | undefined {
  let descriptor: number;
  try {
    // The file itself is asked, not its name, which could stand for another one a moment later. A pipe must not stop us.
    descriptor = openSync(pathOf(place), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw invalid(place, "is a link", "put the file itself there");
    throw unavailable(place, "read", cause);
  }
  try {
    const { mode, uid, size } = fstatSync(descriptor);
    const path = pathOf(place);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw invalid(place, "is not a file", `remove "${path}"`);
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw invalid(place, `is open to others (mode ${shown})`, `chmod 600 "${path}", and renew what it sealed`);
    }
    if (process.geteuid !== undefined && uid !== process.geteuid()) {
      throw invalid(place, "belongs to another user", `chown "${path}" to the user that runs Postern`);
    }
    if (size > MAX_KEYS * (KEY_BYTES * 2 + 1) * 2) throw invalid(place, "is too long", "restore it from a backup");
    return readFileSync(descriptor, "utf8");
  } catch (cause) {
    throw cause instanceof PosternError ? cause : unavailable(place, "read", cause);
  } finally {
    closeSync(descriptor);
  }
}

function pathOf({ directory, name, path }: KeyListPlace): string {
  return path ?? join(directory, `${name}.key`);
}

function invalid(place: KeyListPlace, reason: string, hint: string): PosternError {
  return new PosternError(`${place.name}_key_invalid`, `Cannot use "${pathOf(place)}": it ${reason}`, { hint });
}

function unavailable(place: KeyListPlace, attempt: string, cause: unknown): PosternError {
  return new PosternError(
    `${place.name}_key_unavailable`,
    `Cannot ${attempt} "${pathOf(place)}": ${messageOf(cause)}`,
    { cause, hint: "make data_dir a directory that this user can write" },
  );
}
