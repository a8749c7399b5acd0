/** Where audit lines are kept: names and order of the files of each stream. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** One file of a stream. */
export interface AuditFile {
  readonly stream: string;
  /** The sequence number of its first line, as its name says. */
  readonly first: number;
  readonly name: string;
  readonly path: string;
}

/** What a directory of audit files holds. */
export interface AuditListing {
  /** Files of each stream, oldest first; streams in the order of their names. */
  readonly streams: ReadonlyMap<string, readonly AuditFile[]>;
  /** Streams that have a head record. */
  readonly heads: readonly string[];
  /** Names ending in `.jsonl` that no recorder would have given. */
  readonly foreign: readonly string[];
}

/** The directory of audit files in a data directory. */
export function auditDirectoryOf(dataDirectory: string): string {
  return join(dataDirectory, "audit");
}

/** Whether a word may name a stream: lower-case letters, digits and inner hyphens, at most 64. */
export function isStreamName(word: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(word);
}

/** The file of a stream whose first line has this number. */
export function auditFileOf(directory: string, stream: string, first: number): AuditFile {
  const name = `${stream}-${String(first).padStart(12, "0")}.jsonl`;
  return { stream, first, name, path: join(directory, name) };
}

/** Lists the audit files of a directory; nothing when it does not exist. */
export async function listAuditFiles(directory: string): Promise<AuditListing> {
  const streams = new Map<string, AuditFile[]>();
  const foreign: string[] = [];
  const heads: string[] = [];
  for (const name of (await namesIn(directory)).sort()) {
    const [, stream = "", digits = ""] = /^([a-z0-9-]+)-(\d{12,})\.jsonl$/.exec(name) ?? [];
    const first = Number(digits);
    if (isStreamName(stream) && auditFileOf(directory, stream, first).name === name && first > 0) {
      const files = streams.get(stream) ?? [];
      files.push(auditFileOf(directory, stream, first));
      streams.set(stream, files);
    } else if (name.endsWith(".jsonl")) foreign.push(name);
    else if (name.endsWith(".head.json") && isStreamName(name.slice(0, -10))) heads.push(name.slice(0, -10));
  }
  for (const files of streams.values()) files.sort((a, b) => a.first - b.first);
  return { streams, heads, foreign };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}
