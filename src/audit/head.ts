/** The head record of a stream: what makes removal of its last lines detectable. */

import { open, readFile, rename } from "node:fs/promises";
import { closeSync, fdatasyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChainPosition } from "./chain.ts";

/** What a head record says. The lines up to `seq` were on the disk before it was written. */
export interface HeadRecord extends ChainPosition {
  readonly stream: string;
  /** Where to start looking for intents without an event: the first line of this file. */
  readonly open_from: number;
  /** Whether the writer ended in order; then nothing follows `seq`. */
  readonly closed: boolean;
  /** RFC 3339. */
  readonly time: string;
}

/** A head record, or why there is none. */
export type HeadReading = HeadRecord | "missing" | "unreadable";

/** Reads the head record of a stream. */
export async function readHead(directory: string, stream: string): Promise<HeadReading> {
  let text: string;
  try {
    text = await readFile(headPathOf(directory, stream), "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "missing";
    throw cause;
  }
  return parseHead(text, stream);
}

/** Replaces the head record of a stream; a crash leaves the old one or the new one. */
export async function writeHead(directory: string, head: HeadRecord): Promise<void> {
  const path = headPathOf(directory, head.stream);
  const file = await open(`${path}.tmp`, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(head)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}

/** `writeHead()` for the moments when nothing else may happen in between. */
export function writeHeadSync(directory: string, head: HeadRecord): void {
  const path = headPathOf(directory, head.stream);
  // A name of its own: writeHead() may be under way.
  const file = openSync(`${path}.now`, "w", 0o600);
  try {
    writeFileSync(file, `${JSON.stringify(head)}\n`);
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.now`, path);
}

function headPathOf(directory: string, stream: string): string {
  return join(directory, `${stream}.head.json`);
}

function parseHead(text: string, stream: string): HeadReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "unreadable";
  }
  if (typeof value !== "object" || value === null) return "unreadable";
  const { seq, hash, open_from, closed, time, stream: named } = value as Record<string, unknown>;
  if (!isCount(seq) || !isCount(open_from) || typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash))
    return "unreadable";
  if (typeof closed !== "boolean" || typeof time !== "string" || named !== stream) return "unreadable";
  return { stream, seq, hash, open_from, closed, time };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
