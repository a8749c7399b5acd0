/** Streaming of files line by line as bytes, with places, in bounded memory. */

import { Buffer } from "node:buffer";
import { open } from "node:fs/promises";

/** A line of a file. */
export interface RawLine {
  /** Without its newline; cut at the bound when `oversize`. Valid until the next turn of the loop. */
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  /** Where it starts in the file. */
  readonly offset: number;
  /** Whether a newline ends it. */
  readonly complete: boolean;
  readonly oversize: boolean;
}

/** The longest line that a reader takes whole; a recorder's own lines are shorter. */
export const MAX_LINE_BYTES: number = 1024 * 1024;

const CHUNK_BYTES = 256 * 1024;

/**
 * Yields the lines of a file in batches, from `start` (a byte offset at the start of a line; numbers count from there).
 * A missing file has no lines.
 */
export async function* readLines(path: string, start = 0): AsyncGenerator<RawLine[]> {
  const file = await openOrNothing(path);
  if (file === undefined) return;
  try {
    let rest: Buffer = Buffer.alloc(0);
    let skipping = false;
    let number = 0;
    let lineOffset = start;
    let readAt = start;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, readAt);
      if (bytesRead === 0) break;
      readAt += bytesRead;
      let data: Buffer = chunk.subarray(0, bytesRead);
      if (rest.length > 0) data = Buffer.concat([rest, data]);
      const lines: RawLine[] = [];
      let from = 0;
      for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
        // The end of a line that was given out, cut, when it passed the bound.
        if (skipping) skipping = false;
        else
          lines.push({
            bytes: data.subarray(from, at),
            number: ++number,
            offset: lineOffset,
            complete: true,
            oversize: false,
          });
        from = at + 1;
        lineOffset = readAt - data.length + from;
      }
      rest = data.subarray(from);
      if (skipping) rest = Buffer.alloc(0);
      else if (rest.length > MAX_LINE_BYTES) {
        lines.push({ bytes: rest, number: ++number, offset: lineOffset, complete: false, oversize: true });
        skipping = true;
        rest = Buffer.alloc(0);
      }
      if (lines.length > 0) yield lines;
    }
    if (rest.length > 0)
      yield [{ bytes: rest, number: ++number, offset: lineOffset, complete: false, oversize: false }];
  } finally {
    await file.close();
  }
}

async function openOrNothing(path: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    return await open(path, "r");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}
