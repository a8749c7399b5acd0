/** The hash chain: how a line names the one before it, and how that is checked. */

import { hash } from "node:crypto";

/** A place in a chain: the last line's number and hash. */
export interface ChainPosition {
  readonly seq: number;
  /** 64 hex digits. */
  readonly hash: string;
}

/** Where every chain begins: the position before its first line. */
export const CHAIN_START: ChainPosition = { seq: 0, hash: "0".repeat(64) };

/** The most bytes that `sealLine()` adds to a text, the newline included. */
export const SEAL_BYTES = 256;

/** What a line says of its place. */
export interface ChainFields extends ChainPosition {
  readonly prev: string;
}

/**
 * Writes a line into `buffer` at `offset` and returns where it ends. `text` is the event's JSON object without its closing
 * brace; the chain's fields, the brace and a newline are added. The caller has room for `text` in UTF-8 and `SEAL_BYTES`.
 */
export function sealLine(
  text: string,
  after: ChainPosition,
  buffer: Buffer,
  offset: number,
): { end: number; hash: string } {
  let end = offset + buffer.write(text, offset, "utf8");
  end += buffer.write(`,"seq":${after.seq + 1},"prev":"${after.hash}"`, end, "latin1");
  const digest = digestOf(buffer.subarray(offset, end));
  end += buffer.write(`,"hash":"${digest}"}\n`, end, "latin1");
  return { end, hash: digest };
}

/** The chain's fields of a line without its newline, or `undefined` when it does not end in them. Checks no hash. */
export function chainFieldsOf(line: Buffer): ChainFields | undefined {
  const tail = line.toString("latin1", Math.max(0, line.length - SEAL_BYTES));
  const match = /,"seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/.exec(tail);
  if (match === null) return undefined;
  const [, seq = "", prev = "", digest = ""] = match;
  return { seq: Number(seq), prev, hash: digest };
}

/** The hash that a line ending in the chain's fields ought to state. */
export function expectedHashOf(line: Buffer): string {
  return digestOf(line.subarray(0, line.length - HASH_SUFFIX_BYTES));
}

// `,"hash":"` + 64 digits + `"}`
const HASH_SUFFIX_BYTES = 9 + 64 + 2;

function digestOf(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}
