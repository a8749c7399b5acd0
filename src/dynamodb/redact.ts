/** A copy of a request for the audit log: names and expressions as sent, every value unreadable, bounded in size. */

import { Buffer } from "node:buffer";
import { type JsonObject, type JsonValue, LazyObject } from "../base/json.ts";
import { MODEL } from "./model.ts";
import { canonicalNumber } from "./number.ts";
import { PartiqlError, tokensOf } from "./partiql/tokens.ts";
import type { DynamoRequest } from "./request.ts";

/** JSON as JavaScript's own objects. */
export type JsonLike = null | boolean | number | string | readonly JsonLike[] | { readonly [name: string]: JsonLike };

export interface RedactLimits {
  /** Attribute values that are hashed; further ones become "[redacted]". 64 unless told. */
  readonly values?: number;
  /** Bytes of JSON for the whole copy. 8192 unless told. */
  readonly bytes?: number;
  /** Characters of one text. 1024 unless told. */
  readonly text?: number;
}

/**
 * The parameters with every attribute value as `{"TAG": hash("TAG:VALUE")}`, PartiQL literals as `'…'` and tokens
 * shortened. Numbers are hashed in canonical form, so that equal numbers have equal hashes. Never throws.
 */
export function redactedBody(
  request: DynamoRequest,
  hash: (text: string) => string,
  limits: RedactLimits = {},
): JsonLike {
  try {
    return new Redactor(hash, limits).copy(request.params, MODEL.inputs[request.operation.target] ?? "", "");
  } catch {
    return "[unreadable]";
  }
}

const REDACTED = "[redacted]";
const TRUNCATED = "[truncated]";
/** Characters of values that are hashed in one request; an item may have 400 KB. */
const HASHED_CHARACTERS = 262_144;
const LONGEST_NAME = 255;
/** Characters around a value's content: `{"BOOL":}` and some white space. */
const LONGEST_TAG = 16;
const TOKENS: ReadonlySet<string> = new Set(["ClientRequestToken", "ClientToken", "NextToken"]);

interface CopiedMember {
  readonly name: string;
  readonly copyAs: (shape: string) => JsonLike;
}

class Redactor {
  readonly #hash: (text: string) => string;
  readonly #longest: number;
  #values: number;
  #bytes: number;
  #characters = HASHED_CHARACTERS;

  constructor(hash: (text: string) => string, limits: RedactLimits) {
    this.#hash = hash;
    this.#values = limits.values ?? 64;
    this.#longest = limits.text ?? 1024;
    // What the marks at the end of cut lists and objects need, however deep.
    this.#bytes = Math.max(0, (limits.bytes ?? 8192) - 512);
  }

  /** Copies a value of the shape; `name` is the member that holds it. */
  copy(value: JsonValue, shapeName: string, name: string): JsonLike {
    if (shapeName === "AttributeValue") return this.#attributeValue(value);
    if (typeof value === "string") return this.#spend(this.#text(value, name));
    if (value === null || typeof value !== "object") return this.#spend(value);
    const shape = MODEL.shapes[shapeName];
    if (value instanceof Map) {
      const of = shape?.t === "structure" ? shape.of : undefined;
      const entries = shape?.t === "map" ? shape.of : undefined;
      return this.#object(value as JsonObject, (member) => of?.[member] ?? entries);
    }
    return this.#list(value as readonly JsonValue[], listOf(shapeName), name);
  }

