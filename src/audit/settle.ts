/** Settling streams that nobody writes any more, such as those of workers that an earlier configuration had. */

import { PosternError } from "../base/errors.ts";
import { listAuditFiles } from "./files.ts";
import { readHead } from "./head.ts";
import { Recorder, type RecorderOptions } from "./recorder.ts";

/**
 * Opens and closes every stream of a directory that was left unfinished and is not in use, so that each intent in it gets
 * its event. Returns the names of the streams that it settled. Call it before the process's own streams are opened.
 *
 * @throws {PosternError} what `Recorder.open()` throws, except that a stream in use is left alone.
 */
export async function settleStreams(options: Omit<RecorderOptions, "stream">): Promise<string[]> {
  const { directory } = options;
  const { streams, heads } = await listAuditFiles(directory);
  const settled: string[] = [];
  for (const stream of new Set([...streams.keys(), ...heads])) {
    const head = await readHead(directory, stream);
    if (typeof head === "object" && head.closed && head.open_from > head.seq) continue;
    try {
      await (await Recorder.open({ ...options, stream })).close();
      settled.push(stream);
    } catch (cause) {
      if (!(cause instanceof PosternError) || cause.code !== "audit_locked") throw cause;
    }
  }
  return settled;
}
