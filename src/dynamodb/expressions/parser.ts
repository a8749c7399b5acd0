/** The grammar of DynamoDB's expressions: text in, tree out, or an error in DynamoDB's words; nothing is guessed. */

import type { DocumentPath } from "../document-path.ts";
import { printable, RequestError } from "../request-error.ts";
import type {
  AttributeValue,
  Comparator,
  Condition,
  ConditionFunction,
  Operand,
  Projection,
  SetValue,
  Update,
  UpdateAction,
} from "./ast.ts";
import { RESERVED_WORDS } from "./reserved-words.ts";
import type { ExpressionScope } from "./scope.ts";
import { SyntaxFault, type Token, tokensOf } from "./tokens.ts";

/** Parses a ProjectionExpression. @throws RequestError */
export function parseProjection(text: string, scope: ExpressionScope, parameter: string): Projection {
  return parsed(text, scope, parameter, (parser) => parser.projection());
}

/** Parses a condition, a filter or a key condition. @throws RequestError */
export function parseCondition(text: string, scope: ExpressionScope, parameter: string): Condition {
  return parsed(text, scope, parameter, (parser) => parser.wholeCondition());
}

/** Parses an UpdateExpression. @throws RequestError */
export function parseUpdate(text: string, scope: ExpressionScope, parameter: string): Update {
  return parsed(text, scope, parameter, (parser) => parser.update());
}

function parsed<T>(text: string, scope: ExpressionScope, parameter: string, parse: (parser: Parser) => T): T {
  try {
    return parse(new Parser(text, scope));
  } catch (cause) {
    if (!(cause instanceof SyntaxFault) && !(cause instanceof ExpressionFault)) throw cause;
    const member = parameter.slice(parameter.lastIndexOf(".") + 1);
    throw new RequestError(
      "ValidationException",
      `Invalid ${member}: ${printable(cause.message, LONGEST_MESSAGE)}`,
      parameter,
      {
        cause,
      },
    );
  }
}

/** Characters of a message that repeats a part of the expression. */
const LONGEST_MESSAGE = 400;

/** A rule of the language that is broken though the syntax is sound. */
class ExpressionFault extends Error {
  override readonly name: string = "ExpressionFault";
}

/** DynamoDB takes 300 operators; what nests deeper than that has more. */
const DEEPEST = 300;
const CONDITION_KEYWORDS: ReadonlySet<string> = new Set(["AND", "OR", "NOT", "BETWEEN", "IN"]);
const NO_KEYWORDS: ReadonlySet<string> = new Set();
const COMPARATORS: ReadonlySet<string> = new Set(["=", "<>", "<", "<=", ">", ">="]);
/** Functions of conditions and their number of operands. */
const FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ["attribute_exists", 1],
  ["attribute_not_exists", 1],
  ["attribute_type", 2],
  ["begins_with", 2],
  ["contains", 2],
]);

/** What stands between operators: an operand, or a condition that is complete. */
type Term = { readonly operand: Operand } | { readonly condition: Condition };

class Parser {
  readonly #text: string;
  readonly #scope: ExpressionScope;
  readonly #tokens: readonly Token[];
  /** Words that are never names here; elsewhere they are reserved names. */
  #keywords: ReadonlySet<string> = NO_KEYWORDS;
  #at = 0;
  #depth = 0;

  constructor(text: string, scope: ExpressionScope) {
    this.#text = text;
    this.#scope = scope;
    this.#tokens = tokensOf(text);
  }

