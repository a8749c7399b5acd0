/** Why a text is refused as JSON. */

import { PosternError } from "./errors.ts";

/** Why a text is not JSON without doubt. */
export type JsonReason =
  | "empty"
  | "byte_order_mark"
  | "invalid_utf8"
  | "lone_surrogate"
  | "control_character"
  | "invalid_escape"
  | "invalid_number"
  | "inexact_number"
  | "duplicate_key"
  | "too_deep"
  | "truncated"
  | "trailing_bytes"
  | "unexpected_byte";

/** The text is not JSON, or is JSON that two readers may understand differently. */
export class JsonError extends PosternError {
  readonly reason: JsonReason;
  /** Bytes before the offending one. */
  readonly offset: number;

  constructor(reason: JsonReason, offset: number) {
    super("json_invalid", `Cannot read JSON: ${SENTENCES[reason]} at byte ${offset}`);
    this.reason = reason;
    this.offset = offset;
  }
}

const SENTENCES: Readonly<Record<JsonReason, string>> = {
  empty: "there is no value",
  byte_order_mark: "a byte order mark stands",
  invalid_utf8: "invalid UTF-8 stands",
  lone_surrogate: "half of a surrogate pair stands",
  control_character: "an unescaped control character stands",
  invalid_escape: "an unknown escape stands",
  invalid_number: "a number that is malformed, not finite or too long stands",
  inexact_number: "an integer too large to be exact stands",
  duplicate_key: "a key stands for the second time",
  too_deep: "values are nested too deeply",
  truncated: "the text ends too early",
  trailing_bytes: "something follows the value",
  unexpected_byte: "an unexpected character stands",
};
