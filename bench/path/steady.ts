/** The steady driver: so few requests a second that none waits for another, over TCP or TLS; what one takes by itself. */

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AnswerReader } from "../load/answer-reader.ts";
import { secure, type Target } from "../load/driver.ts";
import { percentile } from "../load/statistics.ts";

export interface SteadyOptions {
  readonly target: Target;
  readonly request: Buffer;
  readonly answerBytes: number;
  readonly connections: number;
  readonly perSecond: number;
  readonly seconds: number;
}

export interface SteadyResult {
  readonly requests: number;
  readonly bad: number;
  /** Microseconds from the writing of a request, or from its turn when every connection was busy. */
  readonly p50: number;
  readonly p99: number;
}

const LATE_MS = 20_000;

/** @throws Error when answers do not come, or a connection is closed */
export async function driveSteadily(options: SteadyOptions): Promise<SteadyResult> {
  const { target, request, answerBytes, connections, perSecond, seconds } = options;
  const latencies: number[] = [];
  const free: Line[] = [];
  let bad = 0;
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const open = (): Promise<Line> =>
    openLine(target, fail, (line, good, bytes) => {
      latencies.push((performance.now() - line.since) * 1000);
      if (!good || bytes < answerBytes) bad++;
      free.push(line);
    });
  const lines = await Promise.all(Array.from({ length: connections }, open));
  free.push(...lines);
  const late = setTimeout(() => fail(new Error("Answers are late")), seconds * 1000 + LATE_MS);
  const run = async (): Promise<void> => {
    const begun = performance.now();
    const count = Math.round(perSecond * seconds);
    for (let at = 0; at < count; at++) {
      const due = begun + (at * 1000) / perSecond;
      if (due > performance.now()) await sleep(due - performance.now());
      let line = free.shift();
      const hasWaited = line === undefined;
      while (line === undefined) {
        await sleep(1);
        line = free.shift();
      }
      line.since = hasWaited ? due : performance.now();
      line.socket.write(request);
    }
    while (latencies.length < count) await sleep(1);
  };
  try {
    await Promise.race([run(), failed]);
  } finally {
    clearTimeout(late);
    fail(new Error("It is over"));
    for (const { socket } of lines) socket.destroy();
  }
  const sorted = latencies.toSorted((one, other) => one - other);
  return { requests: sorted.length, bad, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** A connection, and since when the request on it is under way. */
interface Line {
  readonly socket: Socket;
  since: number;
}

async function openLine(
  { ports: [port = 0], ca }: Target,
  fail: (error: Error) => void,
  answered: (line: Line, good: boolean, bytes: number) => void,
): Promise<Line> {
  const socket = ca === undefined ? connect({ port, host: "127.0.0.1", noDelay: true }) : secure(port, ca);
  const line: Line = { socket, since: 0 };
  const reader = new AnswerReader(({ good, bytes }) => answered(line, good, bytes));
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  socket.once("close", () => fail(new Error("A connection was closed under load")));
  await new Promise<void>((resolve, reject) => {
    socket.once(ca === undefined ? "connect" : "secureConnect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", fail);
  return line;
}
