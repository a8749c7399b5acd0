/** One client's connection on Node: its exchanges in their order, their answers, and what becomes of them when it ends. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Chunks } from "../base/chunks.ts";
import {
  type Answer,
  BodyBroken,
  BodyTooLarge,
  ClientGone,
  type Connection,
  type Departure,
  type DepartureListener,
  type Exchange,
  NoRoom,
} from "../gateway/ports.ts";
import { cancel, latin1, LINGER, ONE_WRITE_BYTES } from "./answer-writing.ts";

/** A connection and its exchanges. Made when Node takes it; `left()` is called when it has closed. */
export class NodeClient {
  readonly connection: Connection;
  readonly #socket: Socket;
  /** Exchanges without a whole answer, the oldest first: pipelined requests are answered in this order. */
  #exchanges: NodeExchange[] = [];
  #draining = false;
  #refused = false;

  constructor(socket: Socket, connection: Connection) {
    this.#socket = socket;
    this.connection = connection;
  }

  /** Takes part in an exchange until its answer is out. */
  begin(incoming: IncomingMessage, outgoing: ServerResponse): NodeExchange {
    const exchange = new NodeExchange(incoming, outgoing, this);
    this.#exchanges.push(exchange);
    outgoing.once("close", () => {
      this.#exchanges.splice(this.#exchanges.indexOf(exchange), 1);
      if (!outgoing.writableFinished) exchange.leave();
      // An answer that began before the drain could not tell its client to go.
      else if (this.#draining && this.#exchanges.length === 0) this.#socket.destroySoon();
    });
    return exchange;
  }

  /** How many requests have no whole answer yet. */
  get waiting(): number {
    return this.#exchanges.length;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Ends the connection after the exchanges under way; at once when it never asked for anything. */
  drain(): void {
    this.#draining = true;
    if (this.#exchanges.length === 0 && this.#socket.bytesRead === 0) this.#socket.destroy();
  }

  /** The connection has closed. Answers that still waited for their turn are not told by Node, so this tells them. */
  left(): void {
    for (const exchange of this.#exchanges) exchange.leave();
    this.#exchanges = [];
  }

  /**
   * The parser gave up on what the client sends. In the middle of a body that is the end of its request; otherwise `refuse`
   * makes the answer, which goes out after those of the requests before.
   */
  async unparsable(reason: string, refuse: (connection: Connection) => Promise<Answer>): Promise<void> {
    // It gives up again on every further piece; one refusal is enough.
    if (this.#refused) return;
    this.#refused = true;
    const unfinished = this.#exchanges.find((exchange) => !exchange.complete);
    if (unfinished !== undefined) {
      unfinished.break(reason);
      return;
    }
    const answer = await refuse(this.connection);
    await Promise.all(this.#exchanges.map((exchange) => exchange.over()));
    const socket = this.#socket;
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(rawAnswer(answer));
    const quiet = setTimeout(() => socket.destroy(), LINGER.quietMs);
    socket.once("close", () => clearTimeout(quiet));
  }
}

/** One exchange. Whether its client is there still is known from the connection, as Node tells only the exchange whose turn it is. */
export class NodeExchange implements Exchange, Departure {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly connection: Connection;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #client: NodeClient;
  #gone = false;
  #onGone: DepartureListener[] = [];
  #broken: string | undefined;
  #reading: { fail(error: Error): void } | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, client: NodeClient) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#client = client;
    this.method = incoming.method ?? "";
    this.target = incoming.url ?? "";
    this.headers = incoming.rawHeaders;
    this.connection = client.connection;
  }

  // Itself, not an object with a getter of its own: V8 keeps such a getter in the object's hidden class, which lives in the
  // old generation and drags the whole exchange there. bench: load/postern, −20 % CPU, nothing promoted any more.
  get departure(): Departure {
    return this;
  }

  get gone(): boolean {
    return this.#gone;
  }

  onGone(listener: DepartureListener): void {
    this.#onGone.push(listener);
  }

  /** Whether the request has been received to its end. */
  get complete(): boolean {
    return this.#incoming.complete;
  }

  body(limit: number, room: { take(bytes: number): boolean }): Promise<Uint8Array> {
    const incoming = this.#incoming;
    if (this.#broken !== undefined) return Promise.reject(new BodyBroken(this.#broken));
    const declared = Number(incoming.headers["content-length"] ?? 0);
    if (declared > limit) return Promise.reject(new BodyTooLarge());
    // What is announced is taken at once, so that many do not begin what none can end.
    if (!room.take(declared)) return Promise.reject(new NoRoom());
    return new Promise((resolve, reject) => {
      const chunks = new Chunks();
      let size = 0;
      const settle = (end: () => void): void => {
        this.#reading = undefined;
        incoming.off("data", onData).off("end", onEnd).off("error", onGone).off("close", onGone);
        end();
      };
      const onData = (chunk: Buffer): void => {
        size += chunk.length;
        if (size > limit) {
          incoming.pause();
          settle(() => reject(new BodyTooLarge()));
        } else if (size > declared && !room.take(chunk.length)) {
          incoming.pause();
          settle(() => reject(new NoRoom()));
        } else chunks.push(chunk);
      };
      const onEnd = (): void => settle(() => resolve(chunks.take()));
      const onGone = (): void => settle(() => reject(new ClientGone()));
      this.#reading = { fail: (error) => settle(() => reject(error)) };
      incoming.on("data", onData).on("end", onEnd).on("error", onGone).on("close", onGone);
    });
  }

  /** Writes the answer, obeying the client's pace. */
  async send(answer: Answer): Promise<void> {
    const outgoing = this.#outgoing;
    if (this.#gone) {
      if (!(answer.body instanceof Uint8Array)) await cancel(answer.body);
      return;
    }
    // What follows a body that was not read to its end cannot be taken for a request.
    const last = answer.close === true || this.#broken !== undefined;
    const headers: Record<string, string | number> = { ...answer.headers };
    if (last || this.#client.draining) headers["connection"] = "close";
    if (answer.body instanceof Uint8Array) {
      headers["content-length"] = answer.body.byteLength;
      outgoing.writeHead(answer.status, headers);
      if (last) {
        outgoing.write(answer.body);
        await this.#drop();
        outgoing.end();
      }
      // A string goes out in one write with the head, a buffer in two. bench: load/postern, −8 % CPU for small answers.
      else if (answer.body.byteLength <= ONE_WRITE_BYTES) outgoing.end(latin1(answer.body), "latin1");
      else outgoing.end(answer.body);
      return;
    }
    outgoing.writeHead(answer.status, headers);
    try {
      for await (const chunk of answer.body) {
        if (this.#gone) return;
        if (!outgoing.write(chunk)) await this.#drained();
      }
      outgoing.end();
    } catch {
      this.#cut();
    }
  }

  /** Ends the exchange without an answer, or in the middle of one. */
  abandon(): void {
    this.#cut();
  }

  /** Resolves when nothing more will be written. */
  over(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#gone || this.#outgoing.closed) resolve();
      else {
        this.#onGone.push({ clientGone: resolve });
        this.#outgoing.once("close", resolve);
      }
    });
  }

  /** The body will not come to its end: the parser gave up on it. */
  break(reason: string): void {
    this.#broken = reason;
    this.#reading?.fail(new BodyBroken(reason));
  }

  /** The client has gone. */
  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    const listeners = this.#onGone;
    this.#onGone = [];
    for (const listener of listeners) listener.clientGone();
  }

  /** An answer that is not whole must not look whole, to a client of HTTP/1.0 neither, for which the end of the connection is the end of the body. */
  #cut(): void {
    if (this.#incoming.httpVersionMinor === 0) this.#incoming.socket.resetAndDestroy();
    this.#outgoing.destroy();
  }

  #drained(): Promise<void> {
    const outgoing = this.#outgoing;
    return new Promise((resolve) => {
      const settle = (): void => {
        outgoing.off("drain", settle);
        resolve();
      };
      outgoing.on("drain", settle);
      this.#onGone.push({ clientGone: settle });
    });
  }

  /** Reads the rest of the request away, for a while: a connection closed on unread bytes is reset, and its answer lost. */
  #drop(): Promise<void> {
    const incoming = this.#incoming;
    if (incoming.complete && incoming.readableEnded) return Promise.resolve();
    return new Promise((resolve) => {
      let size = 0;
      const settle = (): void => {
        clearTimeout(quiet);
        incoming.off("data", onData).off("end", settle).off("close", settle);
        resolve();
      };
      const onData = (chunk: Buffer): void => {
        size += chunk.length;
        if (size > LINGER.bytes) settle();
        else quiet.refresh();
      };
      const quiet = setTimeout(settle, LINGER.quietMs);
      incoming.on("data", onData).on("end", settle).on("close", settle).resume();
    });
  }
}

function rawAnswer(answer: Answer): Buffer {
  const body = answer.body instanceof Uint8Array ? answer.body : new Uint8Array();
  const lines = Object.entries({ ...answer.headers, "content-length": String(body.byteLength), connection: "close" });
  const head = `HTTP/1.1 ${answer.status} Bad Request\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}