  projection(): Projection {
    const paths = [this.#path()];
    while (this.#takeSymbol(",")) paths.push(this.#path());
    this.#end();
    return paths;
  }

  wholeCondition(): Condition {
    this.#keywords = CONDITION_KEYWORDS;
    const condition = this.#condition();
    this.#end();
    return condition;
  }

  update(): Update {
    const actions: UpdateAction[] = [];
    const seen = new Set<string>();
    do {
      const token = this.#next();
      const clause = token.kind === "word" ? token.text.toUpperCase() : "";
      if (!CLAUSES.has(clause)) throw this.#unexpected(token);
      if (seen.has(clause)) {
        throw new ExpressionFault(`The "${clause}" section can only be used once in an update expression;`);
      }
      seen.add(clause);
      do actions.push(this.#action(clause));
      while (this.#takeSymbol(","));
    } while (this.#peek().kind !== "end");
    return actions;
  }

  #action(clause: string): UpdateAction {
    const path = this.#path();
    switch (clause) {
      case "SET":
        this.#symbol("=");
        return { kind: "set", path, value: this.#setValue() };
      case "REMOVE":
        return { kind: "remove", path };
      default:
        return { kind: clause === "ADD" ? "add" : "delete", path, value: this.#value() };
    }
  }

  /** `a`, `a + b`, `a - b`: exactly one operator. */
  #setValue(): SetValue {
    const left = this.#setOperand();
    const token = this.#peek();
    if (token.kind !== "symbol" || (token.text !== "+" && token.text !== "-")) return left;
    this.#at += 1;
    return { kind: "sum", operator: token.text, left, right: this.#setOperand() };
  }

  #setOperand(): SetValue {
    const token = this.#peek();
    if (token.kind === "symbol" && token.text === "(") {
      return this.#nested(() => {
        this.#at += 1;
        const value = this.#setValue();
        this.#symbol(")");
        return value;
      });
    }
    if (token.kind === "value") return { kind: "value", value: this.#value() };
    if (token.kind !== "word" || !this.#opens(1)) return { kind: "path", path: this.#path() };
    if (token.text !== "if_not_exists" && token.text !== "list_append") throw unknownFunction(token);
    return this.#nested(() => {
      this.#at += 2;
      if (token.text === "if_not_exists") {
        const path = this.#path();
        this.#symbol(",");
        const otherwise = this.#setValue();
        this.#symbol(")");
        return { kind: "if_not_exists", path, otherwise };
      }
      const left = this.#setValue();
      this.#symbol(",");
      const right = this.#setValue();
      this.#symbol(")");
      return { kind: "list_append", left, right };
    });
  }

  #condition(): Condition {
    const term = this.#disjunction();
    if ("condition" in term) return term.condition;
    if (term.operand.kind === "size") {
      throw new ExpressionFault("The function is not allowed to be used this way in an expression; function: size");
    }
    throw this.#unexpected(this.#peek());
  }

  #disjunction(): Term {
    return this.#joined("or", () => this.#joined("and", () => this.#negation()));
  }

  #joined(kind: "and" | "or", part: () => Term): Term {
    const first = part();
    if (!this.#isWord(kind)) return first;
    const of = [this.#complete(first)];
    while (this.#takeWord(kind)) of.push(this.#complete(part()));
    return { condition: { kind, of } };
  }

  #complete(term: Term): Condition {
    if ("condition" in term) return term.condition;
    throw this.#unexpected(this.#peek());
  }

  #negation(): Term {
    if (!this.#takeWord("not")) return this.#comparison();
    return this.#nested(() => ({ condition: { kind: "not", of: this.#complete(this.#negation()) } }));
  }

  #comparison(): Term {
    const left = this.#term();
    if ("condition" in left) return left;
    const { operand } = left;
    const token = this.#peek();
    if (token.kind === "symbol" && COMPARATORS.has(token.text)) {
      this.#at += 1;
      const comparator = token.text as Comparator;
      return { condition: { kind: "comparison", comparator, left: operand, right: this.#operand() } };
    }
    if (this.#takeWord("between")) {
      const low = this.#operand();
      if (!this.#takeWord("and")) throw this.#unexpected(this.#peek());
      return { condition: { kind: "between", operand, low, high: this.#operand() } };
    }
    if (this.#takeWord("in")) {
      this.#symbol("(");
      const list = [this.#operand()];
      while (this.#takeSymbol(",")) list.push(this.#operand());
      this.#symbol(")");
      return { condition: { kind: "in", operand, list } };
    }
    return left;
  }

  #operand(): Operand {
    const term = this.#term();
    if ("operand" in term) return term.operand;
    throw this.#unexpected(this.#peek());
  }

  /** A value, a path, a function, or anything in parentheses. */
  #term(): Term {
    const token = this.#peek();
    if (token.kind === "symbol" && token.text === "(") {
      return this.#nested(() => {
        this.#at += 1;
        const term = this.#disjunction();
        this.#symbol(")");
        return term;
      });
    }
    if (token.kind === "value") return { operand: { kind: "value", value: this.#value() } };
    if (token.kind === "word" && this.#opens(1)) return this.#call(token);
    return { operand: { kind: "path", path: this.#path() } };
  }

  #call(token: Token): Term {
    const { text } = token;
    const wanted = text === "size" ? 1 : FUNCTIONS.get(text);
    if (wanted === undefined) throw unknownFunction(token);
    return this.#nested(() => {
      this.#at += 2;
      const operands = [this.#operand()];
      while (this.#takeSymbol(",")) operands.push(this.#operand());
      this.#symbol(")");
      const [first] = operands;
      if (operands.length !== wanted || first === undefined) {
        throw new ExpressionFault(
          `Incorrect number of operands for operator or function; operator or function: ${text}, number of operands: ${operands.length}`,
        );
      }
      if (text === "size") return { operand: { kind: "size", of: first } };
      return { condition: { kind: "function", name: text as ConditionFunction, arguments: operands } };
    });
  }

  /** `a.b[0].#c` */
  #path(): DocumentPath {
    const path: [string, ...(string | number)[]] = [this.#name()];
    for (;;) {
      if (this.#takeSymbol(".")) path.push(this.#name());
      else if (this.#takeSymbol("[")) {
        path.push(this.#index());
        this.#symbol("]");
      } else return path;
    }
  }

  #name(): string {
    const token = this.#next();
    if (token.kind === "name") {
      const name = this.#scope.nameOf(token.text);
      if (name !== undefined) return name;
      throw new ExpressionFault(
        `An expression attribute name used in the document path is not defined; attribute name: ${token.text}`,
      );
    }
    if (token.kind !== "word" || this.#keywords.has(token.text.toUpperCase())) throw this.#unexpected(token);
    if (RESERVED_WORDS.has(token.text.toUpperCase())) {
      throw new ExpressionFault(`Attribute name is a reserved keyword; reserved keyword: ${token.text}`);
    }
    return token.text;
  }

  #index(): number {
    const token = this.#next();
    if (token.kind !== "number") throw this.#unexpected(token);
    const index = Number(token.text);
    // Beyond every list; a number with leading zeros could be read in another base.
    if (!/^(?:0|[1-9][0-9]{0,8})$/.test(token.text)) throw this.#unexpected(token);
    return index;
  }

  #value(): AttributeValue {
    const token = this.#next();
    if (token.kind !== "value") throw this.#unexpected(token);
    const value = this.#scope.valueOf(token.text);
    if (value !== undefined) return value;
    throw new ExpressionFault(
      `An expression attribute value used in expression is not defined; attribute value: ${token.text}`,
    );
  }

  #nested<T>(parse: () => T): T {
    if ((this.#depth += 1) > DEEPEST) {
      throw new ExpressionFault(`The expression is nested too deeply; maximum depth: ${DEEPEST}`);
    }
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind === "end") throw this.#unexpected(token);
    this.#at += 1;
    return token;
  }

  /** Whether a parenthesis opens so many tokens ahead: then the word before it is a function. */
  #opens(ahead: number): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === "symbol" && token.text === "(";
  }

  #isWord(word: string): boolean {
    const token = this.#peek();
    return token.kind === "word" && token.text.toLowerCase() === word;
  }

  #takeWord(word: string): boolean {
    if (!this.#isWord(word)) return false;
    this.#at += 1;
    return true;
  }

  #takeSymbol(symbol: string): boolean {
    const token = this.#peek();
    if (token.kind !== "symbol" || token.text !== symbol) return false;
    this.#at += 1;
    return true;
  }

  #symbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) throw this.#unexpected(this.#peek());
  }

  #end(): void {
    if (this.#peek().kind !== "end") throw this.#unexpected(this.#peek());
  }

  #unexpected(token: Token): SyntaxFault {
    const at = this.#tokens.indexOf(token);
    const next = this.#tokens[at + 1];
    const from = this.#tokens[at - 1]?.start ?? token.start;
    const end =
      next === undefined || next.kind === "end" ? token.start + token.text.length : next.start + next.text.length;
    return new SyntaxFault(token.text, this.#text.slice(from, token.kind === "end" ? undefined : end));
  }
}

const CLAUSES: ReadonlySet<string> = new Set(["SET", "REMOVE", "ADD", "DELETE"]);

function unknownFunction(token: Token): ExpressionFault {
  return new ExpressionFault(`Invalid function name; function: ${token.text}`);
}
