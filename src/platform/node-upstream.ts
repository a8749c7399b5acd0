/** The way to DynamoDB on Node: undici's keep-alive pools, bounded, one per origin. */

import { Pool, type Dispatcher } from "undici";
import {
  type Departure,
  type Upstream,
  UpstreamError,
  type UpstreamRequest,
  type UpstreamResponse,
  WHOLE_BODY_BYTES,
} from "../gateway/ports.ts";

export interface UpstreamOptions {
  /** Connections to one origin; requests wait for one when all are busy. */
  readonly connections?: number;
  /** Milliseconds to a connection, TLS included. */
  readonly connectTimeout?: number;
  /** Milliseconds to the head of an answer. */
  readonly headersTimeout?: number;
  /** Milliseconds between two pieces of an answer. */
  readonly bodyTimeout?: number;
  /** PEM certificates to trust besides the system's, for an upstream with a certificate of one's own. */
  readonly ca?: string;
}

/** Pools of connections to upstreams, made when first used. */
export class NodeUpstream implements Upstream {
  readonly #pools = new Map<string, Pool>();
  readonly #options: Pool.Options;

  constructor(options: UpstreamOptions = {}) {
    this.#options = {
      connections: options.connections ?? 256,
      pipelining: 1,
      headersTimeout: options.headersTimeout ?? 30_000,
      bodyTimeout: options.bodyTimeout ?? 30_000,
      keepAliveTimeout: 20_000,
      connect: {
        timeout: options.connectTimeout ?? 3_000,
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      },
    };
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const { origin, headers, body, departure } = request;
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, this.#options);
      this.#pools.set(origin, pool);
    }
    const chosen = pool;
    return new Promise((resolve, reject) => {
      chosen.dispatch({ method: "POST", path: "/", headers, body }, new AnswerHandler(departure, resolve, reject));
    });
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

/** Receives one answer: whole when it is small, as a stream that pauses the socket when it is not. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #departure: Departure;
  readonly #resolve: (response: UpstreamResponse) => void;
  readonly #reject: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #started = false;
  #status = 0;
  #headers: UpstreamResponse["headers"] = {};
  #chunks: Uint8Array[] = [];
  #size = 0;
  #stream: ChunkQueue | undefined;
  readonly #abort = (): void => this.#controller?.abort(new Error("The client went away"));

  constructor(departure: Departure, resolve: (response: UpstreamResponse) => void, reject: (error: Error) => void) {
    this.#departure = departure;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#started = true;
    if (this.#departure.gone) this.#abort();
    else this.#departure.onGone(this.#abort);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: UpstreamResponse["headers"]): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
    const length = Number(headers["content-length"] ?? 0);
    if (length > WHOLE_BODY_BYTES) this.#startStream();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#stream !== undefined) {
      if (!this.#stream.push(chunk)) controller.pause();
      return;
    }
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    if (this.#size > WHOLE_BODY_BYTES) this.#startStream();
  }

  onResponseEnd(): void {
    this.#controller = undefined;
    if (this.#stream !== undefined) {
      this.#stream.end();
      return;
    }
    const [only] = this.#chunks;
    const body = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks, this.#size);
    this.#resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#controller = undefined;
    const wrapped = new UpstreamError(
      this.#started ? "broken" : "unreachable",
      this.#started ? "The upstream broke off" : "The upstream cannot be reached",
      { cause: error },
    );
    if (this.#stream === undefined) this.#reject(wrapped);
    else this.#stream.fail(wrapped);
  }

  #startStream(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    const stream = new ChunkQueue(
      () => controller.resume(),
      () => controller.abort(new Error("The reader went away")),
    );
    for (const chunk of this.#chunks) stream.push(chunk);
    this.#chunks = [];
    this.#stream = stream;
    this.#resolve({ status: this.#status, headers: this.#headers, body: stream });
  }
}

/** Chunks between a socket that pushes and a reader that pulls; asks the socket to pause above a mark. */
class ChunkQueue implements AsyncIterable<Uint8Array> {
  static readonly #HIGH_WATER = 256 * 1024;
  readonly #resume: () => void;
  readonly #cancel: () => void;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #paused = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(resume: () => void, cancel: () => void) {
    this.#resume = resume;
    this.#cancel = cancel;
  }

  /** Takes a chunk; false asks the writer to pause. */
  push(chunk: Uint8Array): boolean {
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    this.#wake?.();
    this.#paused = this.#size > ChunkQueue.#HIGH_WATER;
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
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#size -= chunk.byteLength;
          if (this.#paused && this.#size <= ChunkQueue.#HIGH_WATER / 2) {
            this.#paused = false;
            this.#resume();
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
      if (!this.#ended && this.#error === undefined) this.#cancel();
    }
  }
}
