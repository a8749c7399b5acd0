/** Strict JSON: bytes in, one unambiguous value out, or an error; never a guess. */

import { Buffer, isAscii, isUtf8 } from "node:buffer";
import { PosternError } from "./errors.ts";

/** A JSON value. Objects are maps, so that no key of a client (`__proto__`) means anything to the program. */
export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export type JsonObject = ReadonlyMap<string, JsonValue>;

export interface JsonLimits {
  /** How many arrays and objects may stand inside each other; 64 unless told, 1000 at most. */
  readonly depth?: number;
}

/** Why a text is not JSON without doubt. */
export type JsonReason =
  | "empty"
  | "byte_order_mark"
  | "invalid_utf8"
  | "lone_surrogate"
  | "control_character"
  | "invalid_escape"
  | "invalid_number"
  | "inexact_number"
  | "duplicate_key"
  | "too_deep"
  | "truncated"
  | "trailing_bytes"
  | "unexpected_byte";

/** The text is not JSON, or is JSON that two readers may understand differently. */
export class JsonError extends PosternError {
  readonly reason: JsonReason;
  /** Bytes before the offending one. */
  readonly offset: number;

  constructor(reason: JsonReason, offset: number) {
    super("json_invalid", `Cannot read JSON: ${SENTENCES[reason]} at byte ${offset}`);
    this.reason = reason;
    this.offset = offset;
  }
}

const DEFAULT_DEPTH = 64;
const LARGEST_DEPTH = 1000;
const LONGEST_NUMBER = 400;

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
  const parser = new Parser(text, Math.min(limits.depth ?? DEFAULT_DEPTH, LARGEST_DEPTH));
  return parser.document();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const BYTE_ORDER_MARK = 0xfeff;

class Parser {
  readonly #text: string;
  readonly #depth: number;
  #at = 0;

  constructor(text: string, depth: number) {
    this.#text = text;
    this.#depth = depth;
  }

