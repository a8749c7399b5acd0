/**
 * HTTP on connections that others accept: plain requests are read off their sockets (plain-request.ts), whatever else comes is
 * given to `node:http` with its connection. Both stand in front of the same Hono app.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Server as NetServer, Socket } from "node:net";
import { newId } from "../base/ids.ts";
import type { Connection } from "../gateway/ports.ts";
import { NodeClient, type NodeExchange } from "./node-client.ts";
import { PlainConnection, type PlainDoor } from "./plain-connection.ts";
import type { PlainExchange } from "./plain-exchange.ts";
import type { Served, ServeOptions, ServeTimeouts } from "./ports.ts";

/**
 * Milliseconds that a client may take for its headers, for its whole request, and between two requests; and that a
 * connection may be without a byte either way, which is longer than we wait for STS and DynamoDB together.
 */
export const SERVER_TIMEOUTS: ServeTimeouts = {
  headers: 15_000,
  request: 120_000,
  keepAlive: 75_000,
  silence: 90_000,
  inspection: 5_000,
};

/**
 * Requests of one connection that may wait for their answers. Node begins each as it comes, and counts only bytes of answers; who
 * sends more is let go.
 */
const MAX_AHEAD = 64;

/** What Node does with a new connection. */
type Begin = (this: NetServer, socket: Socket) => void;

/** A connection that Node's own parser has. */
interface Handed {
  readonly client: NodeClient;
  readonly served: Served;
}

/** Serves the connections that it is given, until drained. */
export class HttpService {
  /** Node's half of it. It may listen, or never: connections are taken from it or given to it. */
  readonly server: Server;
  readonly #options: Omit<ServeOptions, "onUnparsable">;
  readonly #timeouts: ServeTimeouts;
  readonly #clients = new Map<Socket, Handed>();
  readonly #plain = new Set<PlainConnection>();
  readonly #begin: Begin | undefined;
  readonly #inspection: NodeJS.Timeout;
  #web: Web | undefined;
  #draining = false;

  constructor(options: Omit<ServeOptions, "onUnparsable">) {
    this.#options = options;
    const timeouts = { ...SERVER_TIMEOUTS, ...options.timeouts };
    this.#timeouts = timeouts;
    const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
      const handed = this.#clients.get(incoming.socket);
      if (handed === undefined || handed.client.waiting >= MAX_AHEAD) outgoing.destroy();
      else this.#answer(handed.client.begin(incoming, outgoing), handed.served);
    };
    const server = createServer(
      {
        keepAliveTimeout: timeouts.keepAlive,
        headersTimeout: timeouts.headers,
        requestTimeout: timeouts.request,
        connectionsCheckingInterval: timeouts.inspection,
        noDelay: true,
        // Node would refuse it in words of its own, and nobody would hear of it.
        requireHostHeader: false,
      },
      serve,
    );
    this.server = server;
    server.on("checkExpectation", serve);
    server.timeout = timeouts.silence;
    // Node drops headers above a number of 2000 without a word. The 16 KB for all of them are bound enough.
    server.maxHeadersCount = 0;
    // What Node does with a connection: done when a request is not plain, not before.
    [this.#begin] = server.listeners("connection") as Begin[];
    server.removeAllListeners("connection");
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
      this.#unparsable(error.code ?? "unknown", socket),
    );
    server.on("connect", (_: IncomingMessage, socket: Socket) => {
      socket.on("error", () => socket.destroy());
      this.#unparsable("CONNECT", socket);
    });
    this.#inspection = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#plain) connection.inspect(now);
    }, timeouts.inspection);
    this.#inspection.unref();
  }

  /** Serves one connection. `ip` is where the client is; of the socket when absent. */
  accept(socket: Socket, served: Served, ip: string = socket.remoteAddress ?? ""): void {
    const connection: Connection = { id: newId(), ip };
    const door: PlainDoor = {
      timeouts: this.#timeouts,
      serve: (exchange) => this.#answer(exchange, served),
      handOver: (plain, bytes) => {
        this.#plain.delete(plain);
        const client = new NodeClient(socket, connection);
        if (this.#draining) client.drain();
        this.#clients.set(socket, { client, served });
        socket.pause();
        socket.unshift(bytes);
        this.#begin?.call(this.server, socket);
        socket.resume();
      },
    };
    const opened = new PlainConnection(socket, connection, door);
    // It was still shaking hands when the others were told.
    if (this.#draining) opened.drainAfterOne();
    this.#plain.add(opened);
    this.#options.onConnection?.(connection);
    socket.once("close", () => {
      this.#plain.delete(opened);
      opened.left();
      this.#clients.get(socket)?.client.left();
      this.#clients.delete(socket);
      this.#options.onDisconnection?.(connection);
    });
  }

  /** Before the first request rather than with it. */
  warm(): void {
    setImmediate(() => this.#webOf()).unref();
  }

  /** Lets requests in flight end and closes what is left after the timeout. */
  async drain(timeoutMs: number): Promise<void> {
    const { server } = this;
    this.#draining = true;
    // Its connections count only where it listens itself.
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    const left = [...[...this.#plain].map(({ socket }) => socket), ...this.#clients.keys()];
    const ended = left.map(closing);
    server.closeIdleConnections();
    for (const connection of [...this.#plain]) connection.drain();
    for (const { client } of this.#clients.values()) client.drain();
    const giveUp = setTimeout(() => {
      for (const { socket } of this.#plain) socket.destroy();
      for (const socket of this.#clients.keys()) socket.destroy();
    }, timeoutMs);
    await Promise.all([closed, ...ended]);
    clearTimeout(giveUp);
    clearInterval(this.#inspection);
  }

  #answer(exchange: NodeExchange | PlainExchange, { app }: Served): void {
    const { anyRequest, sent } = this.#webOf();
    const served = app.fetch(anyRequest, {
      exchange,
      send: async (answer) => {
        await exchange.send(answer);
        return sent;
      },
    });
    Promise.resolve(served).then(
      (response) => (response === sent ? undefined : exchange.abandon()),
      () => exchange.abandon(),
    );
  }

  /** What Node's parser refuses never becomes a request; it is answered in DynamoDB's words and recorded all the same. */
  #unparsable(reason: string, socket: Socket): void {
    const handed = this.#clients.get(socket);
    // Who never said anything made no request, only a connection.
    if (!socket.writable || handed === undefined || reason === "ECONNRESET" || socket.bytesRead === 0) socket.destroy();
    else void handed.client.unparsable(reason, (connection) => handed.served.onUnparsable(connection, reason));
  }

  /** Node loads all that belongs to its `fetch` when `Request` is first named: not before there is something to serve. */
  #webOf(): Web {
    return (this.#web ??= {
      anyRequest: new Request("http://localhost/", { method: "POST" }),
      sent: new Response(null),
    });
  }
}

function closing(socket: Socket): Promise<void> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", () => resolve()));
}

interface Web {
  /** What Hono routes by, which is nothing: the exchange beside it is what is judged, and no URL can be built of every target. */
  readonly anyRequest: Request;
  /** What the app returns when the answer went out past it; anything else is an answer that nobody wrote. */
  readonly sent: Response;
}
