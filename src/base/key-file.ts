/** Keys of an installation, each in a file of its own in the data directory. */

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf, PosternError } from "./errors.ts";
import { makePrivateDirectory } from "./private-directory.ts";

/** Bytes of a key. */
export const KEY_BYTES = 32;

/**
 * The key of this name in the data directory, made on first use (`<name>.key`, 64 hex digits, 0600); every process of an
 * installation uses the same.
 *
 * @throws PosternError `<name>_key_invalid` when the file is damaged, `<name>_key_unavailable` when it cannot be read or made
 */
export function keyFromFile(directory: string, name: string, lost: string): Buffer {
  const path = join(directory, `${name}.key`);
  let text: string;
  try {
    text = readOrNothing(path) ?? makeKey(directory, path);
  } catch (cause) {
    throw new PosternError(`${name}_key_unavailable`, `Cannot read or make "${path}": ${messageOf(cause)}`, {
      cause,
      hint: "make data_dir a directory that this user can write",
    });
  }
  const key = Buffer.from(text.trim(), "hex");
  if (key.length === KEY_BYTES) return key;
  throw new PosternError(`${name}_key_invalid`, `Cannot use "${path}": it does not hold ${KEY_BYTES * 2} hex digits`, {
    hint: `restore it from a backup, or remove it: then ${lost}`,
  });
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}

/** Makes the key file whole or not at all; of several processes that start together, one wins. */
export function makeKey(directory: string, path: string): string {
  makePrivateDirectory(directory);
  const key = randomBytes(KEY_BYTES).toString("hex");
  const draft = `${path}.${createHash("sha256").update(key).digest("hex").slice(0, 8)}`;
  const descriptor = openSync(draft, "wx", 0o600);
  try {
    writeFileSync(descriptor, `${key}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  try {
    linkSync(draft, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  } finally {
    unlinkSync(draft);
  }
  return readFileSync(path, "utf8");
}
