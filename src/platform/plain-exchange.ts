/** One plain request and its answer, written to the socket in one piece where it is small. */

import type { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
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
import type { PlainConnection } from "./plain-connection.ts";
import type { PlainHead } from "./plain-request.ts";

/** Who waits for the body. */
interface BodyReader {
  resolve(body: Uint8Array): void;
  reject(error: Error): void;
}

export class PlainExchange implements Exchange, Departure {
  readonly method: string = "POST";
  readonly target: string = "/";
  readonly headers: readonly string[];
  readonly startedAt: number = performance.now();
  readonly #client: PlainConnection;
  readonly #length: number;
  readonly #chunks = new Chunks();
  #missing: number;
  #reader: BodyReader | undefined;
  #broken: string | undefined;
  #gone = false;
  #onGone: DepartureListener[] = [];
  /** The rest of the body is dropped: it counts what has come, and when to stop waiting for more. */
  #dropping: { size: number; readonly quiet: NodeJS.Timeout } | undefined;

  constructor(client: PlainConnection, head: PlainHead, begun: Buffer) {
    this.#client = client;
    this.headers = head.headers;
    this.#length = head.length;
    this.#missing = head.length - begun.length;
    // Clients that write head and body apart begin none; what comes then is the body, without a copy.
    if (begun.length > 0) this.#chunks.push(begun);
  }

  get connection(): Connection {
    return this.#client.connection;
  }

  get departure(): Departure {
    return this;
  }

  get gone(): boolean {
    return this.#gone;
  }

  onGone(listener: DepartureListener): void {
    this.#onGone.push(listener);
  }

  body(limit: number, room: { take(bytes: number): boolean }): Promise<Uint8Array> {
    if (this.#broken !== undefined) return Promise.reject(new BodyBroken(this.#broken));
    if (this.#length > limit) return Promise.reject(new BodyTooLarge());
    // What is announced is taken at once, so that many do not begin what none can end.
    if (!room.take(this.#length)) return Promise.reject(new NoRoom());
    if (this.#missing === 0) return Promise.resolve(this.#chunks.take());
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#client.socket.resume();
    });
  }

  /** Takes what its body lacks; returns what comes behind it. */
  feed(chunk: Buffer): Buffer | undefined {
    if (this.#missing === 0) return chunk;
    const taken = Math.min(chunk.length, this.#missing);
    this.#missing -= taken;
    const dropping = this.#dropping;
    if (dropping !== undefined) {
      dropping.size += taken;
      dropping.quiet.refresh();
      if (this.#missing === 0 || dropping.size > LINGER.bytes) this.#dropped();
      return undefined;
    }
    this.#chunks.push(chunk.subarray(0, taken));
    const reader = this.#reader;
    if (reader === undefined) this.#client.socket.pause();
    else if (this.#missing === 0) {
      this.#reader = undefined;
      reader.resolve(this.#chunks.take());
    }
    return taken === chunk.length ? undefined : chunk.subarray(taken);
  }

  /** Writes the answer, obeying the client's pace. */
  async send(answer: Answer): Promise<void> {
    const { body } = answer;
    if (this.#gone) {
      if (!(body instanceof Uint8Array)) await cancel(body);
      return;
    }
    // What follows a body that was not read to its end cannot be taken for a request.
    const last = answer.close === true || this.#broken !== undefined || this.#missing > 0;
    const { socket } = this.#client;
    const connection = last || this.#client.draining ? "close" : this.#client.keepAlive;
    if (!(body instanceof Uint8Array)) {
      let head: string;
      try {
        head = headText(answer, `transfer-encoding: chunked\r\nconnection: ${connection}\r\n`);
      } catch (thrown) {
        await cancel(body);
        throw thrown;
      }
      socket.write(head, "latin1");
      await this.#stream(body, last);
      return;
    }
    const head = headText(answer, `content-length: ${body.byteLength}\r\nconnection: ${connection}\r\n`);
    // bench: load/postern, one write of a string is cheaper than two of buffers for small answers.
    if (body.byteLength <= ONE_WRITE_BYTES) socket.write(head + latin1(body), "latin1");
    else {
      socket.cork();
      socket.write(head, "latin1");
      socket.write(body);
      socket.uncork();
    }
    if (this.#missing > 0) this.#drop();
    else this.#client.over(last);
  }

  /** Ends the exchange without an answer, or in the middle of one. */
  abandon(): void {
    this.#client.socket.destroy();
  }

  /** The body will not come to its end. */
  break(reason: string): void {
    if (this.#missing === 0 || this.#broken !== undefined) return;
    this.#broken = reason;
    this.#fail(new BodyBroken(reason));
  }

  /** The client has gone. */
  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.#dropping !== undefined) clearTimeout(this.#dropping.quiet);
    this.#fail(new ClientGone());
    const listeners = this.#onGone;
    this.#onGone = [];
    for (const listener of listeners) listener.clientGone();
  }

  #fail(error: Error): void {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#chunks.forget();
    reader?.reject(error);
  }

  async #stream(body: AsyncIterable<Uint8Array>, last: boolean): Promise<void> {
    const { socket } = this.#client;
    try {
      for await (const chunk of body) {
        if (this.#gone) return;
        if (chunk.byteLength === 0) continue;
        socket.cork();
        socket.write(`${chunk.byteLength.toString(16)}\r\n`, "latin1");
        socket.write(chunk);
        const ready = socket.write("\r\n", "latin1");
        socket.uncork();
        this.#client.touch();
        if (!ready) await this.#drained();
      }
      socket.write("0\r\n\r\n", "latin1");
      if (this.#missing > 0) this.#drop();
      else this.#client.over(last);
    } catch {
      // An answer that is not whole must not look whole.
      socket.destroy();
    }
  }

  #drained(): Promise<void> {
    const { socket } = this.#client;
    return new Promise((resolve) => {
      const settle = (): void => {
        socket.off("drain", settle);
        resolve();
      };
      socket.on("drain", settle);
      this.#onGone.push({ clientGone: settle });
    });
  }

  /** Reads the rest of the request away, for a while: a connection closed on unread bytes is reset, and its answer lost. */
  #drop(): void {
    this.#chunks.forget();
    this.#client.socket.resume();
    this.#dropping = { size: 0, quiet: setTimeout(() => this.#dropped(), LINGER.quietMs) };
  }

  #dropped(): void {
    if (this.#dropping !== undefined) clearTimeout(this.#dropping.quiet);
    this.#client.over(true);
  }
}

/** The status line and the headers, `more` and the empty line behind them. @throws TypeError for what would end a line */
function headText(answer: Answer, more: string): string {
  const { status, headers } = answer;
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? "";
    if (!NAME.test(name) || !VALUE.test(value)) throw new TypeError(`Cannot send header ${JSON.stringify(name)}`);
    text += `${name}: ${value}\r\n`;
  }
  if (headers["date"] === undefined) text += `date: ${new Date().toUTCString()}\r\n`;
  return `${text}${more}\r\n`;
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
