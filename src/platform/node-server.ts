/**
 * The listening side on Node: plain requests are read off their sockets (plain-request.ts), whatever else comes is given to
 * `node:http` with its connection. Both stand in front of the same Hono app.
 */

import { chmod, lstat, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { PosternError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import type { GatewayApp } from "../gateway/app.ts";
import type { Connection } from "../gateway/ports.ts";
import { NodeClient, type NodeExchange } from "./node-client.ts";
import { PlainConnection, type PlainDoor } from "./plain-connection.ts";
import type { PlainExchange } from "./plain-exchange.ts";
import type { ListenAddress, Listening, ServeOptions } from "./ports.ts";

/**
 * Milliseconds that a client may take for its headers, for its whole request, and between two requests; and that a
 * connection may be without a byte either way, which is longer than we wait for STS and DynamoDB together.
 */
export const SERVER_TIMEOUTS = {
  headers: 15_000,
  request: 120_000,
  keepAlive: 75_000,
  silence: 90_000,
  inspection: 5_000,
};
const MAX_CONNECTIONS = 10_000;

/** Serves the app on one address until closed. */
export async function listenOnNode(app: GatewayApp, address: ListenAddress, options: ServeOptions): Promise<Listening> {
  const clients = new Map<Socket, NodeClient>();
  const plain = new Set<PlainConnection>();
  const timeouts = { ...SERVER_TIMEOUTS, ...options.timeouts };

  let web: Web | undefined;
  // Node loads all that belongs to its `fetch` when `Request` is first named: not before there is a listener.
  const webOf = (): Web =>
    (web ??= { anyRequest: new Request("http://localhost/", { method: "POST" }), sent: new Response(null) });

  const answer = (exchange: NodeExchange | PlainExchange): void => {
    const { anyRequest, sent } = webOf();
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
  };
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const client = clients.get(incoming.socket);
    if (client === undefined) outgoing.destroy();
    else answer(client.begin(incoming, outgoing));
  };

  const server: Server = createServer(
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
  server.on("checkExpectation", serve);
  server.timeout = timeouts.silence;
  server.maxConnections = MAX_CONNECTIONS;
  // Node drops headers above a number of 2000 without a word. The 16 KB for all of them are bound enough.
  server.maxHeadersCount = 0;
  // What Node does with a connection: done when a request is not plain, not before.
  const [begin] = server.listeners("connection");
  server.removeAllListeners("connection");
  const door: PlainDoor = {
    timeouts,
    serve: answer,
    handOver: (connection, bytes) => {
      const { socket } = connection;
      plain.delete(connection);
      clients.set(socket, new NodeClient(socket, connection.connection));
      socket.pause();
      socket.unshift(bytes);
      begin?.call(server, socket);
      socket.resume();
    },
  };
  server.on("connection", (socket: Socket) => {
    const connection: Connection = { id: newId(), ip: socket.remoteAddress ?? "" };
    const opened = new PlainConnection(socket, connection, door);
    plain.add(opened);
    options.onConnection?.(connection);
    socket.once("close", () => {
      plain.delete(opened);
      opened.left();
      clients.get(socket)?.left();
      clients.delete(socket);
      options.onDisconnection?.(connection);
    });
  });
  const inspection = setInterval(() => {
    const now = performance.now();
    for (const connection of plain) connection.inspect(now);
  }, timeouts.inspection);
  inspection.unref();
  // What Node's parser refuses never becomes a request; it is answered in DynamoDB's words and recorded all the same.
  const unparsable = (reason: string, socket: Socket): void => {
    const client = clients.get(socket);
    // Who never said anything made no request, only a connection.
    if (!socket.writable || client === undefined || reason === "ECONNRESET" || socket.bytesRead === 0) socket.destroy();
    else void client.unparsable(reason, (connection) => options.onUnparsable(connection, reason));
  };
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
    unparsable(error.code ?? "unknown", socket),
  );
  server.on("connect", (_: IncomingMessage, socket: Socket) => {
    socket.on("error", () => socket.destroy());
    unparsable("CONNECT", socket);
  });
  await listenAt(server, address);
  // Before the first request rather than with it.
  setImmediate(webOf).unref();

  return {
    address: boundAddress(server, address),
    async drain(timeoutMs: number): Promise<void> {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      for (const connection of [...plain]) connection.drain();
      for (const client of clients.values()) client.drain();
      const giveUp = setTimeout(() => {
        for (const { socket } of plain) socket.destroy();
        server.closeAllConnections();
      }, timeoutMs);
      await closed;
      clearTimeout(giveUp);
      clearInterval(inspection);
      for (const socket of clients.keys()) socket.destroy();
    },
  };
}

interface Web {
  /** What Hono routes by, which is nothing: the exchange beside it is what is judged, and no URL can be built of every target. */
  readonly anyRequest: Request;
  /** What the app returns when the answer went out past it; anything else is an answer that nobody wrote. */
  readonly sent: Response;
}

/** Binds a server. @throws PosternError `listen_failed` */
export async function listenAt(server: NetServer, address: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(address, cause)));
    const done = (): void => {
      server.removeAllListeners("error");
      resolve();
    };
    if (address.kind === "tcp") {
      server.listen(address.port, address.host, done);
      return;
    }
    // Who may connect is who may speak as the listener's user: the owner alone, from the first moment.
    const before = process.umask(0o177);
    try {
      server.listen(address.path, done);
    } finally {
      process.umask(before);
    }
  });
  // In a worker it was the parent that bound the path, under its own mask.
  if (address.kind === "unix") await chmod(address.path, 0o600);
}

/** Removes the socket of a process that died; one that still answers belongs to somebody. Once, before workers start. */
export async function removeStaleSocket(path: string): Promise<void> {
  // Connecting to a plain file is refused just like connecting to a dead socket; only a socket is ours to remove.
  if ((await lstat(path).catch(() => undefined))?.isSocket() !== true) return;
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ENOENT" && error.code !== "ECONNREFUSED"),
    );
  });
  if (!alive) await unlink(path).catch(() => undefined);
}

/** Where it listens, with the port that the system chose. */
export function boundAddress(server: NetServer, address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const bound = server.address() as AddressInfo;
  return bound.family === "IPv6" ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

function cannotListen(address: ListenAddress, cause: NodeJS.ErrnoException): PosternError {
  const where = address.kind === "unix" ? `unix:${address.path}` : `${address.host}:${address.port}`;
  const taken = cause.code === "EADDRINUSE";
  return new PosternError(
    "listen_failed",
    `Cannot listen on ${where}: ${taken ? "another program does" : cause.message}`,
    {
      cause,
      hint: taken
        ? "stop that program, or give the listener another port"
        : "give the listener an address of this machine that this user may use",
    },
  );
}
