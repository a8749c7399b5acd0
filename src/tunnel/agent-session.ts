/** The agent's end of one tunnel: an HTTP/2 server on a connection that the agent itself dialled. */

import { Buffer } from "node:buffer";
import {
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import { keepAlive } from "./keep-alive.ts";
import { type AgentNews, CONNECT_HEADERS, NEWS_PATH } from "./protocol.ts";
import { SDK_PATH } from "./sdk-request.ts";
import { SESSION_OPTIONS, SESSION_WINDOW_BYTES } from "./session-options.ts";
import type { TunnelTiming } from "./timing.ts";

/** What the proxy says of a client's connection. None of it is proof: who the client is, its own TLS must say. */
export interface TunnelledClient {
  readonly database: string;
  /** Where its connection to the proxy came from; empty when the proxy did not say. */
  readonly address: string;
  /** Names it in the logs of both ends. */
  readonly connection: string;
}

export interface AgentOptions {
  /** What the agent tells of itself now: the same object while it is the same. */
  readonly news: () => AgentNews;
  /** Takes a client's connection to a database that the news names; the bytes are the client's TLS. */
  readonly serve: (connection: Duplex, client: TunnelledClient) => void;
  /** Takes a request of an AWS SDK (frames.ts, sdk-request.ts); absent: there are none. */
  readonly answer?: (request: Duplex, client: TunnelledClient) => void;
  readonly timing: TunnelTiming;
}

const MAX_REASON_BYTES = 256;

/** One tunnel, as the agent sees it. */
export class AgentSession {
  readonly #session: ServerHttp2Session;
  readonly #options: AgentOptions;
  /** The proxy's ears: there is one, or none yet. */
  #listeners = new Set<ServerHttp2Stream>();
  /** Names of the databases of the last news that was looked at. */
  #served: { readonly by: AgentNews | undefined; readonly names: ReadonlySet<string> } = {
    by: undefined,
    names: new Set(),
  };
  /** Resolves when the proxy takes no more connections to it, at the latest when it has closed. */
  readonly left: Promise<void>;
  readonly closed: Promise<void>;
  #reason: string | undefined;

  /** Serves on a connection that has been upgraded. */
  constructor(socket: Duplex, options: AgentOptions) {
    this.#options = options;
    this.#session = performServerHandshake(socket, SESSION_OPTIONS);
    this.#session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    this.closed = new Promise((resolve) => this.#session.once("close", () => resolve()));
    this.left = new Promise((resolve) => this.#session.once("goaway", () => resolve()).once("close", () => resolve()));
    // The close that follows says all that matters.
    this.#session.on("error", () => undefined);
    this.#session.on("goaway", (_code, _last, said?: Uint8Array) => {
      this.#reason ??= said === undefined ? undefined : Buffer.from(said.subarray(0, MAX_REASON_BYTES)).toString();
    });
    this.#session.on("stream", (stream, headers) => this.#answer(stream, headers));
    keepAlive(this.#session, options.timing.ping);
  }

  /** Why the proxy has ended it, in its words; undefined where it did not say. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Tells the proxy the news as it is now. */
  tell(): void {
    for (const listener of this.#listeners) this.#say(listener);
  }

  /** Ends the tunnel when the connections in it have ended; tell the news, that it drains, before. */
  drain(): void {
    for (const listener of this.#listeners) listener.end();
    this.#session.close();
  }

  /** Ends it, and every connection in it. */
  destroy(): void {
    this.#session.destroy();
  }

  #answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on("error", () => stream.destroy());
    const { ":method": method, ":path": path, ":authority": database = "" } = headers;
    if (method === "GET" && path === NEWS_PATH) {
      stream.respond({ ":status": 200, "content-type": "application/x-ndjson" });
      this.#listeners.add(stream);
      stream.once("close", () => this.#listeners.delete(stream));
      this.#say(stream);
      return;
    }
    const { serve, answer } = this.#options;
    const take = method === "CONNECT" ? serve : method === "POST" && path === SDK_PATH ? answer : undefined;
    if (take === undefined) {
      stream.respond({ ":status": 404 }, { endStream: true });
      return;
    }
    const news = this.#options.news();
    const { draining } = news;
    if (draining || !this.#serves(news, database)) {
      stream.respond({ ":status": draining ? 503 : 404 }, { endStream: true });
      return;
    }
    stream.respond({ ":status": 200 });
    const said = (name: string): string => {
      const value = headers[name];
      return typeof value === "string" ? value : "";
    };
    take(stream, {
      database,
      address: said(CONNECT_HEADERS.clientAddress),
      connection: said(CONNECT_HEADERS.connection),
    });
  }

  #serves(news: AgentNews, database: string): boolean {
    if (news !== this.#served.by) this.#served = { by: news, names: new Set(news.databases.map(({ name }) => name)) };
    return this.#served.names.has(database);
  }

  #say(listener: ServerHttp2Stream): void {
    listener.write(`${JSON.stringify(this.#options.news())}\n`);
  }
}