  #object(object: JsonObject, shapeOf: (member: string) => string | undefined): JsonLike {
    const copies: [string, JsonLike][] = [];
    this.#bytes -= 2;
    for (const { name, copyAs } of this.#membersOf(object)) {
      const short = cut(name, LONGEST_NAME);
      const size = bytesOf(short) + 2;
      if (size >= this.#bytes) {
        this.#bytes = 0;
        copies.push(["…", TRUNCATED]);
        break;
      }
      this.#bytes -= size;
      const shape = shapeOf(name);
      copies.push([short, shape === undefined ? REDACTED : copyAs(shape)]);
    }
    // fromEntries defines members; assigning would let an attribute named __proto__ do something else.
    return Object.fromEntries(copies);
  }

  /** Members in order. Of a large object only those are read that have room here, and of a large list as many elements. */
  *#membersOf(object: JsonObject): Generator<CopiedMember, void, undefined> {
    if (!(object instanceof LazyObject)) {
      for (const [name, value] of object) yield { name, copyAs: (shape) => this.copy(value, shape, name) };
      return;
    }
    for (const { name, isArray, value, elements } of object.members()) {
      const isList = (shape: string): boolean => isArray && MODEL.shapes[shape]?.t === "list";
      yield {
        name,
        copyAs: (shape) =>
          isList(shape) ? this.#list(elements(), listOf(shape), name) : this.copy(value(), shape, name),
      };
    }
  }

  #list(list: Iterable<JsonValue>, shape: string | undefined, name: string): JsonLike {
    const copies: JsonLike[] = [];
    this.#bytes -= 2;
    for (const element of list) {
      if (this.#bytes <= 0) {
        copies.push(TRUNCATED);
        break;
      }
      this.#bytes -= 1;
      copies.push(shape === undefined ? REDACTED : this.copy(element, shape, name));
    }
    return copies;
  }

  #attributeValue(value: JsonValue): JsonLike {
    // More than is hashed in one request: it is not even built.
    if (value instanceof LazyObject && value.span > this.#characters + LONGEST_TAG) {
      this.#bytes -= LONGEST_TAG + 2;
      return { [value.keys().next().value ?? ""]: this.#spend(REDACTED) };
    }
    const [tag, content] = value instanceof Map ? ((value as JsonObject).entries().next().value ?? []) : [];
    if (tag === undefined || content === undefined) return this.#spend(REDACTED);
    const text = this.#values > 0 ? valueText(tag, content, this.#characters) : undefined;
    this.#bytes -= bytesOf(tag) + 3;
    if (text === undefined) return { [tag]: this.#spend(REDACTED) };
    this.#values -= 1;
    this.#characters -= text.length;
    return { [tag]: this.#spend(cut(this.#hash(`${tag}:${text}`), this.#longest)) };
  }

  #text(text: string, name: string): string {
    if (name === "Statement") return cut(withoutLiterals(text), this.#longest);
    if (name === "ShardIterator")
      return `${/^(?:[0-9]{1,3}\|)?arn:[^|]{1,400}\|/.exec(text)?.[0] ?? text.slice(0, 8)}…`;
    if (TOKENS.has(name)) return text.length > 8 ? `${text.slice(0, 8)}…` : text;
    return cut(text, this.#longest);
  }

  #spend<T extends null | boolean | number | string>(scalar: T): T | string {
    const size = bytesOf(scalar);
    if (size > this.#bytes) {
      this.#bytes = 0;
      return TRUNCATED;
    }
    this.#bytes -= size;
    return scalar;
  }
}

/** The shape of a list's elements. */
function listOf(shapeName: string): string | undefined {
  const shape = MODEL.shapes[shapeName];
  return shape?.t === "list" ? shape.of : undefined;
}

/** The text of a value that is hashed; undefined when it has more than `longest` characters. */
function valueText(tag: string, content: JsonValue, longest: number): string | undefined {
  if (typeof content === "string") {
    if (content.length > longest) return undefined;
    return tag === "N" ? (canonicalNumber(content) ?? content) : content;
  }
  if (content === null || typeof content !== "object") return String(content);
  return written(content, { left: longest });
}

/**
 * What JSON.stringify writes with every object as the list of its members; undefined when the budget of characters does not
 * suffice. Written here, for counting first and a replacer take three times as long.
 */
function written(value: JsonValue, budget: { left: number }): string | undefined {
  budget.left -= typeof value === "string" ? value.length + 4 : 4;
  if (budget.left < 0) return undefined;
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value !== "object") return String(value);
  let text = "";
  if (value instanceof Map) {
    for (const [name, member] of value as JsonObject) {
      budget.left -= name.length;
      const part = written(member, budget);
      if (part === undefined) return undefined;
      text += `${text === "" ? "" : ","}[${quoted(name)},${part}]`;
    }
  } else {
    for (const element of value as readonly JsonValue[]) {
      const part = written(element, budget);
      if (part === undefined) return undefined;
      text += text === "" ? part : `,${part}`;
    }
  }
  return `[${text}]`;
}

function withoutLiterals(statement: string): string {
  try {
    let text = "";
    let from = 0;
    for (const token of tokensOf(statement)) {
      if (token.kind !== "string" && token.kind !== "number") continue;
      text += `${statement.slice(from, token.start)}'…'`;
      from = token.end;
    }
    return text + statement.slice(from);
  } catch (cause) {
    if (cause instanceof PartiqlError) return "[unreadable]";
    throw cause;
  }
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/** Printable ASCII that JSON does not escape. */
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function bytesOf(scalar: null | boolean | number | string): number {
  if (typeof scalar !== "string") return String(scalar).length;
  // Nearly every text stands in JSON as it is. bench: load/postern, redaction −30 %.
  return PLAIN.test(scalar) ? scalar.length + 2 : Buffer.byteLength(JSON.stringify(scalar));
}
