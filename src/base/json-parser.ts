/** The strict JSON parser behind `parseJson`: a text in, one value or an error out. */

import { Buffer } from "node:buffer";
import { JsonError, type JsonReason } from "./json-error.ts";
import { type JsonSource, type LargeText, LazyObject } from "./json-lazy.ts";
import { behindPlain, closingQuote, NEAR } from "./json-strings.ts";
import type { JsonArray, JsonObject, JsonValue } from "./json-value.ts";

/** Parses a text that is valid Unicode. @throws JsonError */
export function parseJsonText(text: string, depth: number, lazyFrom: number): JsonValue {
  return new Parser(text, depth, lazyFrom).document();
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

const LONGEST_NUMBER = 400;

/**
 * Reads the text once from end to end; large objects are then read again, piece by piece, when somebody looks into them.
 */
class Parser implements JsonSource {
  readonly #text: string;
  readonly #depth: number;
  readonly #lazyFrom: number;
  /** Large objects by position, and where large arrays end. Once the text is read, both only serve to skip them. */
  readonly #large = new Map<number, LargeText>();
  readonly #arrays = new Map<number, number>();
  /** Characters that went into large objects so far. */
  #inLarge = 0;
  #isRead = false;
  #at = 0;

  constructor(text: string, depth: number, lazyFrom: number) {
    this.#text = text;
    this.#depth = depth;
    this.#lazyFrom = text.length <= lazyFrom || firstCharacter(text) !== "{" ? Number.POSITIVE_INFINITY : lazyFrom;
  }

  document(): JsonValue {
    if (this.#text.charCodeAt(0) === BYTE_ORDER_MARK) throw this.#error("byte_order_mark", 0);
    if (this.#peek() === END) throw this.#error("empty", 0);
    const value = this.#value(0);
    if (this.#peek() !== END) throw this.#error("trailing_bytes", this.#at);
    this.#isRead = true;
    return value;
  }

  *entries(start: number): MapIterator<[string, JsonValue]> {
    this.#at = start + 1;
    if (this.#peek() === CLOSE_BRACE) return;
    for (;;) {
      this.#peek();
      const key = this.#string();
      this.#peek();
      this.#at += 1;
      const value = this.#value(0);
      const closed = this.#peek() === CLOSE_BRACE;
      const next = this.#at + 1;
      yield [key, value];
      if (closed) return;
      // Others may have read elsewhere in the meantime.
      this.#at = next;
    }
  }

  *keys(start: number): MapIterator<string> {
    for (const [key] of this.places(start)) yield key;
  }

  *places(start: number): Generator<[string, number], void, undefined> {
    this.#at = start + 1;
    if (this.#peek() === CLOSE_BRACE) return;
    for (;;) {
      this.#peek();
      const key = this.#string();
      this.#peek();
      this.#at += 1;
      this.#peek();
      const at = this.#at;
      yield [key, at];
      this.#at = this.#skip(at);
      const closed = this.#peek() === CLOSE_BRACE;
      if (closed) return;
      this.#at += 1;
    }
  }

  valueAt(start: number): JsonValue {
    this.#at = start;
    return this.#value(0);
  }

  isArray(start: number): boolean {
    return this.#text.charCodeAt(start) === OPEN_BRACKET;
  }

  *elements(start: number): Generator<JsonValue, void, undefined> {
    this.#at = start;
    if (this.#peek() !== OPEN_BRACKET) return;
    this.#at += 1;
    if (this.#peek() === CLOSE_BRACKET) return;
    for (;;) {
      const value = this.#value(0);
      const closed = this.#peek() === CLOSE_BRACKET;
      const next = this.#at + 1;
      yield value;
      if (closed) return;
      // Others may have read elsewhere in the meantime.
      this.#at = next;
    }
  }

  /** The place behind the value at a position of a text that was read before. */
  #skip(start: number): number {
    const text = this.#text;
    const end = this.#large.get(start)?.end ?? this.#arrays.get(start);
    if (end !== undefined) return end;
    let at = start;
    let open = 0;
    do {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = closingQuote(text, at + 1) + 1;
        continue;
      }
      if (code === OPEN_BRACE || code === OPEN_BRACKET) open += 1;
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) open -= 1;
      else if (open === 0) {
        // A number or a word: it ends where something of the object goes on.
        while (!isDelimiter(text.charCodeAt(at))) at += 1;
        return at;
      }
      at += 1;
    } while (open > 0);
    return at;
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
    const from = this.#at;
    if (this.#isRead) {
      const large = this.#large.get(from);
      if (large !== undefined) {
        this.#at = large.end;
        return new LazyObject(this, large);
      }
    }
    const inLarge = this.#inLarge;
    const members = new Map<string, JsonValue>();
    let names: Set<string> | undefined;
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
      if (!this.#isRead && (names?.has(unlikeNumber(key)) ?? members.has(key)))
        throw this.#error("duplicate_key", start);
      const value = this.#value(depth);
      if (names !== undefined) names.add(unlikeNumber(key));
      else {
        members.set(key, value);
        // What becomes a large object is read again: until then only the names are needed, to find one that stands twice.
        if (this.#at - from > this.#lazyFrom) names = new Set([...members.keys()].map(unlikeNumber));
      }
      code = this.#peek();
      this.#at += 1;
      if (code === CLOSE_BRACE) {
        return this.#at - from > this.#lazyFrom ? this.#lazy(from, names?.size ?? members.size, inLarge) : members;
      }
      if (code !== COMMA) throw this.#unexpectedBefore(code);
      code = this.#peek();
    }
  }

  #lazy(start: number, size: number, inLarge: number): LazyObject {
    const end = this.#at;
    const large: LargeText = { start, end, size, own: end - start - (this.#inLarge - inLarge) };
    this.#inLarge = inLarge + end - start;
    this.#large.set(start, large);
    return new LazyObject(this, large);
  }

  #array(depth: number): JsonArray {
    if (depth > this.#depth) throw this.#error("too_deep", this.#at);
    const from = this.#at;
    const elements: JsonValue[] = [];
    this.#at += 1;
    if (this.#peek() === CLOSE_BRACKET) {
      this.#at += 1;
      return elements;
    }
    for (;;) {
      const value = this.#value(depth);
      const large = this.#at - from > this.#lazyFrom && !this.#isRead;
      // It stands in an object that is read again, so nobody gets this array.
      if (large) elements.length = 0;
      else elements.push(value);
      const code = this.#peek();
      this.#at += 1;
      if (code === CLOSE_BRACKET) {
        if (large) this.#arrays.set(from, this.#at);
        return elements;
      }
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
      if (at - start === NEAR) at = behindPlain(text, at, this.#isRead);
    }
  }

  /** The rest of a string from its first escape on: proved here, decoded by the engine, both linear. */
  #escaped(start: number, firstEscape: number): string {
    const text = this.#text;
    let at = this.#isRead ? closingQuote(text, firstEscape) : firstEscape;
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
    const kind = text.charCodeAt(at + 1);
    if (at + 1 >= text.length) throw this.#error("truncated", at + 1);
    if (SHORT_ESCAPES[kind] === 1) return at + 2;
    if (kind !== 0x75) throw this.#error("invalid_escape", at);
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

/** The first character that is no white space. */
function firstCharacter(text: string): string {
  return /[^ \n\r\t]/.exec(text)?.[0] ?? "";
}

/**
 * Another text for each name, none of which is a number: until Node 20.20.2 V8 hashed those by their value, so that
 * whoever chose 64,000 names well kept a process busy for twenty seconds.
 */
function unlikeNumber(name: string): string {
  const first = name.charCodeAt(0);
  return isDigit(first) || first === 0 ? `\0${name}` : name;
}

function isDelimiter(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= 0x39;
}

/** 1 for the character codes that make an escape of two characters. A text of texts (JSON in JSON) is full of them. */
const SHORT_ESCAPES: Uint8Array = new Uint8Array(128);
for (const character of '"\\/bfnrt') SHORT_ESCAPES[character.charCodeAt(0)] = 1;
