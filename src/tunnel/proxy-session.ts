/** The proxy's end of one tunnel: an HTTP/2 client on a connection that an agent dialled. */

import { Buffer } from "node:buffer";
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { PosternError } from "../base/errors.ts";
import { Lines } from "../base/lines.ts";
import { keepAlive } from "./keep-alive.ts";
import type { NewsRate } from "./news-rate.ts";
import { type AgentNews, CONNECT_HEADERS, MAX_NEWS_BYTES, NEWS_PATH, readNews } from "./protocol.ts";
import { Resets } from "./resets.ts";
import { SDK_PATH } from "./sdk-request.ts";
import { SESSION_OPTIONS, SESSION_WINDOW_BYTES } from "./session-options.ts";
import type { TunnelTiming } from "./timing.ts";

/** Whom a connection is opened for. */
export interface ProxiedClient {
  readonly address: string;
  readonly connection: string;
}

/** A connection of a client's own TLS, or one request of an AWS SDK. */
export type StreamKind = "connection" | "request";

export interface ProxySessionOptions {
  /** Called with the first news and whenever it changes. */
  readonly onNews: (news: AgentNews) => void;
  /** Counts the lines of its news. */
  readonly rate: NewsRate;
  /** Called when it is ended for what the agent does, before it is. */
  readonly onRefused: (reason: string) => void;
  readonly timing: TunnelTiming;
}

/** One tunnel, as the proxy sees it. */
export class ProxySession {
  readonly #session: ClientHttp2Session;
  readonly #options: ProxySessionOptions;
  readonly closed: Promise<void>;

  /** Calls over a connection that has been upgraded. */
  constructor(socket: Duplex, options: ProxySessionOptions) {
    this.#options = options;
    this.#session = connect("http://agent", { ...SESSION_OPTIONS, createConnection: () => socket });
    this.#session.once("connect", () => {
      // One that is ended before its first turn says that it is connected all the same, and would throw.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    });
    this.closed = new Promise((resolve) =>
      this.#session.once("close", () => {
        this.#resets.end();
        resolve();
      }),
    );
    // The close that follows says all that matters.
    this.#session.on("error", () => undefined);
    keepAlive(this.#session, options.timing.ping);
    this.#listen();
  }

  /** How many connections are in the tunnel. */
  get connections(): number {
    return this.#open.size;
  }

  readonly #open = new Set<ClientHttp2Stream>();
  readonly #resets = new Resets(() => performance.now());

  /**
   * Opens a connection to a database, or the way for one request. Nothing of the client's has been sent before this resolves, so that another agent may be
   * tried when it rejects.
   *
   * @throws PosternError `agent_refused` when the agent says no, `agent_unreachable` when it says nothing in time
   */
  open(database: string, client: ProxiedClient, kind: StreamKind = "connection"): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      if (this.#session.closed || this.#session.destroyed) {
        reject(unreachable("its tunnel has ended"));
        return;
      }
      const stream = this.#session.request({
        ...(kind === "connection" ? { ":method": "CONNECT" } : { ":method": "POST", ":path": SDK_PATH }),
        ":authority": database,
        [CONNECT_HEADERS.clientAddress]: client.address,
        [CONNECT_HEADERS.connection]: client.connection,
      });
      const timer = setTimeout(() => stream.destroy(new Error("it did not answer in time")), this.#options.timing.open);
      this.#resetInTurn(stream);
      this.#open.add(stream);
      let isTaken = false;
      stream.once("close", () => {
        clearTimeout(timer);
        this.#open.delete(stream);
        // An error is dear, for its stack: none for each stream that ends well.
        if (!isTaken) reject(unreachable("its tunnel has ended"));
      });
      stream.on("error", (error: Error) => reject(unreachable(error.message)));
      stream.once("response", ({ ":status": status }) => {
        clearTimeout(timer);
        if (status === 200) {
          isTaken = true;
          resolve(stream);
          return;
        }
        reject(
          new PosternError(
            "agent_refused",
            `The agent does not take the connection: ${status === 503 ? "it is draining" : "it does not serve this database"}`,
          ),
        );
        // It has ended on the agent's side.
        stream.end().resume();
      });
    });
  }

  /** Ends the tunnel when the connections in it have ended. */
  drain(): void {
    this.#news?.close();
    this.#session.close();
  }

  /** Ends it, and every connection in it. */
  destroy(): void {
    this.#session.destroy();
  }

  /** A stream that is destroyed before both sides have ended it is reset; who leaves often must not take the tunnel along. */
  #resetInTurn(stream: ClientHttp2Stream): void {
    const destroy = stream._destroy.bind(stream);
    stream._destroy = (error, callback) => {
      if (stream.closed || this.#session.destroyed) destroy(error, callback);
      else this.#resets.whenBorne(() => destroy(error, callback));
    };
  }

  /** Ends it for a reason that both ends are told. */
  #refuse(reason: string): void {
    if (this.#session.destroyed) return;
    this.#options.onRefused(reason);
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from(reason));
    this.#session.destroy();
  }

  #news: ClientHttp2Stream | undefined;

  #listen(): void {
    const news = this.#session.request({ ":method": "GET", ":path": NEWS_PATH });
    this.#news = news;
    news.setEncoding("utf8");
    const { rate, onNews } = this.#options;
    const lines = new Lines();
    news.on("data", (chunk: string) => {
      for (const line of lines.take(chunk)) {
        if (!rate.take()) {
          this.#refuse("it tells news of itself more often than any agent has reason to");
          return;
        }
        const read = readNews(line);
        // What cannot be read may hide that it drains: it is not used any more.
        if (read === undefined) {
          this.#refuse("its news cannot be read");
          return;
        }
        clearTimeout(silent);
        onNews(read);
      }
      if (lines.pending > MAX_NEWS_BYTES) this.#refuse("its news is too long");
    });
    news.on("error", () => undefined);
    const silent = setTimeout(() => this.#refuse("it tells no news"), this.#options.timing.open);
    news.once("close", () => clearTimeout(silent));
    // An agent without news is one that is leaving.
    news.once("close", () => this.#session.close());
  }
}

function unreachable(reason: string): PosternError {
  return new PosternError("agent_unreachable", `The agent cannot be reached: ${reason}`);
}
