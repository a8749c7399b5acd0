/** One request on its way and the answer to it: whole when it is small, as a stream when it is not. */

import {
  type DepartureListener,
  UpstreamError,
  type UpstreamRequest,
  type UpstreamResponse,
  WHOLE_BODY_BYTES,
} from "../gateway/ports.ts";
import { ChunkQueue, type ChunkSource } from "./chunk-queue.ts";

/** Where a call waits for a connection. */
export interface CallLine {
  leave(call: UpstreamCall): void;
}

/** The connection that a call is on. */
export interface CallCarrier {
  /** The rest of the answer is not wanted: that is the end of the connection. */
  abort(call: UpstreamCall, reason: Error): void;
  resume(call: UpstreamCall): void;
}

/** Settles the promise of a call. */
export interface CallOutcome {
  resolve(response: UpstreamResponse): void;
  reject(error: Error): void;
}

const NOTHING = Buffer.alloc(0);

/** Waits in a line, then is on a connection, then is over. All settling is here. */
export class UpstreamCall implements DepartureListener, ChunkSource {
  readonly head: string;
  readonly body: Uint8Array;
  /** When it has waited too long for a connection. */
  readonly deadline: number;
  /** Its place among all that ever waited in its line. */
  ticket = 0;
  readonly #outcome: CallOutcome;
  #line: CallLine | undefined;
  #carrier: CallCarrier | undefined;
  #status = 0;
  #headers: UpstreamResponse["headers"] | undefined;
  #bytes: Buffer = NOTHING;
  #size = 0;
  #stream: ChunkQueue | undefined;

  constructor(request: UpstreamRequest, head: string, deadline: number, line: CallLine, outcome: CallOutcome) {
    this.head = head;
    this.body = request.body;
    this.deadline = deadline;
    this.#line = line;
    this.#outcome = outcome;
    request.departure.onGone(this);
  }

  /** It waits no more: a connection has it. */
  board(carrier: CallCarrier): void {
    this.#line = undefined;
    this.#carrier = carrier;
  }

  onHead(status: number, headers: UpstreamResponse["headers"], length: number): void {
    this.#status = status;
    this.#headers = headers;
    if (length > WHOLE_BODY_BYTES) this.#startStream();
    else if (length > 0) this.#bytes = Buffer.allocUnsafe(length);
  }

  /** Copies a piece of the body; false asks to read no further for now. */
  onBody(bytes: Buffer, from: number, to: number): boolean {
    if (this.#stream !== undefined) return this.#stream.push(bytes, from, to);
    const size = this.#size + to - from;
    if (size > WHOLE_BODY_BYTES) return this.#startStream().push(bytes, from, to);
    if (size > this.#bytes.length) this.#grow(size);
    bytes.copy(this.#bytes, this.#size, from, to);
    this.#size = size;
    return true;
  }

  /** The answer is whole. */
  end(): void {
    this.#carrier = undefined;
    if (this.#stream !== undefined) {
      this.#stream.end();
      return;
    }
    const whole = this.#bytes;
    const body = whole.length === this.#size ? whole : whole.subarray(0, this.#size);
    this.#outcome.resolve({ status: this.#status, headers: this.#headers ?? {}, body });
  }

  /** Nothing of it was sent, and nothing will be. */
  unreachable(message: string, cause?: Error): void {
    this.#line = undefined;
    this.#outcome.reject(new UpstreamError("unreachable", message, { cause }));
  }

  /** The connection has ended before the answer did. */
  broken(cause: Error): void {
    this.#carrier = undefined;
    const error = new UpstreamError("broken", "The upstream broke off", { cause });
    if (this.#stream === undefined) this.#outcome.reject(error);
    else this.#stream.fail(error);
  }

  clientGone(): void {
    const line = this.#line;
    if (line !== undefined) {
      line.leave(this);
      this.unreachable("The client went away");
    } else {
      this.#carrier?.abort(this, new Error("The client went away"));
    }
  }

  resume(): void {
    this.#carrier?.resume(this);
  }

  cancel(): void {
    this.#carrier?.abort(this, new Error("The reader went away"));
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafe(Math.max(size, Math.min(WHOLE_BODY_BYTES, this.#bytes.length * 2)));
    this.#bytes.copy(larger, 0, 0, this.#size);
    this.#bytes = larger;
  }

  #startStream(): ChunkQueue {
    const stream = new ChunkQueue(this);
    if (this.#size > 0) stream.push(this.#bytes, 0, this.#size);
    this.#bytes = NOTHING;
    this.#stream = stream;
    this.#outcome.resolve({ status: this.#status, headers: this.#headers ?? {}, body: stream });
    return stream;
  }
}
