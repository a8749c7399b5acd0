/** The open-loop driver: requests arrive at a constant rate whether or not the way keeps up, as they would from many clients. */

import { connect, type Socket } from "node:net";
import { setPriority } from "node:os";
import { Worker } from "node:worker_threads";
import { AnswerReader } from "./answer-reader.ts";
import { toolPath } from "./build.ts";
import type { PacerData } from "./pacer.ts";
import { percentile } from "./statistics.ts";

export interface OpenLoopOptions {
  readonly port: number;
  readonly request: Buffer;
  readonly answerBytes: number;
  readonly connections: number;
  readonly perSecond: number;
  readonly seconds: number;
}

export interface OpenLoopResult {
  readonly requests: number;
  readonly bad: number;
  /** Microseconds; from an arrival where it had to wait for a connection, else from its writing. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** How late the driver itself was for 99 of 100 arrivals, in microseconds: more than an interval or two spoils the round. */
  readonly driverLateP99: number;
}

const LATE_MS = 20_000;

/** @throws Error when answers do not come, or a connection is closed */
export async function driveAtRate(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { port, request, answerBytes, connections, perSecond, seconds } = options;
  const count = Math.max(1, Math.round(perSecond * seconds));
  const shared = {
    busy: new Int32Array(new SharedArrayBuffer(4 * connections)),
    since: new Float64Array(new SharedArrayBuffer(8 * connections)),
    freed: new Int32Array(new SharedArrayBuffer(4)),
    lateUs: new Float64Array(new SharedArrayBuffer(8 * count)),
  };
  const latencies = new Float64Array(count);
  let originNs = 0n;
  let answered = 0;
  let bad = 0;
  let finish: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const finished = new Promise<void>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  finished.catch(() => undefined);
  const sockets = await Promise.all(
    Array.from({ length: connections }, async (_, at) =>
      opened(port, fail, (good, bytes) => {
        latencies[answered++] = Number(process.hrtime.bigint() - originNs) / 1000 - (shared.since[at] ?? 0);
        if (!good || bytes !== answerBytes) bad++;
        Atomics.store(shared.busy, at, 0);
        Atomics.add(shared.freed, 0, 1);
        Atomics.notify(shared.freed, 0);
        if (answered === count) finish();
      }),
    ),
  );
  const late = setTimeout(() => fail(new Error("Answers are late")), seconds * 1000 + LATE_MS);
  let pacer: Worker | undefined;
  // What waits here for a core would be counted as the way's latency.
  prefer(-10);
  try {
    // Time for the thread to start, which is not to be caught up with.
    originNs = process.hrtime.bigint() + 150_000_000n;
    const workerData: PacerData = {
      ...shared,
      originNs,
      request,
      sockets: sockets.map(descriptorOf),
      intervalUs: 1_000_000 / perSecond,
      count,
    };
    pacer = new Worker(toolPath("pacer"), { workerData, execArgv: [] });
    pacer.once("error", fail);
    await finished;
  } finally {
    prefer(0);
    clearTimeout(late);
    await pacer?.terminate();
    for (const socket of sockets) socket.destroy();
  }
  const sorted = latencies.sort();
  return {
    requests: answered,
    bad,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    driverLateP99: percentile(Float64Array.from(shared.lateUs).sort(), 0.99),
  };
}

/** Asks for this thread's priority; whoever may not goes on without. */
function prefer(priority: number): void {
  try {
    setPriority(0, priority);
  } catch {
    // Measured all the same.
  }
}

async function opened(
  port: number,
  fail: (error: Error) => void,
  answered: (good: boolean, bytes: number) => void,
): Promise<Socket> {
  const reader = new AnswerReader(({ good, bytes, last }) => {
    if (last) fail(new Error("A connection was closed with an answer"));
    answered(good, bytes);
  });
  const onread = {
    buffer: Buffer.allocUnsafe(64 * 1024),
    callback: (size: number, buffer: Uint8Array) => {
      reader.push((buffer as Buffer).subarray(0, size));
      return true;
    },
  };
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", fail);
  return socket;
}

/** Node does not document it, and has nothing else that a thread could write to. */
function descriptorOf(socket: Socket): number {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  if (fd < 0) throw new Error("A socket has no file descriptor");
  return fd;
}
