/** Bytes between a socket that pushes and a reader that pulls: the socket is asked to pause above a mark. */

/** Who fills the queue. */
export interface ChunkSource {
  resume(): void;
  /** Nobody will read on. */
  cancel(): void;
}

const HIGH_WATER = 256 * 1024;
/** What waits behind other bytes is gathered in blocks of this size: an object for every few bytes would outweigh them. */
const BLOCK = 16 * 1024;

export class ChunkQueue implements AsyncIterable<Uint8Array> {
  readonly #source: ChunkSource;
  readonly #blocks: Buffer[] = [];
  /** Bytes in use of the last block. */
  #filled = 0;
  #size = 0;
  #ended = false;
  #paused = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(source: ChunkSource) {
    this.#source = source;
  }

  /** Copies the bytes; false asks the source to pause. */
  push(bytes: Buffer, from: number, to: number): boolean {
    let at = from;
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#filled < last.length) {
      const copied = bytes.copy(last, this.#filled, at, to);
      this.#filled += copied;
      at += copied;
    }
    if (at < to) {
      const block = Buffer.allocUnsafe(last === undefined ? to - at : Math.max(BLOCK, to - at));
      this.#filled = bytes.copy(block, 0, at, to);
      this.#blocks.push(block);
    }
    this.#size += to - from;
    this.#wake?.();
    if (this.#size > HIGH_WATER) this.#paused = true;
    return !this.#paused;
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const block = this.#blocks.shift();
        if (block !== undefined) {
          const chunk = this.#blocks.length === 0 ? block.subarray(0, this.#filled) : block;
          this.#size -= chunk.length;
          if (this.#paused && this.#size <= HIGH_WATER / 2) {
            this.#paused = false;
            this.#source.resume();
          }
          yield chunk;
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else if (this.#ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = undefined;
        }
      }
    } finally {
      if (!this.#ended && this.#error === undefined) this.#source.cancel();
    }
  }
}
