/** The way to DynamoDB on Node: connections that are kept alive, bounded, in one pool per origin. */

import { type Upstream, UpstreamError, type UpstreamRequest, type UpstreamResponse } from "../gateway/ports.ts";
import { requestHead } from "./request-head.ts";
import { UpstreamCall } from "./upstream-call.ts";
import { type PoolOptions, UpstreamPool } from "./upstream-pool.ts";

export interface UpstreamOptions {
  /** Connections to one origin; requests wait for one when all are busy. */
  readonly connections?: number;
  /** Requests that wait for a connection, to all origins together; one more is refused at once. */
  readonly waiting?: number;
  /** Milliseconds to a connection, TLS included. */
  readonly connectTimeout?: number;
  /** Milliseconds that a request waits for a connection, and then to the head of its answer. */
  readonly headersTimeout?: number;
  /** Milliseconds between two pieces of an answer. */
  readonly bodyTimeout?: number;
  /** Milliseconds that a connection is kept without a request. */
  readonly keepAliveTimeout?: number;
  /** PEM certificates to trust instead of the system's, for an upstream with a certificate of one's own. */
  readonly ca?: string;
}

/** As much as one read may give. */
const READ_BYTES = 64 * 1024;
/** Milliseconds between two looks at who is late: two of them stretch no timeout by more than a quarter, or two seconds. */
const INSPECTION = { least: 5, most: 1000 };

/** Pools of connections to upstreams, made when first used. */
export class NodeUpstream implements Upstream {
  readonly #pools = new Map<string, UpstreamPool>();
  readonly #options: PoolOptions;
  readonly #mayWait: number;
  readonly #inspectionMs: number;
  #inspection: NodeJS.Timeout | undefined;
  #inspectedAt = 0;
  #closed = false;

  constructor(options: UpstreamOptions = {}) {
    this.#mayWait = options.waiting ?? 4096;
    const timeouts = {
      connect: options.connectTimeout ?? 3_000,
      headers: options.headersTimeout ?? 30_000,
      body: options.bodyTimeout ?? 30_000,
      keepAlive: options.keepAliveTimeout ?? 20_000,
    };
    this.#options = {
      connections: options.connections ?? 256,
      timeouts,
      ca: options.ca,
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      crowd: { waiting: 0 },
    };
    const smallest = Math.min(...Object.values(timeouts));
    this.#inspectionMs = Math.min(INSPECTION.most, Math.max(INSPECTION.least, Math.floor(smallest / 8)));
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    if (this.#closed) return refused("The way to the upstream is closed");
    if (request.departure.gone) return refused("The client went away");
    const { waiting } = this.#options.crowd;
    if (waiting >= this.#mayWait) return refused(`${waiting} requests wait for a connection already`);
    return new Promise((resolve, reject) => {
      const head = requestHead(request.headers, request.body.byteLength);
      const pool = this.#poolOf(request.origin);
      const deadline = performance.now() + this.#options.timeouts.headers;
      pool.join(new UpstreamCall(request, head, deadline, pool, { resolve, reject }));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#inspection);
    this.#inspection = undefined;
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.close()));
  }

  #poolOf(origin: string): UpstreamPool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new UpstreamPool(origin, this.#options);
      this.#pools.set(origin, pool);
    }
    // One timer looks after all deadlines, as long as there are any.
    this.#inspection ??= setInterval(() => this.#inspect(), this.#inspectionMs).unref();
    return pool;
  }

  /** Late is who was late at the look before: when the process itself was held up, what it waits for may lie there unread. */
  #inspect(): void {
    const before = this.#inspectedAt;
    this.#inspectedAt = performance.now();
    let busy = false;
    for (const pool of this.#pools.values()) busy = pool.inspect(before) || busy;
    if (busy) return;
    clearInterval(this.#inspection);
    this.#inspection = undefined;
  }
}

function refused(message: string): Promise<never> {
  return Promise.reject(new UpstreamError("unreachable", message));
}
