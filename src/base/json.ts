/** Strict JSON: bytes in, one unambiguous value out, or an error; never a guess. */

import { Buffer, isAscii, isUtf8 } from "node:buffer";
import { JsonError } from "./json-error.ts";
import { parseJsonText } from "./json-parser.ts";
import type { JsonValue } from "./json-value.ts";

export { JsonError, type JsonReason } from "./json-error.ts";
export { LazyObject } from "./json-lazy.ts";
export type { JsonArray, JsonObject, JsonValue } from "./json-value.ts";

export interface JsonLimits {
  /** How many arrays and objects may stand inside each other; 64 unless told, 1000 at most. */
  readonly depth?: number;
  /**
   * Objects whose text has more characters than this are not held as values but as their text, and read again when they
   * are looked into: see `LazyObject`. Without it everything is held.
   */
  readonly lazyFrom?: number;
}

const DEFAULT_DEPTH = 64;
const LARGEST_DEPTH = 1000;

/**
 * Reads one JSON text (RFC 8259, UTF-8) and refuses whatever a second reader might read differently: duplicate keys
 * (also when one twin is written with escapes), a byte order mark, invalid UTF-8, lone surrogates, integers beyond
 * ±(2^53 − 1), numbers that are not finite or longer than 400 characters, anything after the value. Time and memory are
 * linear in the input.
 *
 * @throws JsonError
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text: string;
  if (isAscii(buffer)) text = buffer.toString("latin1");
  else if (isUtf8(buffer)) text = buffer.toString("utf8");
  else throw new JsonError("invalid_utf8", firstInvalidByte(buffer));
  const depth = Math.min(limits.depth ?? DEFAULT_DEPTH, LARGEST_DEPTH);
  return parseJsonText(text, depth, limits.lazyFrom ?? Number.POSITIVE_INFINITY);
}

/** Where the first invalid character begins; found by halving, as the beginning of valid UTF-8 stays valid. */
function firstInvalidByte(buffer: Buffer): number {
  let valid = 0;
  let invalid = buffer.length;
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >>> 1;
    if (isUtf8(buffer.subarray(0, middle)) || isUtf8(completed(buffer, middle))) valid = middle;
    else invalid = middle;
  }
  while (!isUtf8(buffer.subarray(0, valid))) valid -= 1;
  return valid;
}

/** The beginning of the buffer without the character that the cut may have split. */
function completed(buffer: Buffer, end: number): Buffer {
  let start = end - 1;
  while (start > end - 4 && start > 0 && ((buffer[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  const lead = buffer[start] ?? 0;
  const needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return start + needed > end ? buffer.subarray(0, start) : buffer.subarray(0, end);
}
