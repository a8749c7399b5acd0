/** Requests of one connection in turn: a client may send the next before it has the answer to the one before. */

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** More than any client keeps waiting; none that is in common use sends a second. */
const MAX_WAITING = 16;

/** The turns on a port. */
export class Turns {
  /** Those that wait for the one under way; no entry: none is. */
  readonly #waiting = new WeakMap<Socket, (() => void)[]>();

  /**
   * Serves a request now, or when those before it have been answered. Only the response whose turn it is holds the socket, and
   * is told that the client has gone. Of a client that has gone the rest is forgotten; one that sends too many is cut.
   */
  take(socket: Socket, outgoing: ServerResponse, serve: () => void): void {
    const go = (): void => {
      outgoing.once("close", () => this.#next(socket));
      serve();
    };
    const waiting = this.#waiting.get(socket);
    if (waiting === undefined) {
      this.#waiting.set(socket, []);
      go();
    } else if (waiting.push(go) > MAX_WAITING) socket.destroy();
  }

  /** Whether a request of it has not been answered yet. */
  isTaken(socket: Socket): boolean {
    return this.#waiting.has(socket);
  }

  #next(socket: Socket): void {
    const go = socket.destroyed ? undefined : this.#waiting.get(socket)?.shift();
    if (go === undefined) this.#waiting.delete(socket);
    else go();
  }
}
