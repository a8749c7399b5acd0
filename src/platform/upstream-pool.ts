/** The connections to one origin, and the line of requests that wait for one. */

import { createSecureContext, type SecureContext } from "node:tls";
import type { CallLine, UpstreamCall } from "./upstream-call.ts";
import {
  type ConnectionOwner,
  type ConnectionTimeouts,
  type Destination,
  UpstreamConnection,
} from "./upstream-connection.ts";

export interface PoolOptions {
  readonly connections: number;
  readonly timeouts: ConnectionTimeouts;
  readonly ca: string | undefined;
  readonly buffer: Buffer;
  /** Counts what waits in all pools together. */
  readonly crowd: { waiting: number };
}

export class UpstreamPool implements ConnectionOwner, CallLine {
  readonly timeouts: ConnectionTimeouts;
  readonly buffer: Buffer;
  readonly #options: PoolOptions;
  readonly #host: string;
  readonly #port: number;
  readonly #secure: boolean;
  #context: SecureContext | undefined;
  #session: Buffer | undefined;
  readonly #all = new Set<UpstreamConnection>();
  /** The last to become idle is the first to be used: the others reach the end of their patience and go. */
  readonly #idle: UpstreamConnection[] = [];
  #connecting = 0;
  readonly #line: UpstreamCall[] = [];
  #tickets = 0;
  #serving = false;

  /** @throws TypeError when the origin is no URL of http or https */
  constructor(origin: string, options: PoolOptions) {
    const { protocol, hostname, port } = new URL(origin);
    if (protocol !== "https:" && protocol !== "http:") throw new TypeError(`No way leads to ${JSON.stringify(origin)}`);
    this.#options = options;
    this.timeouts = options.timeouts;
    this.buffer = options.buffer;
    this.#secure = protocol === "https:";
    this.#host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
    this.#port = port !== "" ? Number(port) : this.#secure ? 443 : 80;
  }

  /** Takes a place at the end of the line. */
  join(call: UpstreamCall): void {
    this.#tickets += 1;
    call.ticket = this.#tickets;
    this.#line.push(call);
    this.#options.crowd.waiting += 1;
    this.#serveSoon();
  }

  leave(call: UpstreamCall): void {
    const at = this.#line.indexOf(call);
    if (at === -1) return;
    this.#line.splice(at, 1);
    this.#options.crowd.waiting -= 1;
  }

  onFree(connection: UpstreamConnection): void {
    if (!connection.used) this.#connecting -= 1;
    this.#idle.push(connection);
    if (this.#line.length > 0) this.#serveSoon();
  }

  onLost(connection: UpstreamConnection, reason: Error | undefined): void {
    this.#all.delete(connection);
    if (!connection.ready) {
      this.#connecting -= 1;
      // Whatever was wrong with it, the next handshake begins from nothing.
      this.#session = undefined;
    }
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    // One failed connection fails one request, of those for which it was made.
    const [oldest] = this.#line;
    if (!connection.used && reason !== undefined && oldest !== undefined && oldest.ticket <= connection.ticket) {
      this.leave(oldest);
      oldest.unreachable("The upstream cannot be reached", reason);
    }
    if (this.#line.length > 0) this.#serveSoon();
  }

  onTlsSession(session: Buffer): void {
    this.#session = session;
  }

  /** Called now and then to end what should have ended by then; gives whether there is anything left to look after. */
  inspect(then: number): boolean {
    for (const connection of this.#all) connection.inspect(then);
    for (let [oldest] = this.#line; oldest !== undefined && oldest.deadline <= then; [oldest] = this.#line) {
      this.leave(oldest);
      oldest.unreachable("No connection to the upstream became free in time");
    }
    return this.#all.size > 0 || this.#line.length > 0;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const closed = [...this.#all].map((connection) => connection.closed());
    const reason = new Error("The gateway closes");
    for (const call of this.#line.splice(0)) {
      this.#options.crowd.waiting -= 1;
      call.unreachable("The gateway closes", reason);
    }
    for (const connection of this.#all) connection.close(reason);
    await Promise.all(closed);
  }

  /**
   * Not now, but when this turn of the event loop has read its sockets: that a server closed an idle connection, or spoke on it
   * without being asked, is noticed before a request is sent there. One look at the line then serves all that joined meanwhile.
   */
  #serveSoon(): void {
    if (this.#serving) return;
    this.#serving = true;
    setImmediate(serveLine, this);
  }

  serve(): void {
    this.#serving = false;
    const now = performance.now();
    while (this.#line.length > 0) {
      const connection = this.#idle.pop();
      if (connection === undefined) break;
      if (!connection.isUsable(now)) connection.close();
      else this.#carryOldest(connection, now);
    }
    while (this.#connecting < this.#line.length && this.#all.size < this.#options.connections) this.#open();
  }

  #carryOldest(connection: UpstreamConnection, now: number): void {
    const call = this.#line.shift();
    if (call === undefined) return;
    this.#options.crowd.waiting -= 1;
    connection.carry(call, now);
  }

  #open(): void {
    try {
      this.#all.add(new UpstreamConnection(this, this.#destination(), this.#tickets));
      this.#connecting += 1;
    } catch (cause) {
      const call = this.#line.shift();
      if (call === undefined) return;
      this.#options.crowd.waiting -= 1;
      call.unreachable("The upstream cannot be reached", cause as Error);
    }
  }

  #destination(): Destination {
    const { ca } = this.#options;
    if (!this.#secure) return { host: this.#host, port: this.#port };
    this.#context ??= createSecureContext(ca === undefined ? {} : { ca });
    return { host: this.#host, port: this.#port, tls: { context: this.#context, session: this.#session } };
  }
}

function serveLine(pool: UpstreamPool): void {
  pool.serve();
}
