/** Reading a stream back after a restart or a crash: where its chain stands, what was torn, which intents have no event. */

import { Buffer } from "node:buffer";
import { open, truncate } from "node:fs/promises";
import { CHAIN_START, chainFieldsOf, expectedHashOf, type ChainPosition } from "./chain.ts";
import { listAuditFiles, type AuditFile } from "./files.ts";
import { readHead, type HeadReading } from "./head.ts";
import { readLines } from "./line-reader.ts";

/** The state in which a stream was left. */
export interface RecoveredStream {
  /** The new writer's first line follows this one. */
  readonly position: ChainPosition;
  /** The file to go on with, or `undefined` to start one. */
  readonly file: { readonly file: AuditFile; readonly size: number } | undefined;
  /** Half a line that was cut off the end. */
  readonly torn: { readonly file: string; readonly bytes: number } | undefined;
  /** Lines that the head record vouches for and that are not there, or not as they were. */
  readonly gap: { readonly from: number | null; readonly to: number | null; readonly reason: string } | undefined;
  /** Intents that have no event, oldest first; at most `maxOpen`. */
  readonly unfinished: readonly LocatedIntent[];
}

/** Where an intent's line stands. */
export interface LocatedIntent {
  readonly uid: string;
  /** The sequence number in the name of its file. */
  readonly first: number;
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** Repairs the end of a stream and reports what it found. Reads only what the head record does not settle. */
export async function recoverStream(directory: string, stream: string, maxOpen: number): Promise<RecoveredStream> {
  const files = (await listAuditFiles(directory)).streams.get(stream) ?? [];
  const head = await readHead(directory, stream);
  const last = files.at(-1);
  const end = last === undefined ? undefined : await cutTornEnd(last);
  const stated = await lastPositionOf(files);
  const { position, gap } = reconcile(head, stated, last);
  const settled = typeof head === "object" && head.closed && head.seq === position.seq;
  // A settled head may still name intents that its writer could not finish: `open_from` then lies before the end.
  const from = typeof head === "object" ? head.open_from : 0;
  const unfinished =
    settled && from > position.seq
      ? []
      : await findUnfinished(
          files.filter((file) => file.first >= from),
          maxOpen,
        );
  return {
    position,
    file: last === undefined || end === undefined ? undefined : { file: last, size: end.size },
    torn: last === undefined || end === undefined || end.torn === 0 ? undefined : { file: last.name, bytes: end.torn },
    gap,
    unfinished,
  };
}

/** The line of an intent that `recoverStream()` found, parsed; `undefined` when somebody altered it beyond reading. */
export async function readIntent(intent: LocatedIntent): Promise<Record<string, unknown> | undefined> {
  const file = await open(intent.path, "r");
  try {
    const line = Buffer.allocUnsafe(intent.length);
    const { bytesRead } = await file.read(line, 0, intent.length, intent.offset);
    return JSON.parse(line.toString("utf8", 0, bytesRead)) as Record<string, unknown>;
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  } finally {
    await file.close();
  }
}

/** Cuts what follows the last newline of a file; returns its size then and how much was cut. */
async function cutTornEnd(file: AuditFile): Promise<{ size: number; torn: number }> {
  const handle = await open(file.path, "r");
  try {
    const { size } = await handle.stat();
    const chunk = Buffer.allocUnsafe(64 * 1024);
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - chunk.length);
      const { bytesRead } = await handle.read(chunk, 0, end - start, start);
      const newline = chunk.subarray(0, bytesRead).lastIndexOf(10);
      if (newline >= 0) return await cutAt(start + newline + 1, size, file);
      end = start;
    }
    return await cutAt(0, size, file);
  } finally {
    await handle.close();
  }
}

async function cutAt(end: number, size: number, file: AuditFile): Promise<{ size: number; torn: number }> {
  if (end < size) await truncate(file.path, end);
  return { size: end, torn: size - end };
}

