/** The head of an HTTP/1 answer, and the trailers of one in chunks: read line by line as bytes come, strictly and within bounds. */

/** Bytes of one head, or of all trailers together. */
const MAX_BYTES = 64 * 1024;
const MAX_FIELDS = 200;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const ZERO = 0x30;
const VERSION = Buffer.from("HTTP/1.");

/** What may be in the name of a field (RFC 9110 §5.6.2), and what in its value and in a reason phrase. */
const IN_NAME = tableOf(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/);
const IN_VALUE = tableOf(/[\t\x20-\x7e\x80-\xff]/);

/** What the server sent is no answer that we take. */
export class MalformedResponse extends Error {
  override readonly name: string = "MalformedResponse";
}

/** Names are lower case; a repeated field is an array. */
export type Fields = Record<string, string | string[] | undefined>;

/**
 * An object without a prototype, so that no field's name means something already. Not `Object.create(null)`, which V8 keeps as
 * a dictionary; every answer has one.
 */
const NoFields = function () {} as unknown as new () => Fields;
NoFields.prototype = Object.create(null) as object;

/** Reads heads one after another. What `read` is given is looked at during the call only. */
export class HeadReader {
  /** Of the last head that was read to its end. */
  status = 0;
  /** The minor version of HTTP/1: 0 or 1. */
  minor = 0;
  fields: Fields = new NoFields();
  readonly #buffer = new HeadBuffer();
  /** Where the names and values lie: four numbers a field, from where the head begins. */
  readonly #marks = new Uint16Array(MAX_FIELDS * 4);
  #count = 0;
  /** Where the first line begins that was not read yet. */
  #line = 0;

  /** Begins anew; whatever was half read is dropped. */
  reset(): void {
    this.#buffer.clear();
    this.#count = 0;
    this.#line = 0;
  }

  /**
   * Reads on, and gives the place behind the head, or -1 when it has not ended yet and everything was taken.
   *
   * @throws MalformedResponse
   */
  read(bytes: Buffer, from: number, to: number): number {
    return this.#read(bytes, from, to, true);
  }

  /** The same for trailers, of which nothing is kept. */
  skipTrailers(bytes: Buffer, from: number, to: number): number {
    return this.#read(bytes, from, to, false);
  }

  #read(bytes: Buffer, from: number, to: number, isHead: boolean): number {
    const buffer = this.#buffer;
    let at = from;
    if (buffer.size === 0) {
      const end = this.#lines(bytes, from, to, isHead);
      if (end !== -1) {
        if (isHead) this.#take(bytes, from, end);
        this.reset();
        return end;
      }
    } else {
      // A line is looked at when it has ended, so that one that comes byte by byte costs what any other costs.
      for (;;) {
        const end = lineEnd(bytes, at, to);
        if (end === -1) break;
        buffer.append(bytes, at, end);
        at = end;
        if (this.#lines(buffer.bytes, 0, buffer.size, isHead) !== -1) {
          if (isHead) this.#take(buffer.bytes, 0, buffer.size);
          this.reset();
          return end;
        }
      }
    }
    buffer.append(bytes, at, to);
    if (isHead && this.#line === 0) checkVersion(buffer.bytes, 0, buffer.size);
    return -1;
  }

  /** Reads whole lines of what begins at `base`; gives the place behind the empty one, or -1. */
  #lines(bytes: Buffer, base: number, to: number, isHead: boolean): number {
    let at = base + this.#line;
    if (isHead && this.#line === 0) {
      at = this.#statusLine(bytes, base, to);
      if (at === -1) return -1;
      this.#line = at - base;
    }
    for (;;) {
      if (at < to && bytes[at] === CR) {
        if (at + 1 >= to) return -1;
        if (bytes[at + 1] !== LF) throw new MalformedResponse("A carriage return is alone in the head");
        if (at - base > MAX_BYTES) throw tooLarge();
        return at + 2;
      }
      const next = this.#field(bytes, base, at, to, isHead);
      if (next === -1) return -1;
      at = next;
      this.#line = at - base;
      if (this.#line > MAX_BYTES) throw tooLarge();
    }
  }

