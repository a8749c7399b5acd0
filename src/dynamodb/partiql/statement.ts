/** Reads what a PartiQL statement does, and to which table or index: all of it is understood, or it is refused. */

import { PartiqlError, type Token, tokensOf } from "./tokens.ts";

export type StatementKind = "select" | "insert" | "update" | "delete" | "exists";

/** One statement. */
export interface Statement {
  readonly kind: StatementKind;
  readonly table: string;
  readonly index: string | null;
  /** What RETURNING asks for, in the words of `ReturnValues`. */
  readonly returning: "NONE" | "ALL_OLD" | "ALL_NEW" | "UPDATED_OLD" | "UPDATED_NEW";
  /** How many `?` it has. */
  readonly parameters: number;
  readonly tokens: readonly Token[];
}

/**
 * Parses one statement.
 *
 * @throws PartiqlError
 */
export function parseStatement(text: string): Statement {
  const tokens = tokensOf(text);
  const reader = new Reader(tokens);
  const first = reader.word();
  let found: Pick<Statement, "kind" | "table" | "index" | "returning">;
  switch (first) {
    case "SELECT":
      found = { kind: "select", ...selected(reader), returning: "NONE" };
      break;
    case "EXISTS":
      reader.symbol("(");
      reader.keyword("SELECT");
      found = { kind: "exists", ...selected(reader, true), returning: "NONE" };
      reader.symbol(")");
      break;
    case "INSERT":
      found = { kind: "insert", ...inserted(reader), returning: "NONE" };
      break;
    case "UPDATE":
      found = { kind: "update", ...updated(reader) };
      break;
    case "DELETE":
      found = { kind: "delete", ...deleted(reader) };
      break;
    default:
      throw new PartiqlError("a statement begins with SELECT, INSERT, UPDATE, DELETE or EXISTS");
  }
  reader.end();
  return { ...found, parameters: tokens.filter((token) => token.kind === "parameter").length, tokens };
}

type Source = Pick<Statement, "table" | "index">;

/** Behind SELECT: `… FROM "T"["."Idx"] [WHERE …] [ORDER BY …]`. */
function selected(reader: Reader, inside = false): Source {
  if (reader.expression(["FROM"], false) === 0) throw new PartiqlError("SELECT names nothing to read");
  reader.keyword("FROM");
  const source = reader.source(true);
  if (reader.take("WHERE") && reader.expression(["ORDER"], inside) === 0)
    throw new PartiqlError("WHERE has no condition");
  if (reader.take("ORDER")) {
    reader.keyword("BY");
    if (reader.expression([], inside) === 0) throw new PartiqlError("ORDER BY names nothing");
  }
  return source;
}

/** Behind INSERT: `INTO T VALUE {…}`, or `?` for the item. */
function inserted(reader: Reader): Source {
  reader.keyword("INTO");
  const source = reader.source(false);
  reader.keyword("VALUE");
  reader.item();
  return source;
}

/** Behind UPDATE: `T SET … [REMOVE …] … WHERE … [RETURNING …]`. */
function updated(reader: Reader): Source & Pick<Statement, "returning"> {
  const source = reader.source(false);
  let clauses = 0;
  while (reader.take("SET") || reader.take("REMOVE")) {
    clauses += 1;
    if (reader.expression(["SET", "REMOVE", "WHERE", "RETURNING"], false) === 0) {
      throw new PartiqlError("SET or REMOVE names nothing");
    }
  }
  if (clauses === 0) throw new PartiqlError("UPDATE has neither SET nor REMOVE");
  return { ...source, returning: conditionAndReturning(reader) };
}

/** Behind DELETE: `FROM T WHERE … [RETURNING …]`. */
function deleted(reader: Reader): Source & Pick<Statement, "returning"> {
  reader.keyword("FROM");
  const source = reader.source(false);
  return { ...source, returning: conditionAndReturning(reader) };
}

function conditionAndReturning(reader: Reader): Statement["returning"] {
  if (reader.take("WHERE") && reader.expression(["RETURNING"], false) === 0) {
    throw new PartiqlError("WHERE has no condition");
  }
  if (!reader.take("RETURNING")) return "NONE";
  const whole = reader.take("ALL");
  if (!whole) reader.keyword("MODIFIED");
  const old = reader.take("OLD");
  if (!old) reader.keyword("NEW");
  reader.symbol("*");
  if (whole) return old ? "ALL_OLD" : "ALL_NEW";
  return old ? "UPDATED_OLD" : "UPDATED_NEW";
}

/**
 * Words that begin a clause or a statement in some dialect of PartiQL or SQL. Where the grammar above expects none, one
 * would mean something that was not understood; an attribute of that name can be written in double quotes.
 */
