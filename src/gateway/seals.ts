/** Seals on what DynamoDB hands out to go on with, so that it serves only the one to whom it was given, and for the same. */

import type { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { isSameText } from "../base/same-text.ts";

/** Characters of a seal: 128 bits, and what tells it from the text before. */
const MARK = "|postern:";
const DIGITS = 22;

/** Seals with one key; every process of an installation has the same. */
export class Seals {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The text with a seal that binds it to these facts. */
  seal(text: string, bonds: readonly string[]): string {
    return `${text}${MARK}${this.#digest(text, bonds)}`;
  }

  /** The text as it was before it was sealed for these very facts; undefined for any other. */
  open(sealed: string, bonds: readonly string[]): string | undefined {
    const at = sealed.length - DIGITS - MARK.length;
    if (at < 0 || sealed.slice(at, at + MARK.length) !== MARK) return undefined;
    const text = sealed.slice(0, at);
    return isSameText(sealed.slice(at + MARK.length), this.#digest(text, bonds)) ? text : undefined;
  }

  #digest(text: string, bonds: readonly string[]): string {
    // As JSON, so that no two lists of facts run together to one text.
    return createHmac("sha256", this.#key)
      .update(JSON.stringify([text, ...bonds]))
      .digest("base64url")
      .slice(0, DIGITS);
  }
}
