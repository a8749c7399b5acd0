/** Reads answers of HTTP/1 to `POST` as their bytes come: strictly, since what two readers might read differently is no answer. */

import { type Fields, HeadReader, MalformedResponse } from "./response-head.ts";

/** Who is told of an answer. The bytes are lent for the call. */
export interface ResponseSink {
  /** Once, before any body; `length` is -1 when the head does not tell it. */
  onHead(status: number, fields: Fields, length: number): void;
  onBody(bytes: Buffer, from: number, to: number): void;
}

/** Answers of 1xx before the one that counts. */
const MAX_INTERIM = 8;
/** Of all chunk extensions of an answer together. */
const MAX_EXTENSION_BYTES = 16 * 1024;
/** RFC 9112 §7.1.1, without white space. */
const EXTENSIONS =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)+$/;
/** Digits of a chunk's size: no number of bytes needs more. */
const MAX_SIZE_DIGITS = 12;

const LF = 0x0a;
const CR = 0x0d;
const SEMICOLON = 0x3b;

// Where in an answer we are.
const HEAD = 0;
const FIXED = 1;
const SIZE = 2;
const EXTENSION = 3;
const SIZE_LF = 4;
const CHUNK = 5;
const CHUNK_CR = 6;
const CHUNK_LF = 7;
const TRAILERS = 8;
const UNTIL_CLOSE = 9;
const OVER = 10;

/** The answers of one connection. */
export class ResponseParser {
  readonly #sink: ResponseSink;
  readonly #head = new HeadReader();
  #state = HEAD;
  #interim = 0;
  /** Bytes that are still to come of the body or the chunk. */
  #left = 0;
  #digits = 0;
  /** The extensions of the chunk as far as they have come, and the bytes of all before. */
  #extensions = "";
  #extensionBytes = 0;
  /** Whether the server keeps the connection after this answer. */
  #persists = false;
  /** Milliseconds that it says it keeps it idle. */
  #keepAlive = Number.POSITIVE_INFINITY;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Before each request. */
  reset(): void {
    this.#head.reset();
    this.#state = HEAD;
    this.#interim = 0;
    this.#extensions = "";
    this.#extensionBytes = 0;
    this.#persists = false;
    this.#keepAlive = Number.POSITIVE_INFINITY;
  }

  /** Whether the answer has ended. */
  get over(): boolean {
    return this.#state === OVER;
  }

  /** Whether its head has been read. */
  get headed(): boolean {
    return this.#state !== HEAD;
  }

  /** Whether another request may follow an answer that is over. */
  get persists(): boolean {
    return this.#persists;
  }

  get keepAlive(): number {
    return this.#keepAlive;
  }

