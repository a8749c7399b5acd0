/**
 * The sender of an open-loop load, in a thread of its own that sleeps between two requests: timers of an event loop are too
 * coarse for arrivals at a constant rate, and turning in circles would take the core that something else needs.
 */

import { writeSync } from "node:fs";
import { setPriority } from "node:os";
import { workerData } from "node:worker_threads";

/** What the sender is told. Times are in microseconds since `originNs`, on the clock of `process.hrtime()`. */
export interface PacerData {
  /** File descriptors of the connections. */
  readonly sockets: readonly number[];
  readonly request: Uint8Array;
  readonly originNs: bigint;
  readonly intervalUs: number;
  readonly count: number;
  /** For each connection: 1 while a request is under way on it. Shared. */
  readonly busy: Int32Array;
  /** For each connection: from when its request's latency counts. Shared. */
  readonly since: Float64Array;
  /** Counts the connections that have become free. Shared; whoever frees one wakes us by it. */
  readonly freed: Int32Array;
  /** How late we were for each arrival that was not held up by the way. Shared. */
  readonly lateUs: Float64Array;
}

const { sockets, request, originNs, intervalUs, count, busy, since, freed, lateUs } = workerData as PacerData;
const never = new Int32Array(new SharedArrayBuffer(4));

// On Linux this is about the calling thread alone. It sleeps nearly always, and must be awake when it is time.
try {
  setPriority(0, -20);
} catch {
  // Not everybody may; how late we are is told.
}

/** Until when we were held up by the way, for want of a free connection. */
let heldUntil = 0;

for (let arrival = 0; arrival < count; arrival++) {
  const due = arrival * intervalUs;
  for (let left = due - now(); left > 0; left = due - now()) Atomics.wait(never, 0, 0, left / 1000);
  const awake = now();
  let connection = firstFree();
  while (connection < 0) {
    const seen = Atomics.load(freed, 0);
    connection = firstFree();
    if (connection < 0) Atomics.wait(freed, 0, seen, 1000);
    heldUntil = now();
  }
  // Whoever had to wait for a connection, also behind others, has waited for the way; that we woke up late is not its fault.
  const held = due < heldUntil;
  lateUs[arrival] = held ? 0 : awake - due;
  since[connection] = held ? due : now();
  Atomics.store(busy, connection, 1);
  // A few hundred bytes fit into the buffer of a socket on which nothing else is under way.
  writeSync(sockets[connection] ?? -1, request);
}

function now(): number {
  return Number(process.hrtime.bigint() - originNs) / 1000;
}

function firstFree(): number {
  for (let at = 0; at < sockets.length; at++) if (Atomics.load(busy, at) === 0) return at;
  return -1;
}
