/** The way to DynamoDB on Node: undici's keep-alive pools, bounded, one per origin. */

import { Pool, type Dispatcher } from "undici";
import {
  type Departure,
  type DepartureListener,
  type Upstream,
  UpstreamError,
  type UpstreamRequest,
  type UpstreamResponse,
  WHOLE_BODY_BYTES,
} from "../gateway/ports.ts";

export interface UpstreamOptions {
  /** Connections to one origin; requests wait for one when all are busy. */
  readonly connections?: number;
  /** Requests that wait for a connection, to all origins together; one more is refused at once. */
  readonly waiting?: number;
  /** Milliseconds to a connection, TLS included. */
  readonly connectTimeout?: number;
  /** Milliseconds to the head of an answer. */
  readonly headersTimeout?: number;
  /** Milliseconds between two pieces of an answer. */
  readonly bodyTimeout?: number;
  /** PEM certificates to trust instead of the system's, for an upstream with a certificate of one's own. */
  readonly ca?: string;
}

/** Pools of connections to upstreams, made when first used. */
export class NodeUpstream implements Upstream {
  readonly #pools = new Map<string, Pool>();
  readonly #options: Pool.Options;
  readonly #mayWait: number;
  #waiting = 0;

  constructor(options: UpstreamOptions = {}) {
    this.#mayWait = options.waiting ?? 4096;
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
    if (departure.gone) return Promise.reject(new UpstreamError("unreachable", "The client went away"));
    if (this.#waiting >= this.#mayWait) {
      return Promise.reject(
        new UpstreamError("unreachable", `${this.#waiting} requests wait for a connection already`),
      );
    }
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      const handler = new AnswerHandler(departure, { waited: () => (this.#waiting -= 1), resolve, reject });
      chosen.dispatch({ method: "POST", path: "/", headers, body }, handler);
    });
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

interface AnswerEvents {
  /** The request waits no more for a connection. Once. */
  waited(): void;
  resolve(response: UpstreamResponse): void;
  reject(error: Error): void;
}

/** Receives one answer: whole when it is small, as a stream that pauses the socket when it is not. */
class AnswerHandler implements Dispatcher.DispatchHandler, DepartureListener {
  readonly #departure: Departure;
  readonly #events: AnswerEvents;
  #controller: Dispatcher.DispatchController | undefined;
  #started = false;
  #settled = false;
  #status = 0;
  #headers: UpstreamResponse["headers"] = {};
  #chunks: Uint8Array[] = [];
  #size = 0;
  #stream: ChunkQueue | undefined;

  constructor(departure: Departure, events: AnswerEvents) {
    this.#departure = departure;
    this.#events = events;
    departure.onGone(this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (!this.#started && !this.#settled) this.#events.waited();
    this.#started = true;
    if (this.#departure.gone) this.clientGone();
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
    this.#events.resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#controller = undefined;
    if (this.#settled) return;
    if (!this.#started) this.#events.waited();
    const wrapped = new UpstreamError(
      this.#started ? "broken" : "unreachable",
      this.#started ? "The upstream broke off" : "The upstream cannot be reached",
      { cause: error },
    );
    if (this.#stream === undefined) this.#events.reject(wrapped);
    else this.#stream.fail(wrapped);
  }

  /** The client has gone: its request is taken back, or its answer broken off. */
  clientGone(): void {
    const reason = new Error("The client went away");
    if (this.#controller !== undefined) this.#controller.abort(reason);
    else if (!this.#started && !this.#settled) {
      // It still waits for a connection. When it gets one it is aborted before anything is sent.
      this.#settled = true;
      this.#events.waited();
      this.#events.reject(new UpstreamError("unreachable", "The client went away", { cause: reason }));
    }
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
    this.#events.resolve({ status: this.#status, headers: this.#headers, body: stream });
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
