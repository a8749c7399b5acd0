/** Finds the ends of the answers on one connection, with as little work as that takes. */

export interface AnswerSeen {
  /** Whether it was a 200. */
  readonly good: boolean;
  /** Of the body; of a chunked one, with the marks of its chunks. */
  readonly bytes: number;
  readonly chunked: boolean;
  /** Whether the server closes the connection after it. */
  readonly last: boolean;
}

const HEAD_END = Buffer.from("\r\n\r\n");
/** What ends a chunked body; JSON has no bare line breaks that could look like it. */
const LAST_CHUNK = "0\r\n\r\n";

export class AnswerReader {
  readonly #answered: (answer: AnswerSeen) => void;
  /** A head that is not whole yet. */
  #kept: Buffer | undefined;
  #inBody = false;
  #good = false;
  #chunked = false;
  #last = false;
  #length = 0;
  #received = 0;
  #tail = "";

  /** `answered` is called when an answer is whole. */
  constructor(answered: (answer: AnswerSeen) => void) {
    this.#answered = answered;
  }

  /** The chunk may be reused by the caller afterwards. */
  push(chunk: Buffer): void {
    let rest = this.#kept === undefined ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = undefined;
    while (rest.length > 0) {
      if (!this.#inBody) {
        const end = rest.indexOf(HEAD_END);
        if (end < 0) {
          this.#kept = Buffer.from(rest);
          return;
        }
        this.#readHead(rest.toString("latin1", 0, end));
        rest = rest.subarray(end + 4);
      }
      rest = this.#chunked ? this.#readChunked(rest) : this.#readSized(rest);
    }
  }

  #readHead(head: string): void {
    this.#good = head.startsWith("200", 9);
    this.#inBody = true;
    this.#last = /\r\nconnection: *close/i.test(head);
    this.#received = 0;
    this.#tail = "";
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    this.#chunked = length === null;
    if (length === null && !/\r\ntransfer-encoding: *chunked/i.test(head))
      throw new Error(`An answer without a length:\n${head}`);
    this.#length = Number(length?.[1] ?? 0);
  }

  #readSized(chunk: Buffer): Buffer {
    const wanted = this.#length - this.#received;
    if (chunk.length < wanted) {
      this.#received += chunk.length;
      return EMPTY;
    }
    this.#received = this.#length;
    this.#end();
    return chunk.subarray(wanted);
  }

  /** Nothing is pipelined, so a chunked answer ends where its bytes do. */
  #readChunked(chunk: Buffer): Buffer {
    this.#received += chunk.length;
    this.#tail = (this.#tail + chunk.toString("latin1", Math.max(0, chunk.length - LAST_CHUNK.length))).slice(
      -LAST_CHUNK.length,
    );
    if (this.#tail === LAST_CHUNK) this.#end();
    return EMPTY;
  }

  #end(): void {
    this.#inBody = false;
    this.#answered({ good: this.#good, bytes: this.#received, chunked: this.#chunked, last: this.#last });
  }
}

const EMPTY = Buffer.alloc(0);
