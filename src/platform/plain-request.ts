/** Reads the heads of plain requests: those that every HTTP parser reads alike. All others are left to Node's own parser. */

import type { Buffer } from "node:buffer";

/** The head of a plain request. */
export interface PlainHead {
  /** Names and values in turn, as they were sent, without the space around values. */
  readonly headers: readonly string[];
  /** Bytes of the head, its empty line included. */
  readonly size: number;
  /** Bytes of the body. */
  readonly length: number;
}

/** Node's own bound on a head (`--max-http-header-size`). */
const LONGEST_HEAD = 16 * 1024;
const REQUEST_LINE = "POST / HTTP/1.1\r\n";
/** Header lines of RFC 9110 in visible ASCII, none of them folded or with space before its colon. */
const HEADER_LINES = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)+$/;
/** Parsers differ about other space in these two. */
const LENGTH = /^ ?[0-9]{1,9}$/;
const KEEP_ALIVE = /^ ?keep-alive$/i;
/** What changes how the message or the connection is read. */
const NOT_PLAIN: ReadonlySet<string> = new Set([
  "expect",
  "http2-settings",
  // Node's parser takes it for `Connection`.
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The head at the beginning of `bytes`; undefined when it is not whole, or anything but `POST /` of HTTP/1.1 with one
 * `Content-Length` and without whatever makes messages be read in different ways (RFC 9112 §6.3).
 */
export function plainHead(bytes: Buffer): PlainHead | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < REQUEST_LINE.length || end > LONGEST_HEAD) return undefined;
  const text = bytes.toString("latin1", 0, end + 2);
  if (!text.startsWith(REQUEST_LINE)) return undefined;
  const lines = text.slice(REQUEST_LINE.length);
  if (!HEADER_LINES.test(lines)) return undefined;
  const headers: string[] = [];
  let length: string | undefined;
  for (let at = 0; at < lines.length;) {
    const colon = lines.indexOf(":", at);
    const newline = lines.indexOf("\r\n", colon);
    const name = lines.slice(at, colon);
    const value = withoutSpace(lines, colon + 1, newline);
    headers.push(name, value);
    at = newline + 2;
    const lower = name.toLowerCase();
    if (lower === "content-length") {
      if (length !== undefined || !LENGTH.test(lines.slice(colon + 1, newline))) return undefined;
      length = value;
    } else if (lower === "connection") {
      if (!KEEP_ALIVE.test(lines.slice(colon + 1, newline))) return undefined;
    } else if (NOT_PLAIN.has(lower)) return undefined;
  }
  return length === undefined ? undefined : { headers, size: end + 4, length: Number(length) };
}

/** A part of the text without spaces and tabs around it. */
function withoutSpace(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
