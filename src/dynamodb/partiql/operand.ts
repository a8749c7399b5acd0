/** The grammar of PartiQL's operands: paths, literals, parameters, functions and arithmetic. */

import type { JsonValue } from "../../base/json.ts";
import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue } from "../expressions/ast.ts";
import { parseNumber } from "../number.ts";
import type { PartiqlOperand } from "./ast.ts";
import type { TokenReader } from "./reader.ts";
import { ParameterCountError, PartiqlError, type Token } from "./tokens.ts";

/** A statement's parameters, taken one by one as its question marks come. */
export class Parameters {
  readonly #values: readonly AttributeValue[];
  #taken = 0;

  constructor(values: readonly AttributeValue[]) {
    this.#values = values;
  }

  take(): AttributeValue {
    const value = this.#values[this.#taken];
    this.#taken += 1;
    if (value === undefined) throw new ParameterCountError();
    return value;
  }

  /** With a parameter that nothing takes, the statement does something else than its author means. */
  end(): void {
    if (this.#taken !== this.#values.length) throw new ParameterCountError();
  }
}

/** Functions whose result is a value. */
const FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ["size", 1],
  ["list_append", 2],
  ["if_not_exists", 2],
  ["set_add", 2],
  ["set_delete", 2],
]);

/**
 * Words that mean something else than an attribute where an operand stands. An attribute of such a name can be written in
 * double quotes.
 */
const KEYWORDS: ReadonlySet<string> = new Set(
  `ALL ALTER AND ANY AS ASC BETWEEN BY CASE CAST COALESCE COUNT CREATE CROSS CURRENT_USER DATE DELETE DESC DISTINCT DROP
  ELSE END ESCAPE EXCEPT EXCLUDED EXEC EXISTS EXPLAIN EXTRACT FALSE FROM FULL GROUP HAVING IN INNER INSERT INTERSECT INTO
  IS JOIN LATERAL LEFT LET LIKE LIMIT MERGE MISSING MODIFIED NATURAL NOT NULL NULLIF OFFSET ON OR ORDER OUTER PIVOT REMOVE
  REPLACE RETURNING RIGHT SELECT SET SOME SUBSTRING TABLE THEN TIME TIMESTAMP TRIM TRUE UNION UNIQUE UNPIVOT UPDATE UPSERT
  USER USING VALUE VALUES WHEN WHERE WITH`.split(/\s+/),
);

/** Whether the token can be the name of an attribute or a table. */
export function isName(token: Token | undefined): token is Token {
  return token?.kind === "quoted" || (token?.kind === "word" && !KEYWORDS.has(token.text.toUpperCase()));
}

/** `a.b[0]."c"['d']`. Names are case-sensitive, with and without quotes. */
export function parsePath(reader: TokenReader): DocumentPath {
  const first = reader.peek();
  if (!isName(first)) throw reader.unexpected("an attribute's name");
  reader.next("an attribute's name");
  const path: [string, ...(string | number)[]] = [first.text];
  for (;;) {
    if (reader.takeSymbol(".")) {
      const name = reader.peek();
      if (!isName(name)) throw reader.unexpected("an attribute's name");
      reader.next("an attribute's name");
      path.push(name.text);
    } else if (reader.takeSymbol("[")) {
      path.push(step(reader));
      reader.symbol("]");
    } else return path;
  }
}

/** Inside brackets stands the number of an element or the name of a member. */
function step(reader: TokenReader): string | number {
  const token = reader.next("a number or a name");
  if (token.kind === "string" || token.kind === "quoted") return token.text;
  if (token.kind === "number" && /^(?:0|[1-9][0-9]{0,8})$/.test(token.text)) return Number(token.text);
  throw new PartiqlError(`the number of an element is expected at position ${token.start}`);
}

/** `a + b - c` */
export function parseOperand(reader: TokenReader, parameters: Parameters): PartiqlOperand {
  let left = primary(reader, parameters);
  while (reader.isSymbol("+") || reader.isSymbol("-")) {
    const operator = reader.next("+ or -").text === "+" ? "+" : "-";
    left = { kind: "arithmetic", operator, left, right: primary(reader, parameters) };
  }
  return left;
}

function primary(reader: TokenReader, parameters: Parameters): PartiqlOperand {
  if (reader.isSymbol("(")) {
    return reader.nested(() => {
      reader.symbol("(");
      const inner = parseOperand(reader, parameters);
      reader.symbol(")");
      return inner;
    });
  }
  const name = reader.peek();
  if (name?.kind === "word" && reader.isSymbol("(", 1)) return call(name, reader, parameters);
  if (isName(name)) return { kind: "path", path: parsePath(reader) };
  return { kind: "value", value: parseLiteral(reader, parameters) };
}

