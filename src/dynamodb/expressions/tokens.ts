/** Splits an expression into tokens: every character belongs to one, or the expression is refused. */

/** A token. `text` is as written: `#n` and `:v` with their sign, words in their own case. */
export interface Token {
  readonly kind: "word" | "name" | "value" | "number" | "symbol" | "unknown" | "end";
  readonly text: string;
  /** UTF-16 position in the expression. */
  readonly start: number;
}

/** Where the language is broken: the offending text, from the token before it to the one after it. */
export class SyntaxFault extends Error {
  override readonly name: string = "SyntaxFault";

  constructor(token: string, near: string) {
    super(`Syntax error; token: "${token}", near: "${near}"`);
  }
}

/**
 * The tokens of an expression, an `end` last. Words are ASCII; a character that DynamoDB's language does not use
 * is a token that no rule takes.
 */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at = behindSpace(text, at);
    if (at === text.length) break;
    const start = at;
    const code = text.charCodeAt(at);
    let kind: Token["kind"];
    if (isLetter(code)) {
      at = behindWord(text, at);
      kind = "word";
    } else if (isDigit(code)) {
      at = behindDigits(text, at);
      kind = "number";
    } else if (code === HASH || code === COLON) {
      at = behindWord(text, at + 1);
      kind = at === start + 1 ? "unknown" : code === HASH ? "name" : "value";
    } else {
      const length = symbolLength(text, at, code);
      kind = length === 0 ? "unknown" : "symbol";
      at += Math.max(1, length);
    }
    tokens.push({ kind, text: text.slice(start, at), start });
  }
  tokens.push({ kind: "end", text: "<EOF>", start: text.length });
  return tokens;
}

const HASH = 0x23;
const COLON = 0x3a;
const EQUAL = 0x3d;
const LESS = 0x3c;
const GREATER = 0x3e;
const SINGLE = "()[],.+-=<>";

function symbolLength(text: string, at: number, code: number): number {
  if (!SINGLE.includes(text.charAt(at))) return 0;
  const next = text.charCodeAt(at + 1);
  if (code === LESS && (next === EQUAL || next === GREATER)) return 2;
  return code === GREATER && next === EQUAL ? 2 : 1;
}

function behindSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return at;
    at += 1;
  }
}

function behindWord(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (!isLetter(code) && !isDigit(code)) return at;
    at += 1;
  }
}

function behindDigits(text: string, from: number): number {
  let at = from;
  while (isDigit(text.charCodeAt(at))) at += 1;
  return at;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Letters and the underscore. */
function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}
