/** A closed-loop load driver over raw sockets: as little of its own work as possible, latencies of every request. */

import { connect } from "node:net";

export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Microseconds, sorted. */
  readonly latencies: Float64Array;
}

/** Sends the same request over and over on `connections` sockets until `total` answers have come. */
export async function drive(port: number, request: Buffer, connections: number, total: number): Promise<LoadResult> {
  const latencies = new Float64Array(total);
  let begun = 0;
  let ended = 0;
  let errors = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect({ port, host: "127.0.0.1", noDelay: true });
          let pending: Buffer = Buffer.alloc(0);
          let sentAt = 0;
          const next = (): void => {
            if (begun >= total) {
              socket.end();
              resolve();
              return;
            }
            begun++;
            sentAt = performance.now();
            socket.write(request);
          };
          socket.once("connect", next);
          socket.once("error", reject);
          socket.on("data", (chunk: Buffer) => {
            pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
            const size = answerSize(pending);
            if (size === null || pending.length < size) return;
            if (pending.toString("latin1", 9, 12) !== "200") errors++;
            pending = pending.subarray(size);
            latencies[ended++] = (performance.now() - sentAt) * 1000;
            next();
          });
        }),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { requests: ended, errors, seconds, latencies: latencies.subarray(0, ended).sort() };
}

/** Bytes of the first answer in the buffer, head included; `null` while the head is not whole. */
function answerSize(buffer: Buffer): number | null {
  const end = buffer.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const length = /content-length: *(\d+)/i.exec(buffer.toString("latin1", 0, end));
  if (length === null) throw new Error(`An answer without a length: ${buffer.toString("latin1", 0, end)}`);
  return end + 4 + Number(length[1]);
}

/** The value below which a share of the sorted latencies lies. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
