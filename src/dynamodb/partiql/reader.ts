/** Goes through the tokens of a statement once, forwards, and says what was expected where it was not found. */

import { PartiqlError, type Token, tokensOf } from "./tokens.ts";

/** Parentheses, brackets and NOTs inside each other; DynamoDB's own items end at 32 levels. */
const DEEPEST = 100;

/** Where a parser stands in a statement. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  /** @throws PartiqlError */
  constructor(statement: string) {
    this.#tokens = tokensOf(statement);
  }

  peek(ahead: number = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  next(wanted: string): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new PartiqlError(`the statement ends where ${wanted} is expected`);
    this.#at += 1;
    return token;
  }

  /** Whether the keyword comes next, or so many tokens ahead. */
  isKeyword(word: string, ahead: number = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === "word" && token.text.toUpperCase() === word;
  }

  isSymbol(text: string, ahead: number = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === "symbol" && token.text === text;
  }

  /** Takes the keyword when it comes next. */
  take(word: string): boolean {
    if (!this.isKeyword(word)) return false;
    this.#at += 1;
    return true;
  }

  takeSymbol(text: string): boolean {
    if (!this.isSymbol(text)) return false;
    this.#at += 1;
    return true;
  }

  keyword(word: string): void {
    if (!this.take(word)) throw this.unexpected(word);
  }

  symbol(text: string): void {
    if (!this.takeSymbol(text)) throw this.unexpected(text);
  }

  /** Nothing more may come, but one semicolon. */
  end(): void {
    this.takeSymbol(";");
    if (this.peek() !== undefined) throw this.unexpected("the end of the statement");
  }

  /** Parses something that stands inside something else of its kind. */
  nested<T>(parse: () => T): T {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw new PartiqlError(`it nests deeper than ${DEEPEST} levels`);
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  unexpected(wanted: string): PartiqlError {
    const token = this.peek();
    if (token === undefined) return new PartiqlError(`the statement ends where ${wanted} is expected`);
    return new PartiqlError(`${wanted} is expected at position ${token.start}`);
  }
}
