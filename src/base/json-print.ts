/** Writes values that were read from JSON. */

import type { JsonObject, JsonValue } from "./json-value.ts";

/** The JSON text of a value, members in their order, without white space. */
export function printJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(printJson).join(",")}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  let text = "";
  for (const [name, member] of value as JsonObject) {
    text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${printJson(member)}`;
  }
  return `{${text}}`;
}
