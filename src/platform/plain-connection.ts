/** One client's connection for as long as it sends plain requests; from the first other one on it is Node's. */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Connection } from "../gateway/ports.ts";
import { PlainExchange } from "./plain-exchange.ts";
import { plainHead } from "./plain-request.ts";
import type { ServeTimeouts } from "./ports.ts";

/** What a connection needs of the listener. */
export interface PlainDoor {
  readonly timeouts: ServeTimeouts;
  /** Answers the exchange, sooner or later. */
  serve(exchange: PlainExchange): void;
  /** Takes the connection for good; `bytes` came first and are the beginning of a request. */
  handOver(plain: PlainConnection, bytes: Buffer): void;
}

/** Bytes that a client may send ahead of the answer to its request; then it is not read from until there is one. */
const AHEAD_BYTES = 64 * 1024;

/** Requests are served one after the other; what comes ahead of its turn waits. */
export class PlainConnection {
  readonly connection: Connection;
  readonly socket: Socket;
  readonly #door: PlainDoor;
  readonly #openedAt: number;
  /** Bytes of requests whose turn has not come. */
  #ahead: Buffer | undefined;
  #exchange: PlainExchange | undefined;
  #draining = false;
  #served = false;
  /** Answers wait for the client to read them; until it has there is no other request. */
  #full = false;
  /** No request is read any more: the connection ends, and what still comes is no beginning of one. */
  #ended = false;
  /** When a byte last went either way. */
  #touchedAt: number;

  constructor(socket: Socket, connection: Connection, door: PlainDoor) {
    this.socket = socket;
    this.connection = connection;
    this.#door = door;
    this.#openedAt = this.#touchedAt = performance.now();
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** What `Connection` says to a client that may stay, and how long. */
  get keepAlive(): string {
    return `keep-alive\r\nkeep-alive: timeout=${Math.floor(this.#door.timeouts.keepAlive / 1000)}`;
  }

  /** The connection has closed. */
  left(): void {
    this.#exchange?.leave();
  }

  /** Ends the connection after the exchange under way, at once when there is none. */
  drain(): void {
    this.#draining = true;
    if (this.#exchange === undefined) this.#finish();
  }

  /** Ends the connection after its next exchange: whoever has just been let in is answered. */
  drainAfterOne(): void {
    this.#draining = true;
  }

  /** A byte went either way. */
  touch(): void {
    this.#touchedAt = performance.now();
  }

  /** The exchange's answer is out. `last` ends the connection. */
  over(last: boolean): void {
    this.touch();
    this.#served = true;
    this.#exchange = undefined;
    if (last || this.#draining || this.#ended) this.#finish();
    else if (this.socket.writableNeedDrain) {
      this.#full = true;
      this.socket.pause();
      this.socket.once("drain", () => {
        this.touch();
        this.#full = false;
        this.#goOn();
      });
    } else this.#goOn();
  }

  /** Lets go of who is late. `now` is of `performance.now()`. */
  inspect(now: number): void {
    const { headers, keepAlive, request, silence } = this.#door.timeouts;
    const exchange = this.#exchange;
    if (exchange === undefined) {
      const patience = this.socket.writableLength > 0 ? silence : keepAlive;
      // Who never said anything made no request, only a connection.
      const late = this.#served ? now - this.#touchedAt > patience : now - this.#openedAt > headers;
      if (late) this.socket.destroy();
    } else if (now - this.#touchedAt > silence) this.socket.destroy();
    else if (now - exchange.startedAt > request) exchange.break("ERR_HTTP_REQUEST_TIMEOUT");
  }

  // Fields, so that they can be taken off again when Node takes the connection.
  readonly #onData = (chunk: Buffer): void => {
    this.touch();
    // It may be the rest of a body that nobody read.
    if (this.#ended) return;
    const exchange = this.#exchange;
    const rest = exchange === undefined ? chunk : exchange.feed(chunk);
    if (rest === undefined) return;
    this.#ahead = this.#ahead === undefined ? rest : Buffer.concat([this.#ahead, rest]);
    if (exchange === undefined && !this.#full) this.#next(this.#ahead);
    else if (this.#ahead.length > AHEAD_BYTES) this.socket.pause();
  };

  readonly #onEnd = (): void => {
    // As Node does: who closes its side has gone.
    this.#ended = true;
    this.socket.end();
  };

  readonly #onError = (): void => {
    this.socket.destroy();
  };

  /** Ends the connection when all that was written has gone out. */
  #finish(): void {
    this.#ended = true;
    this.#ahead = undefined;
    this.socket.destroySoon();
    // What still comes is dropped.
    this.socket.resume();
  }

  #goOn(): void {
    if (this.#ended) return;
    this.socket.resume();
    if (this.#ahead !== undefined) this.#next(this.#ahead);
  }

  #next(bytes: Buffer): void {
    this.#ahead = undefined;
    const head = plainHead(bytes);
    if (head === undefined) {
      this.socket.off("data", this.#onData);
      this.socket.off("end", this.#onEnd);
      this.#door.handOver(this, bytes);
      return;
    }
    const end = head.size + head.length;
    if (bytes.length > end) this.#ahead = bytes.subarray(end);
    const exchange = new PlainExchange(this, head, bytes.subarray(head.size, Math.min(end, bytes.length)));
    this.#exchange = exchange;
    this.#door.serve(exchange);
  }
}
