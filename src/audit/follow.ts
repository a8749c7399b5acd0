/** Following a log: new lines as they come, across rotation and new streams. */

import { stat } from "node:fs/promises";
import { listAuditFiles } from "./files.ts";
import { readLines } from "./line-reader.ts";
import { type AuditRecord, parseAuditLine } from "./search.ts";

/** How to wait for more. */
export interface FollowOptions {
  /** Resolves when it is time to look again; returns `false` to end. */
  readonly wait: () => Promise<boolean>;
}

/** Yields every record that is written after the call, until `wait` says to end. */
export async function* followAudit(directory: string, options: FollowOptions): AsyncGenerator<AuditRecord> {
  const offsets = new Map<string, number>();
  for (const path of await pathsIn(directory)) offsets.set(path, (await stat(path)).size);
  while (await options.wait()) {
    for (const path of await pathsIn(directory)) {
      for await (const lines of readLines(path, offsets.get(path) ?? 0)) {
        for (const { bytes, offset, complete, oversize } of lines) {
          if (!complete) continue;
          offsets.set(path, offset + bytes.length + 1);
          const record = oversize ? undefined : parseAuditLine(bytes);
          if (record !== undefined) yield record;
        }
      }
    }
  }
}

async function pathsIn(directory: string): Promise<string[]> {
  const { streams } = await listAuditFiles(directory);
  return [...streams.values()].flat().map((file) => file.path);
}
