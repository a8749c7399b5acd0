/** Redaction: values become short keyed hashes that are equal when the values are, and say nothing to who lacks the key. */

import { Buffer } from "node:buffer";
import { createHash, createHmac, hash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { messageOf, PosternError } from "../base/errors.ts";

/** Makes a value fit for the log. */
export type Redact = (text: string) => string;

/** What becomes of key values and item values: `hash`, or `none` to log them as they are. */
export type RedactionMode = "hash" | "none";

/** How values are to be shown in the log of the installation whose data directory this is. */
export function createRedaction(dataDirectory: string, mode: RedactionMode): Redact {
  return mode === "none" ? (text) => text : createHasher(dataDirectory);
}

/**
 * Returns a function from a value to `h:` and 16 hex digits (64 bits of HMAC-SHA-256). The key is made on first use, 0600,
 * as `audit.key` in the data directory; every process of an installation uses the same.
 *
 * @throws {PosternError} `audit_key_invalid` when the key file is damaged, `audit_key_unavailable` when it cannot be
 * read or made.
 */
export function createHasher(dataDirectory: string): Redact {
  const key = readKey(dataDirectory);
  // HMAC by hand over two buffers: half of createHmac()'s time for short values, checked against it in the tests.
  const inner = padded(key, 0x36, BLOCK_BYTES + SHORT_CHARACTERS * 3);
  const outer = padded(key, 0x5c, BLOCK_BYTES + DIGEST_BYTES);
  return (text) => {
    if (text.length > SHORT_CHARACTERS)
      return `h:${createHmac("sha256", key).update(text).digest("hex").slice(0, SHOWN_DIGITS)}`;
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, "utf8");
    outer.write(hash("sha256", inner.subarray(0, end), "hex"), BLOCK_BYTES, "hex");
    return `h:${hash("sha256", outer, "hex").slice(0, SHOWN_DIGITS)}`;
  };
}

const KEY_BYTES = 32;
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const SHOWN_DIGITS = 16;
const SHORT_CHARACTERS = 512;

function padded(key: Buffer, pad: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  buffer.fill(pad, 0, BLOCK_BYTES);
  for (const [at, byte] of key.entries()) buffer[at] = byte ^ pad;
  return buffer;
}

function readKey(directory: string): Buffer {
  const path = join(directory, "audit.key");
  let text: string;
  try {
    text = readOrNothing(path) ?? makeKey(directory, path);
  } catch (cause) {
    throw new PosternError("audit_key_unavailable", `Cannot read or make "${path}": ${messageOf(cause)}`, {
      cause,
      hint: "make data_dir a directory that this user can write",
    });
  }
  const key = Buffer.from(text.trim(), "hex");
  if (key.length === KEY_BYTES) return key;
  throw new PosternError("audit_key_invalid", `Cannot use "${path}": it does not hold ${KEY_BYTES * 2} hex digits`, {
    hint: "restore it from a backup, or remove it: then hashes in new lines cannot be matched with those in old ones",
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
function makeKey(directory: string, path: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const key = randomBytes(KEY_BYTES).toString("hex");
  const draft = `${path}.${createHash("sha256").update(key).digest("hex").slice(0, 8)}`;
  const descriptor = openSync(draft, "wx", 0o600);
  try {
    writeSync(descriptor, `${key}\n`);
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