const CLAUSES: ReadonlySet<string> = new Set(
  `ALTER CREATE CROSS DELETE DROP EXCEPT EXCLUDED EXEC EXISTS EXPLAIN FROM FULL GROUP HAVING INNER INSERT INTERSECT INTO
  JOIN LATERAL LEFT LET LIMIT MERGE MODIFIED NATURAL OFFSET ON ORDER OUTER PIVOT REMOVE REPLACE RETURNING RIGHT SELECT SET
  UNION UNPIVOT UPDATE UPSERT USING VALUE VALUES WHERE WITH`.split(/\s+/),
);
const CLOSING: ReadonlyMap<string, string> = new Map([
  ["(", ")"],
  ["[", "]"],
  ["{", "}"],
  ["<<", ">>"],
]);
const CLOSERS: ReadonlySet<string> = new Set(CLOSING.values());

/** Goes through the tokens once, forwards only. */
class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** The next token as a keyword in upper case; it must be a word. */
  word(): string {
    const token = this.#next("a keyword");
    if (token.kind !== "word") throw unexpected(token, "a keyword");
    return token.text.toUpperCase();
  }

  keyword(word: string): void {
    const token = this.#next(word);
    if (!isKeyword(token, word)) throw unexpected(token, word);
  }

  /** Takes the keyword when it comes next. */
  take(word: string): boolean {
    if (!isKeyword(this.#tokens[this.#at], word)) return false;
    this.#at += 1;
    return true;
  }

  symbol(text: string): void {
    const token = this.#next(text);
    if (token.kind !== "symbol" || token.text !== text) throw unexpected(token, text);
  }

  end(): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) throw unexpected(token, "the end of the statement");
  }

  /** A table's name, quoted or plain, and behind a quoted one perhaps an index: `"T"."Idx"`. */
  source(indexes: boolean): Source {
    const token = this.#next("a table's name");
    if (token.kind !== "quoted" && (token.kind !== "word" || CLAUSES.has(token.text.toUpperCase()))) {
      throw unexpected(token, "a table's name");
    }
    const next = this.#tokens[this.#at];
    if (next?.kind !== "symbol" || next.text !== ".") return { table: token.text, index: null };
    this.#at += 1;
    const index = this.#next("an index's name");
    // Without quotes, a dot may be part of the table's name for one reader and a separator for another.
    if (!indexes || token.kind !== "quoted" || index.kind !== "quoted") {
      throw unexpected(index, 'a table, or for SELECT "table"."index" in double quotes');
    }
    return { table: token.text, index: index.text };
  }

  /** The item of an INSERT: a whole `{…}`, or a parameter. */
  item(): void {
    const token = this.#tokens[this.#at];
    if (token?.kind === "parameter") {
      this.#at += 1;
      return;
    }
    this.symbol("{");
    this.#at -= 1;
    this.#group();
  }

  /**
   * Skips an expression up to one of the keywords on its own level, or the end; with `inside` also up to a closing
   * parenthesis. Gives the number of tokens skipped.
   */
  expression(until: readonly string[], inside: boolean): number {
    const start = this.#at;
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined) break;
      if (token.kind === "word" && until.includes(token.text.toUpperCase())) break;
      if (inside && token.kind === "symbol" && token.text === ")") break;
      this.#step(token);
    }
    return this.#at - start;
  }

  /** Skips one token, or a bracket with all that it holds. */
  #step(token: Token): void {
    if (token.kind === "symbol" && CLOSING.has(token.text)) this.#group();
    else if (token.kind === "symbol" && CLOSERS.has(token.text))
      throw unexpected(token, "its opening bracket before it");
    else if (token.kind === "word" && CLAUSES.has(token.text.toUpperCase())) throw unexpected(token, "an expression");
    else this.#at += 1;
  }

  /** Skips a bracket and what it holds; without recursion, since a statement may open thousands. */
  #group(): void {
    const open: string[] = [];
    do {
      const token = this.#next(open.at(-1) ?? "an expression");
      if (token.kind === "word" && CLAUSES.has(token.text.toUpperCase())) throw unexpected(token, "an expression");
      if (token.kind !== "symbol") continue;
      const closing = CLOSING.get(token.text);
      if (closing !== undefined) open.push(closing);
      else if (CLOSERS.has(token.text) && open.pop() !== token.text) throw unexpected(token, "brackets in pairs");
    } while (open.length > 0);
  }

  #next(wanted: string): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new PartiqlError(`the statement ends where ${wanted} is expected`);
    this.#at += 1;
    return token;
  }
}

function isKeyword(token: Token | undefined, word: string): boolean {
  return token?.kind === "word" && token.text.toUpperCase() === word;
}

function unexpected(token: Token, wanted: string): PartiqlError {
  return new PartiqlError(`${wanted} is expected at position ${token.start}`);
}
