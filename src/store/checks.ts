/** What every store keeps and refuses: kinds, names, values and their sizes, before anything is written. */

import { Buffer } from "node:buffer";
import { corrupt, invalid, nameOf } from "./store-errors.ts";
import type { StoredValue, Write } from "./store.ts";

/** Bytes of a value as JSON: with its name and one copy for those who watch it fits into an item of DynamoDB. */
export const MAX_VALUE_BYTES = 300 * 1024;
/** Bytes of all values of one call: with their copies they fit into one transaction of DynamoDB. */
export const MAX_CALL_BYTES = 1_500_000;
const MAX_WRITES = 50;
const MAX_NAME_BYTES = 255;
const MAX_KIND_BYTES = 64;
const MAX_DEPTH = 64;

const KIND = /^[a-z0-9]+(?:_[a-z0-9]+)*$/;
/** Control characters, and halves of characters, which have no UTF-8. */
const UNFIT = /[\p{Cc}\p{Surrogate}]/u;

/** A write that was checked, with its value as text. */
export interface CheckedWrite {
  readonly write: Write;
  /** JSON; absent for what has no value. */
  readonly text?: string;
}

/** @throws PosternError `store_invalid` */
export function checkWrites(writes: readonly Write[]): CheckedWrite[] {
  if (writes.length > MAX_WRITES) {
    throw invalid(
      `write ${writes.length} resources at once`,
      `the most is ${MAX_WRITES}`,
      "write them in several calls",
    );
  }
  const seen = new Set<string>();
  let bytes = 0;
  const checked = writes.map((write): CheckedWrite => {
    checkKind(write.kind);
    checkName(write.kind, write.name);
    const key = `${write.kind}/${write.name}`;
    if (seen.has(key)) {
      throw invalid(`write ${nameOf(write)}`, "one call has it twice", "write each resource once");
    }
    seen.add(key);
    if (!("value" in write)) return { write };
    const text = textOf(write);
    bytes += Buffer.byteLength(text);
    return { write, text };
  });
  if (bytes > MAX_CALL_BYTES) {
    throw invalid(
      `write ${writes.length} resources at once`,
      `their values have ${bytes} bytes, the most is ${MAX_CALL_BYTES}`,
      "write them in several calls",
    );
  }
  return checked;
}

/** @throws PosternError `store_invalid` */
export function checkKind(kind: string): void {
  if (KIND.test(kind) && kind.length <= MAX_KIND_BYTES) return;
  throw invalid(
    `use the kind ${JSON.stringify(kind.slice(0, 100))}`,
    `a kind is lower-case letters, digits and inner underscores, ${MAX_KIND_BYTES} at most`,
    "check the kind",
  );
}

/** @throws PosternError `store_invalid` */
export function checkName(kind: string, name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes >= 1 && bytes <= MAX_NAME_BYTES && !UNFIT.test(name)) return;
  throw invalid(
    `use the name ${JSON.stringify(name.slice(0, 100))} of a ${kind}`,
    `a name has 1 to ${MAX_NAME_BYTES} bytes of UTF-8 and no control characters; this one has ${bytes} bytes`,
    "choose another name",
  );
}

/** @throws PosternError `store_invalid` */
export function checkList(kind: string, options: { readonly after?: string; readonly limit?: number }): void {
  checkKind(kind);
  if (options.after !== undefined) checkName(kind, options.after);
  if (options.limit !== undefined && (!Number.isSafeInteger(options.limit) || options.limit < 1)) {
    throw invalid(`list ${options.limit} of ${kind}`, "that is no number of resources", "ask for 1 or more");
  }
}

/** The values after one another as UTF-8 orders them; JavaScript's own comparison goes by halves of characters. */
export function inOrder(
  left: { readonly kind: string; readonly name: string },
  right: { readonly kind: string; readonly name: string },
): number {
  return (
    Buffer.compare(Buffer.from(left.kind), Buffer.from(right.kind)) ||
    Buffer.compare(Buffer.from(left.name), Buffer.from(right.name))
  );
}

/**
 * A value from its text. What the parser says of a bad one is left out, as it quotes it.
 *
 * @throws PosternError `store_corrupt`
 */
export function readValue(about: { readonly kind: string; readonly name: string }, text: string): StoredValue {
  try {
    return JSON.parse(text) as StoredValue;
  } catch {
    throw corrupt(nameOf(about), "its value is no JSON");
  }
}

function textOf(write: Extract<Write, { readonly value: StoredValue }>): string {
  const attempt = `write ${nameOf(write)}`;
  const fault = faultOf(write.value, 0);
  if (fault !== undefined) throw invalid(attempt, `its value has ${fault}`, "give it what JSON can hold");
  const { expiresAt } = write;
  if (expiresAt !== undefined && (!Number.isSafeInteger(expiresAt) || expiresAt < 0)) {
    throw invalid(attempt, `its expiry is ${expiresAt}`, "give whole milliseconds since 1970");
  }
  const text = JSON.stringify(write.value);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_VALUE_BYTES) {
    throw invalid(
      attempt,
      `its value has ${bytes} bytes, the most is ${MAX_VALUE_BYTES}`,
      "make it smaller or split it",
    );
  }
  return text;
}

/** What of a value JSON would lose without a word. */
function faultOf(value: unknown, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return `more than ${MAX_DEPTH} levels`;
  if (value === null || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `the number ${value}`;
  if (typeof value !== "object") return `something of type ${typeof value}`;
  if (!Array.isArray(value) && ![Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null)) {
    return "an object that is more than its members";
  }
  // Array.from sees the holes of an array, too.
  for (const member of Array.isArray(value) ? Array.from<unknown>(value) : Object.values(value)) {
    const fault = faultOf(member, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