  document(): JsonValue {
    if (this.#text.charCodeAt(0) === BYTE_ORDER_MARK) throw this.#error("byte_order_mark", 0);
    if (this.#peek() === END) throw this.#error("empty", 0);
    const value = this.#value(0);
    if (this.#peek() !== END) throw this.#error("trailing_bytes", this.#at);
    return value;
  }

  /** Skips white space and gives the next character's code, or END. */
  #peek(): number {
    const text = this.#text;
    let at = this.#at;
    // charCodeAt beyond the end gives NaN, which compares false to everything.
    let code = text.charCodeAt(at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++at);
    this.#at = at;
    return at < text.length ? code : END;
  }

  #value(depth: number): JsonValue {
    const code = this.#peek();
    if (code === QUOTE) return this.#string();
    if (code === OPEN_BRACE) return this.#object(depth + 1);
    if (code === OPEN_BRACKET) return this.#array(depth + 1);
    if (code === MINUS || isDigit(code)) return this.#number();
    if (code === 0x74) return this.#word("true", true);
    if (code === 0x66) return this.#word("false", false);
    if (code === 0x6e) return this.#word("null", null);
    throw this.#unexpected(code);
  }

  #object(depth: number): JsonObject {
    if (depth > this.#depth) throw this.#error("too_deep", this.#at);
    const members = new Map<string, JsonValue>();
    this.#at += 1;
    let code = this.#peek();
    if (code === CLOSE_BRACE) {
      this.#at += 1;
      return members;
    }
    for (;;) {
      if (code !== QUOTE) throw this.#unexpected(code);
      const start = this.#at;
      const key = this.#string();
      code = this.#peek();
      if (code !== COLON) throw this.#unexpected(code);
      this.#at += 1;
      if (members.has(key)) throw this.#error("duplicate_key", start);
      members.set(key, this.#value(depth));
      code = this.#peek();
      this.#at += 1;
      if (code === CLOSE_BRACE) return members;
      if (code !== COMMA) throw this.#unexpectedBefore(code);
      code = this.#peek();
    }
  }

  #array(depth: number): JsonArray {
    if (depth > this.#depth) throw this.#error("too_deep", this.#at);
    const elements: JsonValue[] = [];
    this.#at += 1;
    if (this.#peek() === CLOSE_BRACKET) {
      this.#at += 1;
      return elements;
    }
    for (;;) {
      elements.push(this.#value(depth));
      const code = this.#peek();
      this.#at += 1;
      if (code === CLOSE_BRACKET) return elements;
      if (code !== COMMA) throw this.#unexpectedBefore(code);
    }
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let at = start;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return text.slice(start, at);
      }
      if (code === BACKSLASH) return this.#escaped(start, at);
      if (code < 0x20) throw this.#error("control_character", at);
      if (at >= text.length) throw this.#error("truncated", at);
      at += 1;
    }
  }

  /** The rest of a string from its first escape on: proved here, decoded by the engine, both linear. */
  #escaped(start: number, firstEscape: number): string {
    const text = this.#text;
    let at = firstEscape;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return JSON.parse(text.slice(start - 1, at + 1)) as string;
      }
      if (code === BACKSLASH) at = this.#escape(at);
      else if (code < 0x20) throw this.#error("control_character", at);
      else if (at >= text.length) throw this.#error("truncated", at);
      else at += 1;
    }
  }

  /** Checks the escape at `at` and gives the place behind it. */
  #escape(at: number): number {
    const text = this.#text;
    const kind = text[at + 1];
    if (kind === undefined) throw this.#error("truncated", at + 1);
    if (ESCAPES.includes(kind)) return at + 2;
    if (kind !== "u") throw this.#error("invalid_escape", at);
    const unit = this.#hex(at);
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    // A pair of surrogates stands for one character only when both are there, in order, both escaped.
    const paired = unit < 0xdc00 && text.charCodeAt(at + 6) === BACKSLASH && text[at + 7] === "u";
    const low = paired ? this.#hex(at + 6) : 0;
    if (low < 0xdc00 || low > 0xdfff) throw this.#error("lone_surrogate", at);
    return at + 12;
  }

  /** The value of the `\uXXXX` that begins at `at`. */
  #hex(at: number): number {
    if (at + 6 > this.#text.length) throw this.#error("truncated", this.#text.length);
    let value = 0;
    for (let index = at + 2; index < at + 6; index++) {
      const code = this.#text.charCodeAt(index);
      const lower = code | 0x20;
      const digit = isDigit(code) ? code - ZERO : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
      if (digit < 0) throw this.#error("invalid_escape", at);
      value = value * 16 + digit;
    }
    return value;
  }

  #number(): number {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    if (text.charCodeAt(at) === MINUS) at += 1;
    if (text.charCodeAt(at) === ZERO) at += 1;
    else at = this.#digits(at, start);
    let integer = true;
    if (text.charCodeAt(at) === DOT) {
      integer = false;
      at = this.#digits(at + 1, start);
    }
    if ((text.charCodeAt(at) | 0x20) === 0x65) {
      integer = false;
      const sign = text.charCodeAt(at + 1);
      at = this.#digits(sign === PLUS || sign === MINUS ? at + 2 : at + 1, start);
    }
    if (at - start > LONGEST_NUMBER) throw this.#error("invalid_number", start);
    const value = Number(text.slice(start, at));
    if (!Number.isFinite(value)) throw this.#error("invalid_number", start);
    if (integer && !Number.isSafeInteger(value)) throw this.#error("inexact_number", start);
    this.#at = at;
    return value;
  }

  /** Skips one or more digits. */
  #digits(from: number, start: number): number {
    let at = from;
    while (isDigit(this.#text.charCodeAt(at))) at += 1;
    if (at === from) throw this.#error(at >= this.#text.length ? "truncated" : "invalid_number", start);
    return at;
  }

  #word<T extends boolean | null>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected(0);
    this.#at += word.length;
    return value;
  }

  #unexpectedBefore(code: number): JsonError {
    this.#at -= 1;
    return this.#unexpected(code);
  }

  #unexpected(code: number): JsonError {
    return this.#error(code === END ? "truncated" : "unexpected_byte", this.#at);
  }

  #error(reason: JsonReason, at: number): JsonError {
    return new JsonError(reason, Buffer.byteLength(this.#text.slice(0, at)));
  }
}

const END = -1;

function isDigit(code: number): boolean {
  return code >= ZERO && code <= 0x39;
}

const ESCAPES = '"\\/bfnrt';

const SENTENCES: Readonly<Record<JsonReason, string>> = {
  empty: "there is no value",
  byte_order_mark: "a byte order mark stands",
  invalid_utf8: "invalid UTF-8 stands",
  lone_surrogate: "half of a surrogate pair stands",
  control_character: "an unescaped control character stands",
  invalid_escape: "an unknown escape stands",
  invalid_number: "a number that is malformed, not finite or too long stands",
  inexact_number: "an integer too large to be exact stands",
  duplicate_key: "a key stands for the second time",
  too_deep: "values are nested too deeply",
  truncated: "the text ends too early",
  trailing_bytes: "something follows the value",
  unexpected_byte: "an unexpected character stands",
};

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
