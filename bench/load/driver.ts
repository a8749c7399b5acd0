/**
 * The closed-loop load driver: raw sockets, the same bytes over and over, the next request of a connection when its last one
 * is answered. Its own use of CPU is told, so that a round in which it was the bottleneck can be known.
 */

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AnswerReader, type AnswerSeen } from "./answer-reader.ts";

export interface Target {
  /** Connections are spread over these. */
  readonly ports: readonly number[];
  /** PEM of the CA, where the driver itself speaks TLS. */
  readonly ca?: string;
}

export interface LoadResult {
  readonly requests: number;
  /** Answers that were not a 200, or not of the size that the upstream sent. */
  readonly bad: number;
  /** Answers after which the server closed the connection. */
  readonly closed: number;
  readonly seconds: number;
  /** Microseconds, sorted. */
  readonly latencies: Float64Array;
  /** Share of one core that this process used. */
  readonly driverShare: number;
}

/** Most requests of which a round keeps the latency. */
const KEPT = 4_000_000;
const LATE_MS = 20_000;

/** Open connections that can be driven again and again. */
export class Load {
  readonly #connections: Connection[];
  #latencies = new Float64Array(0);

  static async open(target: Target, connections: number, request: Buffer, answerBytes: number): Promise<Load> {
    const shared = Buffer.allocUnsafe(256 * 1024);
    const load = new Load(
      Array.from({ length: connections }, (_, at) => {
        const port = target.ports[Math.floor((at * target.ports.length) / connections)] ?? 0;
        return new Connection({ port, ca: target.ca, request, answerBytes, shared });
      }),
    );
    await Promise.all(load.#connections.map((connection) => connection.opened));
    return load;
  }

  constructor(connections: Connection[]) {
    this.#connections = connections;
  }

  /** Sends until the time is up, or enough has been answered, and waits for what is under way. */
  async run(seconds: number, enough: number = Number.POSITIVE_INFINITY): Promise<LoadResult> {
    const perSecond = 150_000;
    const wanted = Math.min(KEPT, Math.ceil(seconds * perSecond));
    if (this.#latencies.length < wanted) this.#latencies = new Float64Array(wanted);
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    const round: Round = {
      until: startedAt + seconds * 1000,
      enough,
      latencies: this.#latencies,
      requests: 0,
      bad: 0,
      closed: 0,
    };
    let late: NodeJS.Timeout | undefined;
    const lateness = new Promise<never>((_, reject) => {
      late = setTimeout(
        () => {
          reject(new Error(`Answers are ${LATE_MS / 1000} s late`));
          this.close();
        },
        seconds * 1000 + LATE_MS,
      );
    });
    try {
      await Promise.race([Promise.all(this.#connections.map((connection) => connection.run(round))), lateness]);
    } finally {
      clearTimeout(late);
    }
    const ms = performance.now() - startedAt;
    const cpu = process.cpuUsage(cpuBefore);
    return {
      requests: round.requests,
      bad: round.bad,
      closed: round.closed,
      seconds: ms / 1000,
      latencies: this.#latencies.slice(0, Math.min(round.requests, this.#latencies.length)).sort(),
      driverShare: (cpu.user + cpu.system) / 1000 / ms,
    };
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

/** Sends one request on a connection of its own and gives the status of its answer. */
export async function once(target: Target, request: Buffer): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const port = target.ports[0] ?? 0;
    const socket = target.ca === undefined ? connectTcp({ port, host: "127.0.0.1" }) : secure(port, target.ca);
    let text = "";
    const reader = new AnswerReader(() => {
      socket.destroy();
      resolve({ status: Number(text.slice(9, 12)), text });
    });
    socket.setTimeout(LATE_MS, () => socket.destroy(new Error("No answer")));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      reader.push(chunk);
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`The connection was closed after: ${text}`)));
    socket.write(request);
  });
}

interface Round {
  readonly until: number;
  readonly enough: number;
  readonly latencies: Float64Array;
  requests: number;
  bad: number;
  closed: number;
}

interface ConnectionOptions {
  readonly port: number;
  readonly ca: string | undefined;
  readonly request: Buffer;
  readonly answerBytes: number;
  /** What is read is looked at and forgotten, so one buffer serves all. */
  readonly shared: Buffer;
}

class Connection {
  readonly opened: Promise<void>;
  readonly #options: ConnectionOptions;
  #socket: Socket;
  #sentAt = 0;
  #round: Round | undefined;
  #done: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    let connected: () => void = () => undefined;
    this.opened = new Promise((resolve, reject) => {
      connected = resolve;
      this.#failed = reject;
    });
    this.#socket = this.#connect(connected);
  }

  /** Sends for this round until its time is up. */
  run(round: Round): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#round = round;
      this.#done = resolve;
      this.#failed = reject;
      this.#sentAt = performance.now();
      if (this.#socket.destroyed) this.#reconnect();
      else this.#socket.write(this.#options.request);
    });
  }

  close(): void {
    this.#failed = () => undefined;
    this.#socket.destroy();
  }

  #connect(connected: () => void): Socket {
    const { port, ca, shared } = this.#options;
    let over = false;
    const reader = new AnswerReader((answer) => {
      over = answer.last;
      this.#answered(answer);
    });
    const read = (chunk: Buffer): void => {
      try {
        reader.push(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    };
    const onread = {
      buffer: shared,
      callback: (size: number, buffer: Uint8Array) => {
        read((buffer as Buffer).subarray(0, size));
        return true;
      },
    };
    const socket = ca === undefined ? connectTcp({ port, host: "127.0.0.1", noDelay: true, onread }) : secure(port, ca);
    if (ca !== undefined) socket.on("data", read);
    socket.once(ca === undefined ? "connect" : "secureConnect", connected);
    socket.on("error", (error) => (over ? undefined : this.#failed(error)));
    socket.once("close", () => (over ? undefined : this.#failed(new Error("A connection was closed under load"))));
    return socket;
  }

  /** As any client would when the server has closed the connection with its answer: the next request pays for a new one. */
  #reconnect(): void {
    const socket = this.#connect(() => socket.write(this.#options.request));
    this.#socket = socket;
  }

  #answered({ good, bytes, chunked, last }: AnswerSeen): void {
    const round = this.#round;
    if (last) this.#socket.destroy();
    if (round === undefined) return;
    const { answerBytes, request } = this.#options;
    const now = performance.now();
    round.latencies[round.requests] = (now - this.#sentAt) * 1000;
    round.requests++;
    if (!good || (chunked ? bytes < answerBytes : bytes !== answerBytes)) round.bad++;
    if (last) round.closed++;
    if (now < round.until && round.requests < round.enough) {
      this.#sentAt = now;
      if (last) this.#reconnect();
      else this.#socket.write(request);
    } else {
      this.#round = undefined;
      this.#done();
    }
  }
}

/** A connection over TLS to this machine. */
export function secure(port: number, ca: string): Socket {
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca });
  socket.setNoDelay(true);
  return socket;
}