  #statusLine(bytes: Buffer, from: number, to: number): number {
    const after = from + VERSION.length;
    checkVersion(bytes, from, to);
    let at = after + 5;
    if (at >= to) return -1;
    const minor = (bytes[after] ?? 0) - ZERO;
    const hundreds = (bytes[after + 2] ?? 0) - ZERO;
    const tens = (bytes[after + 3] ?? 0) - ZERO;
    const ones = (bytes[after + 4] ?? 0) - ZERO;
    const digits = hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
    if ((minor !== 0 && minor !== 1) || bytes[after + 1] !== SPACE || !digits) throw badStatusLine();
    // The reason, which nobody reads, may be absent with its space.
    if (bytes[at] === SPACE) at = afterValue(bytes, at, to);
    if (at >= to) return -1;
    if (bytes[at] !== CR) throw badStatusLine();
    if (at + 1 >= to) return -1;
    if (bytes[at + 1] !== LF) throw badStatusLine();
    this.minor = minor;
    this.status = hundreds * 100 + tens * 10 + ones;
    return at + 2;
  }

  #field(bytes: Buffer, base: number, from: number, to: number, isHead: boolean): number {
    let at = from;
    while (at < to && IN_NAME[bytes[at] ?? 0] === 1) at += 1;
    if (at >= to) return -1;
    const nameEnd = at;
    if (bytes[at] !== COLON || at === from) throw new MalformedResponse("A line of the head is no field");
    at += 1;
    while (at < to && isBlank(bytes[at])) at += 1;
    const value = at;
    at = afterValue(bytes, at, to);
    if (at >= to || (bytes[at] === CR && at + 1 >= to)) return -1;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) throw new MalformedResponse("A field has a value that is none");
    let valueEnd = at;
    while (valueEnd > value && isBlank(bytes[valueEnd - 1])) valueEnd -= 1;
    if (this.#count === MAX_FIELDS) throw tooLarge();
    // Before they go where 16 bits must do.
    if (valueEnd - base > MAX_BYTES - 1) throw tooLarge();
    if (isHead) {
      const mark = this.#count * 4;
      this.#marks[mark] = from - base;
      this.#marks[mark + 1] = nameEnd - base;
      this.#marks[mark + 2] = value - base;
      this.#marks[mark + 3] = valueEnd - base;
    }
    this.#count += 1;
    return at + 2;
  }

  /** One string of the whole head; its parts cost no call into Node each. */
  #take(bytes: Buffer, from: number, to: number): void {
    const text = bytes.toString("latin1", from, to);
    const marks = this.#marks;
    const fields = new NoFields();
    for (let mark = 0; mark < this.#count * 4; mark += 4) {
      const name = text.slice(marks[mark], marks[mark + 1]).toLowerCase();
      const value = text.slice(marks[mark + 2], marks[mark + 3]);
      const before = fields[name];
      if (before === undefined) fields[name] = value;
      else if (typeof before === "string") fields[name] = [before, value];
      else before.push(value);
    }
    this.fields = fields;
  }
}

/** Bytes of a head that came in pieces. It doubles as it grows, so that many small pieces are copied a few times only. */
class HeadBuffer {
  bytes: Buffer = Buffer.alloc(0);
  size = 0;

  append(bytes: Buffer, from: number, to: number): void {
    const size = this.size + to - from;
    // The line that ends a head of the largest size fits still.
    if (size > MAX_BYTES + 2) throw tooLarge();
    if (size > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, Math.min(MAX_BYTES + 2, Math.max(512, this.bytes.length * 2))));
      this.bytes.copy(larger, 0, 0, this.size);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, this.size, from, to);
    this.size = size;
  }

  clear(): void {
    if (this.size === 0) return;
    this.bytes = Buffer.alloc(0);
    this.size = 0;
  }
}

function checkVersion(bytes: Buffer, from: number, to: number): void {
  for (let at = 0; at < VERSION.length && from + at < to; at++)
    if (bytes[from + at] !== VERSION[at]) throw badStatusLine();
}

/** The place behind the next line feed, or -1. */
function lineEnd(bytes: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) if (bytes[at] === LF) return at + 1;
  return -1;
}

function afterValue(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && IN_VALUE[bytes[at] ?? 0] === 1) at += 1;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function tableOf(allowed: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (allowed.test(String.fromCharCode(byte)) ? 1 : 0));
}

function badStatusLine(): MalformedResponse {
  return new MalformedResponse("The answer does not begin as HTTP/1.0 or HTTP/1.1 does");
}

function tooLarge(): MalformedResponse {
  return new MalformedResponse("The head of the answer is too large");
}
