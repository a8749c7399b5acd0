/** Reads off an answer of DynamoDB what the audit log keeps of it, without building the whole of it. */

import { Buffer } from "node:buffer";

export interface ResponseSummary {
  /** Items or records that came back; null when the answer carries no list and no item. */
  readonly items: number | null;
  /** Capacity units, over all tables; null when they were not asked for. */
  readonly consumed_capacity: number | null;
  /** The error's type without its namespace. */
  readonly error: string | null;
}

/** Lists of which every element is one item. */
const LISTS: ReadonlySet<string> = new Set(["Items", "Records", "SearchResults"]);
const LONGEST_CAPACITY = 65_536;

/**
 * Summarises a JSON answer in linear time, skipping items unread. Never throws; of what is not JSON nothing is known.
 * Give the operation's name, and an empty answer to GetItem counts as no item instead of unknown.
 */
export function summarise(body: Uint8Array, operation: string | null = null): ResponseSummary {
  let items: number | null = operation === "GetItem" ? 0 : null;
  let listed: number | null = null;
  let capacity: number | null = null;
  let error: string | null = null;
  try {
    const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    eachMember(buffer, skipSpace(buffer, 0), (name, start, end) => {
      if (name === "Item") items = 1;
      else if (name === "Count") items = numberAt(buffer, start, end);
      else if (LISTS.has(name)) listed = elements(buffer, start);
      else if (name === "Responses") listed = responses(buffer, start);
      else if (name === "ConsumedCapacity") capacity = capacityAt(buffer, start, end);
      else if (name === "__type") error = shortType(buffer, start, end);
    });
  } catch {
    return { items: null, consumed_capacity: null, error };
  }
  if (error !== null) return { items: null, consumed_capacity: capacity, error };
  return { items: items ?? listed, consumed_capacity: capacity, error };
}

/** Where the value of a member of the answer stands, from its first byte to behind its last; undefined when it is absent. */
export function memberRange(body: Uint8Array, member: string): readonly [start: number, end: number] | undefined {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let range: readonly [number, number] | undefined;
  eachMember(buffer, skipSpace(buffer, 0), (name, start, end) => {
    if (name === member) range = [start, end];
  });
  return range;
}

/** Of a batch: a list per table. Of transactions and statements: a list of answers, with or without an item. */
function responses(buffer: Buffer, start: number): number {
  let count = 0;
  if (buffer[start] === OPEN_BRACE) {
    eachMember(buffer, start, (_table, list) => {
      count += elements(buffer, list);
    });
  } else {
    eachElement(buffer, start, (element) => {
      eachMember(buffer, element, (name) => {
        if (name === "Item") count += 1;
      });
    });
  }
  return count;
}

function elements(buffer: Buffer, start: number): number {
  let count = 0;
  eachElement(buffer, start, () => {
    count += 1;
  });
  return count;
}

function numberAt(buffer: Buffer, start: number, end: number): number | null {
  const value = Number(buffer.toString("latin1", start, end));
  return Number.isFinite(value) ? value : null;
}

function capacityAt(buffer: Buffer, start: number, end: number): number | null {
  if (end - start > LONGEST_CAPACITY) return null;
  const value = JSON.parse(buffer.toString("utf8", start, end)) as unknown;
  let sum: number | null = null;
  for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (typeof each !== "object" || each === null || !("CapacityUnits" in each)) continue;
    const units = each.CapacityUnits;
    if (typeof units === "number" && Number.isFinite(units)) sum = (sum ?? 0) + units;
  }
  return sum;
}

function shortType(buffer: Buffer, start: number, end: number): string | null {
  if (buffer[start] !== QUOTE || end - start > 300) return null;
  const type = buffer.toString("latin1", start + 1, end - 1);
  const short = type.slice(type.lastIndexOf("#") + 1);
  return /^[A-Za-z0-9_.]{1,128}$/.test(short) ? short : null;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Calls back for each member of the object at `at`, with the range of its value. */
function eachMember(buffer: Buffer, at: number, call: (name: string, start: number, end: number) => void): void {
  expect(buffer, at, OPEN_BRACE);
  let next = skipSpace(buffer, at + 1);
  if (buffer[next] === CLOSE_BRACE) return;
  for (;;) {
    expect(buffer, next, QUOTE);
    const nameEnd = skipString(buffer, next);
    const name = buffer.toString("latin1", next + 1, nameEnd - 1);
    const colon = skipSpace(buffer, nameEnd);
    expect(buffer, colon, COLON);
    const start = skipSpace(buffer, colon + 1);
    const end = skipValue(buffer, start);
    call(name, start, end);
    next = skipSpace(buffer, end);
    if (buffer[next] === CLOSE_BRACE) return;
    expect(buffer, next, COMMA);
    next = skipSpace(buffer, next + 1);
  }
}

function eachElement(buffer: Buffer, at: number, call: (start: number) => void): void {
  expect(buffer, at, OPEN_BRACKET);
  let next = skipSpace(buffer, at + 1);
  if (buffer[next] === CLOSE_BRACKET) return;
  for (;;) {
    const end = skipValue(buffer, next);
    call(next);
    next = skipSpace(buffer, end);
    if (buffer[next] === CLOSE_BRACKET) return;
    expect(buffer, next, COMMA);
    next = skipSpace(buffer, next + 1);
  }
}

/** The place behind the value at `at`; brackets are counted, not matched, as DynamoDB sends none amiss. */
function skipValue(buffer: Buffer, at: number): number {
  const first = buffer[at];
  if (first === QUOTE) return skipString(buffer, at);
  let next = at;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    while (next < buffer.length && !isDelimiter(buffer[next])) next += 1;
    if (next === at) throw new SyntaxError("no value");
    return next;
  }
  let depth = 0;
  do {
    const code = buffer[next];
    if (code === undefined) throw new SyntaxError("truncated");
    if (code === QUOTE) {
      next = skipString(buffer, next);
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    next += 1;
  } while (depth > 0);
  return next;
}

function skipString(buffer: Buffer, at: number): number {
  let close = at + 1;
  for (;;) {
    const code = buffer[close];
    if (code === undefined) throw new SyntaxError("truncated");
    if (code === QUOTE) return close + 1;
    close += code === BACKSLASH ? 2 : 1;
  }
}

function skipSpace(buffer: Buffer, at: number): number {
  let next = at;
  while (isSpace(buffer[next])) next += 1;
  return next;
}

function isSpace(code: number | undefined): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function isDelimiter(code: number | undefined): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code === COLON || isSpace(code);
}

function expect(buffer: Buffer, at: number, code: number): void {
  if (buffer[at] !== code) throw new SyntaxError("unexpected byte");
}
