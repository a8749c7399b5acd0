/** Redaction: values become short keyed hashes that are equal when the values are, and say nothing to who lacks the key. */

import { Buffer } from "node:buffer";
import { createHmac, hash } from "node:crypto";
import { keyFromFile } from "../base/key-file.ts";

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
  const key = keyFromFile(dataDirectory, "audit", LOST);
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

const LOST = "hashes in new lines cannot be matched with those in old ones";
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