  /**
   * Reads on; gives the place behind the last byte that belongs to the answer.
   *
   * @throws MalformedResponse when it is none; nothing may be read after that
   */
  read(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && this.#state !== OVER) {
      if (this.#state === HEAD) {
        const end = this.#head.read(bytes, at, to);
        if (end === -1) return to;
        at = end;
        this.#onHead();
      } else if (this.#state === FIXED || this.#state === CHUNK) {
        const end = Math.min(to, at + this.#left);
        this.#left -= end - at;
        this.#sink.onBody(bytes, at, end);
        at = end;
        if (this.#left === 0) this.#state = this.#state === FIXED ? OVER : CHUNK_CR;
      } else if (this.#state === UNTIL_CLOSE) {
        this.#sink.onBody(bytes, at, to);
        at = to;
      } else if (this.#state === TRAILERS) {
        const end = this.#head.skipTrailers(bytes, at, to);
        if (end === -1) return to;
        at = end;
        this.#state = OVER;
      } else {
        this.#onFraming(bytes[at] ?? 0);
        at += 1;
      }
    }
    return at;
  }

  /**
   * The server will send no more.
   *
   * @throws MalformedResponse when something was to come
   */
  finish(): void {
    if (this.#state === UNTIL_CLOSE) this.#state = OVER;
    else if (this.#state !== OVER) throw new MalformedResponse("The connection ended before the answer did");
  }

  #onHead(): void {
    const { status, fields } = this.#head;
    if (status < 200) {
      if (status === 101) throw new MalformedResponse("The server changed the protocol");
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) throw new MalformedResponse("The server sent too many interim answers");
      return;
    }
    const length = this.#frame(status, fields);
    this.#readPersistence(fields);
    this.#sink.onHead(status, fields, length);
  }

  /** How the body ends (RFC 9112 §6.3); gives its length, or -1. */
  #frame(status: number, fields: Fields): number {
    const coding = fields["transfer-encoding"];
    const lengths = fields["content-length"];
    const length = lengths === undefined ? -1 : lengthOf(lengths);
    if (coding !== undefined) {
      if (typeof coding !== "string" || coding.toLowerCase() !== "chunked")
        throw new MalformedResponse("The answer has a transfer coding that is not chunked");
      if (length !== -1) throw new MalformedResponse("The answer has a length and is chunked");
      if (this.#head.minor === 0) throw new MalformedResponse("The answer is chunked, in HTTP/1.0");
    }
    if (status === 204 || status === 304) {
      this.#state = OVER;
      return 0;
    }
    if (coding !== undefined) {
      this.#state = SIZE;
      this.#digits = 0;
      this.#left = 0;
    } else if (length === -1) {
      this.#state = UNTIL_CLOSE;
    } else {
      this.#state = length === 0 ? OVER : FIXED;
      this.#left = length;
    }
    return length;
  }

  #readPersistence(fields: Fields): void {
    const { minor } = this.#head;
    const options = fields["connection"];
    if (this.#state === UNTIL_CLOSE) this.#persists = false;
    else if (options === undefined) this.#persists = minor === 1;
    else this.#persists = !hasOption(options, "close") && (minor === 1 || hasOption(options, "keep-alive"));
    const kept = fields["keep-alive"];
    if (kept === undefined) return;
    const seconds = /(?:^|[\s,;])timeout=([0-9]{1,9})(?![0-9])/i.exec(joined(kept))?.[1];
    if (seconds !== undefined) this.#keepAlive = Number(seconds) * 1000;
  }

  /** What stands around the chunks, byte by byte. */
  #onFraming(byte: number): void {
    switch (this.#state) {
      case SIZE: {
        const digit = hexDigit(byte);
        if (digit !== -1) {
          this.#digits += 1;
          if (this.#digits > MAX_SIZE_DIGITS) throw badChunk();
          this.#left = this.#left * 16 + digit;
        } else if (this.#digits === 0) throw badChunk();
        else if (byte === CR) this.#state = SIZE_LF;
        else if (byte === SEMICOLON) {
          this.#state = EXTENSION;
          this.#extensions = ";";
        } else throw badChunk();
        return;
      }
      case EXTENSION:
        if (byte === CR) {
          if (!EXTENSIONS.test(this.#extensions)) throw badChunk();
          this.#state = SIZE_LF;
          return;
        }
        this.#extensions += String.fromCharCode(byte);
        this.#extensionBytes += 1;
        if (this.#extensionBytes > MAX_EXTENSION_BYTES) throw badChunk();
        return;
      case SIZE_LF:
        if (byte !== LF) throw badChunk();
        this.#state = this.#left === 0 ? TRAILERS : CHUNK;
        return;
      case CHUNK_CR:
        if (byte !== CR) throw badChunk();
        this.#state = CHUNK_LF;
        return;
      default:
        if (byte !== LF) throw badChunk();
        this.#state = SIZE;
        this.#digits = 0;
    }
  }
}

/** Several lengths that are the same are one. */
function lengthOf(values: string | string[]): number {
  const [first = "", ...more] = typeof values === "string" ? [values] : values;
  if (!/^[0-9]{1,15}$/.test(first) || more.some((value) => value !== first))
    throw new MalformedResponse("The answer has a length that is none");
  return Number(first);
}

function joined(value: string | string[]): string {
  return typeof value === "string" ? value : value.join(",");
}

function hasOption(options: string | string[], name: string): boolean {
  // Nearly always.
  if (options === "keep-alive") return name === options;
  return joined(options)
    .split(",")
    .some((option) => option.trim().toLowerCase() === name);
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function badChunk(): MalformedResponse {
  return new MalformedResponse("The answer has a chunk that is none");
}
