/** Documents of YAML that are plain JSON, read without a YAML parser, which takes thirty times as long. */

import { MAX_DEPTH } from "./yaml-value.ts";

/** A document, and the part of the text that it is, as offsets. */
export interface JsonDocument {
  readonly value: unknown;
  readonly start: number;
  readonly end: number;
}

/**
 * The documents at the beginning of a text that are one JSON object each, with lines of `---` between them. Ends before the
 * first that is anything else, or that YAML might read differently, refuse, or warn of: YAML's parser is to say what that is.
 *
 * @returns where it ended, which is where YAML's parser has to go on
 */
export function* jsonDocuments(text: string): Generator<JsonDocument, number, undefined> {
  let start = 0;
  while (start < text.length) {
    const opened = text.startsWith(SEPARATOR, start) ? start + SEPARATOR.length : start;
    // Only the first document may do without the line that opens it.
    if (opened === start && start > 0) return start;
    const next = text.indexOf(`\n${SEPARATOR}`, opened - 1);
    const end = next < 0 ? text.length : next + 1;
    const value = new Reader(text, opened, end).document();
    if (value === undefined) return start;
    yield { value, start, end };
    start = end;
  }
  return start;
}

const SEPARATOR = "---\n";

/** Longer keys are left to YAML, which bounds them by the characters up to the colon. */
const LONGEST_KEY = 128;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What stands for a text that is not for this reader; no value is undefined. */
const NOT_PLAIN = undefined;

class Reader {
  readonly #text: string;
  readonly #end: number;
  #at: number;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#at = start;
    this.#end = end;
  }

  document(): unknown {
    if (this.#peek() !== OPEN_BRACE) return NOT_PLAIN;
    const value = this.#object(0);
    this.#peek();
    return this.#at === this.#end ? value : NOT_PLAIN;
  }

  /** Skips spaces and line breaks, and gives the code of what follows. Tabs and carriage returns are left to YAML. */
  #peek(): number {
    let code = this.#text.charCodeAt(this.#at);
    while ((code === 0x20 || code === 0x0a) && this.#at < this.#end) code = this.#text.charCodeAt(++this.#at);
    return this.#at < this.#end ? code : Number.NaN;
  }

  #value(depth: number): unknown {
    const code = this.#peek();
    if (code === QUOTE) return this.#string();
    if (code === OPEN_BRACE) return this.#object(depth);
    if (code === OPEN_BRACKET) return this.#array(depth);
    SCALAR.lastIndex = this.#at;
    const [word] = SCALAR.exec(this.#text) ?? [];
    if (word === undefined) return NOT_PLAIN;
    this.#at += word.length;
    return JSON.parse(word) as unknown;
  }

  #object(depth: number): Record<string, unknown> | undefined {
    if (depth >= MAX_DEPTH) return NOT_PLAIN;
    const value: Record<string, unknown> = {};
    this.#at += 1;
    for (let code = this.#peek(); code !== CLOSE_BRACE; code = this.#peek()) {
      if (code !== QUOTE) return NOT_PLAIN;
      const from = this.#at;
      const key = this.#string();
      if (key === undefined || this.#at - from > LONGEST_KEY || this.#text[this.#at] !== ":") return NOT_PLAIN;
      if (key === "__proto__" || Object.hasOwn(value, key)) return NOT_PLAIN;
      this.#at += 1;
      const member = this.#value(depth + 1);
      if (member === undefined) return NOT_PLAIN;
      value[key] = member;
      if (!this.#goesOn(CLOSE_BRACE)) return NOT_PLAIN;
    }
    this.#at += 1;
    return value;
  }

  #array(depth: number): unknown[] | undefined {
    if (depth >= MAX_DEPTH) return NOT_PLAIN;
    const elements: unknown[] = [];
    this.#at += 1;
    while (this.#peek() !== CLOSE_BRACKET) {
      const element = this.#value(depth + 1);
      if (element === undefined) return NOT_PLAIN;
      elements.push(element);
      if (!this.#goesOn(CLOSE_BRACKET)) return NOT_PLAIN;
    }
    this.#at += 1;
    return elements;
  }

  /** Steps over the comma behind a member, which must not be the last thing; or finds the end. */
  #goesOn(close: number): boolean {
    const code = this.#peek();
    if (code === close) return true;
    if (code !== COMMA) return false;
    this.#at += 1;
    return this.#peek() !== close;
  }

  #string(): string | undefined {
    STRING.lastIndex = this.#at;
    const [quoted] = STRING.exec(this.#text) ?? [];
    if (quoted === undefined) return NOT_PLAIN;
    this.#at += quoted.length;
    return quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  }
}

/** Numbers are whole and have no more digits than a double holds. */
const SCALAR = /(?:true|false|null|-?(?:0|[1-9][0-9]{0,14}))(?=[ \n,\]}])/y;
// oxlint-disable-next-line no-control-regex
const STRING = /"[^"\\\u0000-\u001f\ufeff]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f\ufeff]*)*"/y;
