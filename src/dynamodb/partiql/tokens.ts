/** Splits a PartiQL statement into tokens: every character belongs to one, or the statement is refused. */

/** A token. `text` is the name or string meant, without quotes and escapes; words keep their case. */
export interface Token {
  readonly kind: "word" | "quoted" | "string" | "number" | "parameter" | "symbol";
  readonly text: string;
  /** UTF-16 positions in the statement: from the first character to behind the last. */
  readonly start: number;
  readonly end: number;
}

/** Why a statement is not understood; the message is a sentence without a subject. */
export class PartiqlError extends Error {
  override readonly name: string = "PartiqlError";
}

/** The statement has more or fewer places than values were given. */
export class ParameterCountError extends PartiqlError {
  override readonly name: string = "ParameterCountError";

  constructor() {
    super("Number of parameters in request and statement don't match.");
  }
}

const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y;
/** Longer symbols first. */
const SYMBOLS = [
  "<<",
  ">>",
  "<=",
  ">=",
  "<>",
  "!=",
  "||",
  "=",
  "<",
  ">",
  "+",
  "-",
  "*",
  "/",
  "%",
  "(",
  ")",
  "[",
  "]",
].concat(["{", "}", ",", ".", ":", ";"]);

/**
 * The tokens of a statement. Comments are refused, as are characters that DynamoDB's dialect has no use for, among them
 * backquotes and all that is not ASCII outside quotes.
 *
 * @throws PartiqlError
 */
export function tokensOf(statement: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < statement.length) {
    if (isSpace(statement.charCodeAt(at))) {
      at += 1;
      continue;
    }
    const token = tokenAt(statement, at);
    tokens.push(token);
    at = token.end;
  }
  return tokens;
}

function tokenAt(statement: string, start: number): Token {
  const first = statement.charAt(start);
  if (first === "'" || first === '"') return quotedAt(statement, start, first);
  if (first === "?") return { kind: "parameter", text: first, start, end: start + 1 };
  if (statement.startsWith("--", start) || statement.startsWith("/*", start)) {
    throw new PartiqlError(`comments are not accepted (position ${start})`);
  }
  const word = matchAt(WORD, statement, start);
  if (word !== undefined) return { kind: "word", text: word, start, end: start + word.length };
  const number = matchAt(NUMBER, statement, start);
  if (number !== undefined) {
    const end = start + number.length;
    // "1FROM" or "1.2.3" would be two tokens that one reader may take for one.
    if (/[A-Za-z0-9_.$]/.test(statement.charAt(end))) throw new PartiqlError(`malformed number at position ${start}`);
    return { kind: "number", text: number, start, end };
  }
  const symbol = SYMBOLS.find((each) => statement.startsWith(each, start));
  if (symbol === undefined) throw new PartiqlError(`unexpected character at position ${start}`);
  return { kind: "symbol", text: symbol, start, end: start + symbol.length };
}

/** A string or a quoted name: a doubled quote inside stands for one. */
function quotedAt(statement: string, start: number, quote: string): Token {
  let text = "";
  let from = start + 1;
  for (;;) {
    const close = statement.indexOf(quote, from);
    if (close < 0) throw new PartiqlError(`no closing quote for the one at position ${start}`);
    text += statement.slice(from, close);
    // Some dialects take a backslash for an escape: for them the quote would not close here.
    if (statement.charAt(close - 1) === "\\")
      throw new PartiqlError(`a backslash before the quote at position ${close}`);
    if (statement.charAt(close + 1) !== quote) {
      return { kind: quote === "'" ? "string" : "quoted", text, start, end: close + 1 };
    }
    text += quote;
    from = close + 2;
  }
}

function matchAt(pattern: RegExp, text: string, start: number): string | undefined {
  // A sticky pattern keeps its place between calls, so each call sets it.
  pattern.lastIndex = start;
  return pattern.exec(text)?.[0];
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}
