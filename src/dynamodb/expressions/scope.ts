/** The placeholders of one part of a request: what they stand for, and which of them were used. */

import { type JsonObject, type JsonValue, LazyObject } from "../../base/json.ts";
import { withoutParts } from "../attribute-value.ts";
import { printable, RequestError } from "../request-error.ts";
import type { AttributeValue } from "./ast.ts";

/** ExpressionAttributeNames and ExpressionAttributeValues. Every expression of the part must be parsed with it between `begin` and `finish`. */
export class ExpressionScope {
  readonly #names: JsonObject | undefined;
  readonly #values: JsonObject | undefined;
  readonly #used = new Set<string>();
  readonly #parameter: string;

  constructor(part: JsonObject, parameter: string) {
    this.#names = objectAt(part, "ExpressionAttributeNames");
    this.#values = objectAt(part, "ExpressionAttributeValues");
    this.#parameter = parameter;
  }

  /** The attribute name behind `#n`; undefined when it is not defined. */
  nameOf(placeholder: string): string | undefined {
    this.#used.add(placeholder);
    const name = this.#names?.get(placeholder);
    return typeof name === "string" ? name : undefined;
  }

  /** The value behind `:v`; undefined when it is not defined. */
  valueOf(placeholder: string): AttributeValue | undefined {
    this.#used.add(placeholder);
    const value = this.#values?.get(placeholder);
    if (!(value instanceof Map)) return undefined;
    return this.#values instanceof LazyObject ? withoutParts(value as AttributeValue) : (value as AttributeValue);
  }

  /**
   * Checks that there are no placeholders without expressions, and no empty map of them. DynamoDB looks at this before
   * it reads an expression.
   *
   * @throws RequestError in DynamoDB's words
   */
  begin(hasExpressions: boolean): void {
    this.#checkSize("ExpressionAttributeNames", this.#names, hasExpressions);
    this.#checkSize("ExpressionAttributeValues", this.#values, hasExpressions);
  }

  /**
   * Checks that every placeholder was used.
   *
   * @throws RequestError in DynamoDB's words
   */
  finish(): void {
    this.#checkUse("ExpressionAttributeNames", this.#names);
    this.#checkUse("ExpressionAttributeValues", this.#values);
  }

  #checkSize(member: string, placeholders: JsonObject | undefined, hasExpressions: boolean): void {
    if (placeholders === undefined || (hasExpressions && placeholders.size > 0)) return;
    const why = hasExpressions ? "must not be empty" : "can only be specified when using expressions";
    throw new RequestError("ValidationException", `${member} ${why}`, this.#at(member));
  }

  #checkUse(member: string, placeholders: JsonObject | undefined): void {
    if (placeholders === undefined) return;
    let unused = "";
    for (const placeholder of placeholders.keys()) {
      if (this.#used.has(placeholder)) continue;
      unused += `${unused === "" ? "" : ", "}${printable(placeholder)}`;
      if (unused.length > LONGEST_LIST) break;
    }
    if (unused === "") return;
    throw new RequestError(
      "ValidationException",
      `Value provided in ${member} unused in expressions: keys: {${unused}}`,
      this.#at(member),
    );
  }

  #at(member: string): string {
    return this.#parameter === "" ? member : `${this.#parameter}.${member}`;
  }
}

/** Characters of a message that lists placeholders. */
const LONGEST_LIST = 400;

function objectAt(part: JsonObject, member: string): JsonObject | undefined {
  const value: JsonValue | undefined = part.get(member);
  return value instanceof Map ? (value as JsonObject) : undefined;
}
