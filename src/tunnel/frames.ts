/**
 * Messages on a stream of the tunnel: each with its length before it, and an empty one at the end. A stream that breaks can look
 * like one that ends, and half a message like a whole one; the empty message says that all has come.
 */

import { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers";
import { PosternError } from "../base/errors.ts";

/** The longest message, in bytes; longer ones are sent as several. */
export const MAX_FRAME_BYTES: number = 256 * 1024;

/** Writes messages, each no sooner than there is room for it. */
export class FrameWriter {
  readonly #stream: Writable;
  #isHolding = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Resolves when more may be written. @throws PosternError `stream_broken` */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; at += MAX_FRAME_BYTES) {
      const part = bytes.subarray(at, at + MAX_FRAME_BYTES);
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32BE(part.byteLength);
      this.#require();
      this.#hold();
      this.#stream.write(length);
      if (this.#stream.write(part)) continue;
      this.#release();
      await this.#room();
    }
  }

  /** Says that all has come. @throws PosternError `stream_broken` */
  end(): void {
    this.#require();
    this.#hold();
    this.#stream.end(Buffer.alloc(4));
  }

  #require(): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) throw broken();
  }

  /** What is written in one turn goes out as one frame of HTTP/2, in one TLS record, by one system call. */
  #hold(): void {
    if (this.#isHolding) return;
    this.#isHolding = true;
    this.#stream.cork();
    setImmediate(() => this.#release());
  }

  #release(): void {
    if (this.#isHolding) this.#stream.uncork();
    this.#isHolding = false;
  }

  #room(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        stream.off("drain", settle).off("close", settle);
        if (stream.destroyed) reject(broken());
        else resolve();
      };
      stream.on("drain", settle).on("close", settle);
    });
  }
}

/** Reads messages, and of the stream no more than they need. */
export class FrameReader {
  readonly #stream: Readable;
  #rest: Buffer = EMPTY;
  #ended = false;
  /** No more bytes will come. */
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    const over = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    stream.on("readable", () => {
      // A stream ends when its end has been read; one that does not must be reset, and agents bear few resets.
      if (this.#ended) this.#forget();
      else this.#wake();
    });
    stream.once("end", over).once("close", over).once("error", over);
    if (stream.destroyed || stream.readableEnded) over();
  }

  /** The next message; undefined when all has come. @throws PosternError `stream_broken` */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const length = (await this.#take(4)).readUInt32BE();
    if (length > MAX_FRAME_BYTES) throw broken();
    if (length > 0) return await this.#take(length);
    this.leave();
    return undefined;
  }

  /** Nobody wants the rest: it is read and forgotten, so that the stream can end. */
  leave(): void {
    this.#ended = true;
    this.#forget();
  }

  /** All that is still to come. @throws PosternError `stream_broken` */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let message = await this.next(); message !== undefined; message = await this.next()) yield message;
  }

  async #take(bytes: number): Promise<Buffer> {
    if (this.#rest.length < bytes) {
      const parts = [this.#rest];
      let size = this.#rest.length;
      while (size < bytes) {
        const chunk = this.#stream.read() as Buffer | null;
        if (chunk !== null) {
          parts.push(chunk);
          size += chunk.length;
        } else if (this.#isOver) throw broken();
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      const [first, only] = parts;
      this.#rest = parts.length === 2 && first?.length === 0 && only !== undefined ? only : Buffer.concat(parts, size);
    }
    const whole = this.#rest;
    this.#rest = whole.subarray(bytes);
    return whole.subarray(0, bytes);
  }

  #forget(): void {
    while (this.#stream.read() !== null);
  }
}

const EMPTY = Buffer.alloc(0);

function broken(): PosternError {
  return new PosternError("stream_broken", "The tunnel broke off in the middle of a message");
}