function call(token: Token, reader: TokenReader, parameters: Parameters): PartiqlOperand {
  const name = token.text.toLowerCase();
  const wanted = FUNCTIONS.get(name);
  if (wanted === undefined) throw new PartiqlError(`no function "${token.text}" is known (position ${token.start})`);
  return reader.nested(() => {
    reader.next(name);
    const operands = parseArguments(reader, parameters);
    if (operands.length !== wanted)
      throw new PartiqlError(`${name} takes ${wanted} operands (position ${token.start})`);
    return { kind: "call", name, arguments: operands };
  });
}

/** `(a, b)` */
export function parseArguments(reader: TokenReader, parameters: Parameters): PartiqlOperand[] {
  reader.symbol("(");
  const operands = [parseOperand(reader, parameters)];
  while (reader.takeSymbol(",")) operands.push(parseOperand(reader, parameters));
  reader.symbol(")");
  return operands;
}

/** A literal or a parameter, as the value that it stands for; collections hold nothing but literals and parameters. */
export function parseLiteral(reader: TokenReader, parameters: Parameters): AttributeValue {
  const token = reader.peek();
  const sign = token?.kind === "symbol" && (token.text === "-" || token.text === "+") ? token.text : "";
  if (sign !== "") reader.next("a sign");
  const value = reader.peek();
  if (value === undefined) throw reader.unexpected("a value");
  if (sign !== "" && value.kind !== "number") throw reader.unexpected("a number");
  switch (value.kind) {
    case "string":
      reader.next("a string");
      return of("S", value.text);
    case "number":
      reader.next("a number");
      if (typeof parseNumber(value.text) === "string") {
        throw new PartiqlError(`the number at position ${value.start} is not one that an item can hold`);
      }
      return of("N", `${sign === "-" ? "-" : ""}${value.text}`);
    case "parameter":
      reader.next("a parameter");
      return parameters.take();
    case "symbol":
      return reader.nested(() => collection(reader, parameters));
    default:
      return constant(reader);
  }
}

function constant(reader: TokenReader): AttributeValue {
  if (reader.take("TRUE")) return of("BOOL", true);
  if (reader.take("FALSE")) return of("BOOL", false);
  if (reader.take("NULL")) return of("NULL", true);
  throw reader.unexpected("a value");
}

function collection(reader: TokenReader, parameters: Parameters): AttributeValue {
  if (reader.takeSymbol("[")) return of("L", list(reader, parameters, "]"));
  if (reader.takeSymbol("<<")) return set(list(reader, parameters, ">>"));
  if (reader.isSymbol("{")) return of("M", parseTuple(reader, parameters));
  throw reader.unexpected("a value");
}

function list(reader: TokenReader, parameters: Parameters, closing: string): AttributeValue[] {
  const values: AttributeValue[] = [];
  if (reader.takeSymbol(closing)) return values;
  do values.push(parseLiteral(reader, parameters));
  while (reader.takeSymbol(","));
  reader.symbol(closing);
  return values;
}

function set(values: readonly AttributeValue[]): AttributeValue {
  const tags = new Set(values.flatMap((value) => [...value.keys()]));
  const [tag] = tags;
  if (tags.size !== 1 || (tag !== "S" && tag !== "N" && tag !== "B")) {
    throw new PartiqlError("a set holds strings, numbers or binary values, at least one and all of one kind");
  }
  return of(
    `${tag}S`,
    values.map((value) => value.get(tag) as JsonValue),
  );
}

/** `{'name': value}`, each name once. */
export function parseTuple(reader: TokenReader, parameters: Parameters): Map<string, AttributeValue> {
  const members = new Map<string, AttributeValue>();
  reader.symbol("{");
  if (reader.takeSymbol("}")) return members;
  do {
    const name = reader.next("a name in single quotes");
    if (name.kind !== "string") {
      throw new PartiqlError(`a name in single quotes is expected at position ${name.start}`);
    }
    if (members.has(name.text)) throw new PartiqlError(`a name stands for the second time at position ${name.start}`);
    reader.symbol(":");
    members.set(name.text, parseLiteral(reader, parameters));
  } while (reader.takeSymbol(","));
  reader.symbol("}");
  return members;
}

function of(tag: string, content: JsonValue): AttributeValue {
  return new Map([[tag, content]]);
}
