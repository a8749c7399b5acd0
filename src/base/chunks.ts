/** Bytes that come in pieces, until they are whole: held in few objects, however small the pieces are. */

import { Buffer } from "node:buffer";

/** So many pieces become one when they are small: an object for each byte takes some hundred times the memory of the byte. */
const RUN = 256;

/** Pieces that are this long on average are left alone, for the copy would cost more than it saves. */
const SMALL_BYTES = 1024;

/** Pieces in the order in which they came. */
export class Chunks {
  #parts: Uint8Array[] = [];
  /** How many of the parts will not be joined any more. */
  #settled = 0;
  #size = 0;

  /** Of all pieces, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** In how many objects they are held. */
  get objects(): number {
    return this.#parts.length;
  }

  push(piece: Uint8Array): void {
    const parts = this.#parts;
    parts.push(piece);
    this.#size += piece.byteLength;
    if (parts.length - this.#settled < RUN) return;
    const run = parts.slice(this.#settled);
    const size = run.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (size < RUN * SMALL_BYTES) parts.splice(this.#settled, RUN, Buffer.concat(run, size));
    this.#settled = parts.length;
  }

  /** All of them, and none is held any more; what came in one piece is not copied. */
  take(): Uint8Array {
    const parts = this.#parts;
    const size = this.#size;
    this.forget();
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, size);
  }

  /** Holds none any more. */
  forget(): void {
    this.#parts = [];
    this.#settled = this.#size = 0;
  }
}
