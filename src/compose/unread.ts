/** What waits at a door for clients that do not read: bounded for all together, and for each in time. */

import type { Duplex } from "node:stream";
import type { Log } from "../telemetry/log.ts";

export interface UnreadOptions {
  readonly log: Log;
  /** Bytes that may wait in sum. */
  readonly most?: number;
  /** Milliseconds that a connection may wait for its client to read. */
  readonly patience?: number;
  /** Milliseconds between two looks. */
  readonly lookEvery?: number;
}

/** A connection of a client, as far as its pace can be seen. */
export type PacedSocket = Duplex & { readonly bytesWritten?: number };

interface Watched {
  readonly stream: Duplex;
  readonly user: string;
  readonly socket: PacedSocket | undefined;
  /** Bytes that the client had taken at the last look at which that was more than before. */
  taken: number;
  /** Looks since. */
  idle: number;
}

/** 500 streams of one user fill it, with the window that a stream has. */
const MOST_BYTES = 134_217_728;
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 1_000;

/** Watches the streams of one door. */
export class Unread {
  readonly #most: number;
  readonly #idleLooks: number;
  readonly #log: Log;
  readonly #watched = new Set<Watched>();
  readonly #timer: NodeJS.Timeout;

  constructor({ log, most = MOST_BYTES, patience = PATIENCE_MS, lookEvery = LOOK_EVERY_MS }: UnreadOptions) {
    this.#most = most;
    this.#idleLooks = Math.ceil(patience / lookEvery);
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), lookEvery);
    this.#timer.unref();
  }

  /** Watches what comes for a user, and the client's connection where nobody else has a clock for it. */
  watch(stream: Duplex, user: string, socket?: PacedSocket): void {
    const watched: Watched = { stream, user, socket, taken: -1, idle: 0 };
    this.#watched.add(watched);
    stream.once("close", () => this.#watched.delete(watched));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let sum = 0;
    for (const watched of this.#watched) {
      sum += unreadOf(watched);
      if (!this.#isStuck(watched)) continue;
      this.#end(watched);
      this.#log.warn({ user: watched.user }, "A client reads nothing of what waits for it: its connection is ended");
    }
    if (sum > this.#most) this.#endGreediest(sum);
  }

  /** A client that sends is none that reads. */
  #isStuck(watched: Watched): boolean {
    const { socket } = watched;
    if (socket === undefined) return false;
    const taken = (socket.bytesWritten ?? 0) - socket.writableLength;
    if (socket.writableLength === 0 || taken !== watched.taken) {
      watched.taken = taken;
      watched.idle = 0;
      return false;
    }
    return ++watched.idle >= this.#idleLooks;
  }

  /** Ends streams of the user for whom the most waits, those with the most first. Others have their turn with the next look. */
  #endGreediest(sum: number): void {
    const byUser = new Map<string, number>();
    for (const watched of this.#watched) byUser.set(watched.user, (byUser.get(watched.user) ?? 0) + unreadOf(watched));
    const [greediest] = [...byUser].toSorted(([, one], [, other]) => other - one);
    if (greediest === undefined) return;
    const [user, bytes] = greediest;
    const theirs = [...this.#watched].filter((watched) => watched.user === user);
    let left = sum;
    let ended = 0;
    for (const watched of theirs.toSorted((one, other) => unreadOf(other) - unreadOf(one))) {
      if (left <= this.#most) break;
      left -= unreadOf(watched);
      this.#end(watched);
      ended++;
    }
    this.#log.warn(
      { user, bytes, ended },
      "Too much waits for clients that do not read: the user with the most loses some",
    );
  }

  #end(watched: Watched): void {
    this.#watched.delete(watched);
    watched.stream.destroy();
    watched.socket?.destroy();
  }
}

function unreadOf({ stream, socket }: Watched): number {
  return stream.readableLength + (socket?.writableLength ?? 0);
}
