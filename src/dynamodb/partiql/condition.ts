/** The grammar of PartiQL's WHERE. */

import type { Comparator, ConditionFunction } from "../expressions/ast.ts";
import type { PartiqlCondition, PartiqlOperand } from "./ast.ts";
import { type Parameters, parseArguments, parseOperand } from "./operand.ts";
import type { TokenReader } from "./reader.ts";
import { PartiqlError } from "./tokens.ts";

const COMPARATORS: ReadonlyMap<string, Comparator> = new Map<string, Comparator>([
  ["=", "="],
  ["<>", "<>"],
  ["!=", "<>"],
  ["<", "<"],
  ["<=", "<="],
  [">", ">"],
  [">=", ">="],
]);
const FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ["attribute_exists", 1],
  ["attribute_not_exists", 1],
  ["attribute_type", 2],
  ["begins_with", 2],
  ["contains", 2],
]);

/** Parses a condition to where something stands that does not go on with it. @throws PartiqlError */
export function parseWhere(reader: TokenReader, parameters: Parameters): PartiqlCondition {
  return new ConditionParser(reader, parameters).disjunction();
}

class ConditionParser {
  readonly #reader: TokenReader;
  readonly #parameters: Parameters;

  constructor(reader: TokenReader, parameters: Parameters) {
    this.#reader = reader;
    this.#parameters = parameters;
  }

  disjunction(): PartiqlCondition {
    return this.#joined("or", "OR", () => this.#joined("and", "AND", () => this.#negation()));
  }

  #joined(kind: "and" | "or", word: string, part: () => PartiqlCondition): PartiqlCondition {
    const first = part();
    if (!this.#reader.isKeyword(word)) return first;
    const of = [first];
    while (this.#reader.take(word)) of.push(part());
    return { kind, of };
  }

  #negation(): PartiqlCondition {
    if (!this.#reader.take("NOT")) return this.#predicate();
    return this.#reader.nested(() => ({ kind: "not", of: this.#negation() }));
  }

  #predicate(): PartiqlCondition {
    const reader = this.#reader;
    if (reader.isSymbol("(") && this.#isCondition()) {
      return reader.nested(() => {
        reader.symbol("(");
        const inner = this.disjunction();
        reader.symbol(")");
        return inner;
      });
    }
    const token = reader.peek();
    const name = token?.kind === "word" && reader.isSymbol("(", 1) ? token.text.toLowerCase() : "";
    const wanted = FUNCTIONS.get(name);
    if (wanted !== undefined) return this.#function(name as ConditionFunction, wanted);
    return this.#comparison(parseOperand(reader, this.#parameters));
  }

  /**
   * Whether the parenthesis that comes next holds a condition, not an operand: then a comparison or a function stands in
   * it. Looks ahead to the closing one; nothing is taken.
   */
  #isCondition(): boolean {
    let open = 0;
    for (let ahead = 0; ; ahead++) {
      const token = this.#reader.peek(ahead);
      if (token === undefined) return true;
      if (token.kind === "symbol") {
        if (COMPARATORS.has(token.text)) return true;
        if (token.text === "(") open += 1;
        if (token.text === ")" && (open -= 1) === 0) return false;
      } else if (token.kind === "word") {
        if (CONDITION_WORDS.has(token.text.toUpperCase())) return true;
        if (FUNCTIONS.has(token.text.toLowerCase()) && this.#reader.isSymbol("(", ahead + 1)) return true;
      }
    }
  }

  #function(name: ConditionFunction, wanted: number): PartiqlCondition {
    return this.#reader.nested(() => {
      const { start } = this.#reader.next(name);
      const operands = parseArguments(this.#reader, this.#parameters);
      if (operands.length !== wanted) throw new PartiqlError(`${name} takes ${wanted} operands (position ${start})`);
      return { kind: "function", name, arguments: operands };
    });
  }

  #comparison(operand: PartiqlOperand): PartiqlCondition {
    const reader = this.#reader;
    const token = reader.peek();
    const comparator = token?.kind === "symbol" ? COMPARATORS.get(token.text) : undefined;
    if (comparator !== undefined) {
      reader.next("a comparison");
      return { kind: "comparison", comparator, left: operand, right: parseOperand(reader, this.#parameters) };
    }
    if (reader.take("IS")) {
      const negated = reader.take("NOT");
      if (reader.take("MISSING")) return { kind: "missing", operand, negated };
      reader.keyword("NULL");
      return { kind: "null", operand, negated };
    }
    const negated = (reader.isKeyword("BETWEEN", 1) || reader.isKeyword("IN", 1)) && reader.take("NOT");
    const found = this.#range(operand);
    return negated ? { kind: "not", of: found } : found;
  }

  #range(operand: PartiqlOperand): PartiqlCondition {
    const reader = this.#reader;
    if (reader.take("BETWEEN")) {
      const low = parseOperand(reader, this.#parameters);
      reader.keyword("AND");
      return { kind: "between", operand, low, high: parseOperand(reader, this.#parameters) };
    }
    if (!reader.take("IN")) throw reader.unexpected("a comparison");
    if (reader.isSymbol("(")) return { kind: "in", operand, list: parseArguments(reader, this.#parameters) };
    reader.symbol("[");
    const list = [parseOperand(reader, this.#parameters)];
    while (reader.takeSymbol(",")) list.push(parseOperand(reader, this.#parameters));
    reader.symbol("]");
    return { kind: "in", operand, list };
  }
}

const CONDITION_WORDS: ReadonlySet<string> = new Set(["AND", "OR", "NOT", "BETWEEN", "IN", "IS"]);
