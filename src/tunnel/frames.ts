/**
 * Messages on a stream of the tunnel: each with its length before it, and an empty one at the end. A stream that breaks can look
 * like one that ends, and half a message like a whole one; the empty message says that all has come.
 */

import { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { PosternError } from "../base/errors.ts";

/** The longest message, in bytes; longer ones are sent as several. */
export const MAX_FRAME_BYTES: number = 256 * 1024;

/** Writes messages, each no sooner than there is room for it. */
export class FrameWriter {
  readonly #stream: Writable;

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
      this.#stream.write(length);
      if (!this.#stream.write(part)) await this.#room();
    }
  }

  /** Says that all has come. @throws PosternError `stream_broken` */
  end(): void {
    this.#require();
    this.#stream.end(Buffer.alloc(4));
  }

  #require(): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) throw broken();
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
  readonly #chunks: AsyncIterator<Buffer, unknown>;
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(stream: Readable) {
    // The other direction goes on when this one has been read.
    this.#chunks = stream.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** The next message; undefined when all has come. @throws PosternError `stream_broken` */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const length = (await this.#take(4)).readUInt32BE();
    if (length > MAX_FRAME_BYTES) throw broken();
    if (length > 0) return await this.#take(length);
    this.#ended = true;
    return undefined;
  }

  /** All that is still to come. @throws PosternError `stream_broken` */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let message = await this.next(); message !== undefined; message = await this.next()) yield message;
  }

  async #take(bytes: number): Promise<Buffer> {
    const parts = [this.#rest];
    let size = this.#rest.length;
    while (size < bytes) {
      const next = await this.#chunks.next().catch(() => undefined);
      if (next === undefined || next.done === true) throw broken();
      parts.push(next.value);
      size += next.value.length;
    }
    const whole = parts.length === 1 ? this.#rest : Buffer.concat(parts, size);
    this.#rest = whole.subarray(bytes);
    return whole.subarray(0, bytes);
  }
}

function broken(): PosternError {
  return new PosternError("stream_broken", "The tunnel broke off in the middle of a message");
}