/** What the last line of a stream says of its place; `undefined` without lines, `null` when it does not say or does not hold. */
async function lastPositionOf(files: readonly AuditFile[]): Promise<ChainPosition | null | undefined> {
  for (const file of files.toReversed()) {
    const line = await lastLineOf(file);
    if (line === undefined) continue;
    const fields = chainFieldsOf(line);
    if (fields === undefined || expectedHashOf(line) !== fields.hash) return null;
    return { seq: fields.seq, hash: fields.hash };
  }
  return undefined;
}

async function lastLineOf(file: AuditFile): Promise<Buffer | undefined> {
  const handle = await open(file.path, "r");
  try {
    const { size } = await handle.stat();
    for (let length = 64 * 1024; ; length *= 4) {
      const start = Math.max(0, size - length);
      const tail = Buffer.allocUnsafe(size - start);
      const { bytesRead } = await handle.read(tail, 0, tail.length, start);
      const end = bytesRead - 1;
      if (end < 0) return undefined;
      const newline = end === 0 ? -1 : tail.lastIndexOf(10, end - 1);
      // Longer than any line of ours: its end is enough to see that it does not hold.
      if (newline >= 0 || start === 0 || length > 4 * 1024 * 1024) return tail.subarray(newline + 1, end);
    }
  } finally {
    await handle.close();
  }
}

/**
 * Where to go on. The head record never runs ahead of the disk, so lines that it names and that are missing were removed:
 * the chain goes on after them, which leaves a break that verification finds for ever.
 */
function reconcile(
  head: HeadReading,
  stated: ChainPosition | null | undefined,
  last: AuditFile | undefined,
): Pick<RecoveredStream, "position" | "gap"> {
  if (head === "missing" && last === undefined) return { position: CHAIN_START, gap: undefined };
  // A number that no file's name bears, so that the next file's name is free.
  const floor = last?.first ?? 0;
  if (typeof head === "string") {
    // Without its head a log may lack lines at the end: go on, and say so.
    const position = stated ?? { seq: floor, hash: CHAIN_START.hash };
    return { position, gap: { from: null, to: null, reason: `the head record is ${head}` } };
  }
  const behind = { seq: Math.max(head.seq, floor), hash: head.hash };
  if (stated === null) return { position: behind, gap: { from: null, to: null, reason: "the last line was altered" } };
  const seq = stated?.seq ?? 0;
  if (seq < head.seq)
    return { position: head, gap: { from: seq + 1, to: head.seq, reason: "the last lines are gone" } };
  if (stated !== undefined && seq === head.seq && stated.hash !== head.hash) {
    return { position: head, gap: { from: seq, to: seq, reason: "the last line was replaced" } };
  }
  return { position: stated ?? head, gap: undefined };
}

/** Intents without an event in some files of a stream; keeps places only, so memory is bounded by their number. */
async function findUnfinished(files: readonly AuditFile[], maxOpen: number): Promise<LocatedIntent[]> {
  const unfinished = new Map<string, LocatedIntent>();
  for (const file of files) {
    for await (const lines of readLines(file.path)) {
      for (const { bytes, offset, complete } of lines) {
        if (!complete || !startsWith(bytes, REQUEST_START)) continue;
        const [, kind = "", uid = ""] = REQUEST_LINE.exec(bytes.toString("latin1", 0, 256)) ?? [];
        if (kind === "request") unfinished.delete(uid);
        else if (kind === "intent" && unfinished.size < maxOpen) {
          unfinished.set(uid, { uid, first: file.first, path: file.path, offset, length: bytes.length });
        }
      }
    }
  }
  return [...unfinished.values()];
}

const REQUEST_START = Buffer.from('{"event":"db.session.dynamodb.');
const REQUEST_LINE =
  /^\{"event":"db\.session\.dynamodb\.(intent|request)","code":"[^"]*","time":"[^"]*","uid":"([^"]*)"/;

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return bytes.length >= start.length && bytes.compare(start, 0, start.length, 0, start.length) === 0;
}
