/** The small path language of the operation table. */

import type { JsonObject, JsonValue } from "../base/json.ts";

/** A value found at a path. */
export interface Found {
  readonly value: string;
  /** What stands beside it: the object that holds the member, or the entry of the map's key. */
  readonly beside: JsonValue;
  /** Where it stands, for example `TransactItems[0].Put.TableName`. */
  readonly parameter: string;
}

/** Every text at the path, in order; nothing where a part of the path is absent. */
export function textsAt(params: JsonObject, path: string): Found[] {
  const found: Found[] = [];
  const member = params.get(path);
  // Most operations name one table, in a member of their own.
  if (typeof member === "string") found.push({ value: member, beside: params, parameter: path });
  else walk(params, path.split("."), 0, "", params, found);
  return found;
}

/** Whether anything stands at the path. */
export function standsAt(params: JsonObject, path: string): boolean {
  return reaches(params, path.split("."), 0);
}

function walk(
  value: JsonValue | undefined,
  steps: readonly string[],
  at: number,
  parameter: string,
  beside: JsonValue,
  found: Found[],
): void {
  const step = steps[at];
  if (step === undefined) {
    if (typeof value === "string") found.push({ value, beside, parameter });
    return;
  }
  if (!(value instanceof Map)) return;
  const object = value as JsonObject;
  if (step === "*key") {
    for (const [key, entry] of object) found.push({ value: key, beside: entry, parameter });
    return;
  }
  const list = step.endsWith("[]");
  const name = list ? step.slice(0, -2) : step;
  const here = parameter === "" ? name : `${parameter}.${name}`;
  const member = object.get(name);
  if (!list) return walk(member, steps, at + 1, here, object, found);
  if (!Array.isArray(member)) return;
  for (const [index, element] of (member as readonly JsonValue[]).entries()) {
    walk(element, steps, at + 1, `${here}[${index}]`, object, found);
  }
}

function reaches(value: JsonValue | undefined, steps: readonly string[], at: number): boolean {
  const step = steps[at];
  if (step === undefined) return value !== undefined;
  if (!(value instanceof Map)) return false;
  const object = value as JsonObject;
  if (step === "*key") return object.size > 0;
  if (!step.endsWith("[]")) return reaches(object.get(step), steps, at + 1);
  const list = object.get(step.slice(0, -2));
  return Array.isArray(list) && (list as readonly JsonValue[]).some((element) => reaches(element, steps, at + 1));
}
