/** Writes values that were read from JSON. */

import { LazyObject } from "./json-lazy.ts";
import type { JsonObject, JsonValue } from "./json-value.ts";

/** The JSON text of a value, members in their order, without white space. */
export function printJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(printJson).join(",")}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  if (value instanceof LazyObject) return printLarge(value);
  let text = "";
  for (const [name, member] of value as JsonObject) {
    text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${printJson(member)}`;
  }
  return `{${text}}`;
}

/** A large list is printed element by element: built whole, it would take many times the memory of its text. */
function printLarge(object: LazyObject): string {
  let text = "";
  for (const member of object.members()) {
    text += `${text === "" ? "" : ","}${JSON.stringify(member.name)}:`;
    if (!member.isArray) {
      text += printJson(member.value());
      continue;
    }
    let elements = "";
    for (const element of member.elements()) elements += `${elements === "" ? "" : ","}${printJson(element)}`;
    text += `[${elements}]`;
  }
  return `{${text}}`;
}
