/** A port of this machine behind which a database is: what comes in goes to the database's agent in TLS of the user's own. */

import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import process from "node:process";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { splice } from "../base/splice.ts";
import { showsKey } from "./key-check.ts";
import { openPatiently } from "./patience.ts";
import { answerUnavailable } from "./unavailable.ts";

/** Where to listen. A port is one of the loopback address: others on the network must not ride it. */
export type LocalAddress = { readonly port: number } | { readonly path: string };

/** What a port shows to clients that insist on TLS; PEM. */
export interface LocalTls {
  readonly certificate: string;
  readonly privateKey: Secret;
}

export interface LocalProxyOptions {
  readonly address: LocalAddress;
  /** Absent: plain HTTP, which every AWS client speaks to a port of its own machine. */
  readonly tls?: LocalTls | undefined;
  /** Opens a connection to the database's agent; rejects with a PosternError that says why it cannot. */
  readonly open: () => Promise<Duplex>;
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** How long a client waits for what may be back in a moment, in milliseconds. */
  readonly patience?: number;
  /** Called when a client's connection could not be served, with why. */
  readonly onRefused: (error: PosternError) => void;
  /** The access key id that clients must sign with; absent: whatever they like. */
  readonly accessKeyId?: Secret | undefined;
  readonly maxConnections?: number;
}

/** A port that serves. */
export interface LocalProxy {
  /** As bound: `127.0.0.1:8000`, or the path of a socket. */
  readonly address: string;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 1000;
/** For a client's part of the handshake. */
const HANDSHAKE_MS = 15_000;
/** As long as a proxy or an agent takes to be started again; SDKs wait longer for their first byte. */
const PATIENCE_MS = 3000;

/**
 * Opens the port.
 *
 * @throws PosternError `port_busy` when something listens there, `listen_failed`
 */
export async function openLocalProxy(options: LocalProxyOptions): Promise<LocalProxy> {
  const sockets = new Set<Socket>();
  const newServer = (): Server => {
    const server = serverOf(options, (socket) => void serve(socket, options));
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    });
    server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
    return server;
  };
  const { servers, address } = await listen(options.address, newServer);
  return {
    address,
    async close() {
      const closed = servers.map(closing);
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}

function serverOf({ tls, onRefused }: LocalProxyOptions, onClient: (socket: Socket) => void): Server {
  // Who has said all may still be answered.
  const options = { allowHalfOpen: true, noDelay: true };
  if (tls === undefined) return createServer(options, onClient);
  const { certificate, privateKey } = tls;
  const server = createTlsServer({
    ...options,
    cert: certificate,
    key: privateKey.reveal(),
    handshakeTimeout: HANDSHAKE_MS,
  });
  server.on("secureConnection", (socket) => onClient(socket.on("error", () => socket.destroy())));
  server.on("tlsClientError", ({ code }: NodeJS.ErrnoException) => {
    if (code === "ERR_SSL_HTTP_REQUEST") onRefused(plainHttp());
  });
  return server;
}

async function serve(socket: Socket, options: LocalProxyOptions): Promise<void> {
  const { open, onRefused, accessKeyId, clock, random, patience = PATIENCE_MS } = options;
  let agent: Duplex;
  try {
    if (accessKeyId !== undefined && !(await showsKey(socket, accessKeyId))) throw notTheKey();
    agent = await openPatiently(open, { patience, clock, random, isWanted: () => !socket.destroyed });
  } catch (thrown) {
    if (socket.destroyed) return;
    const error = thrown instanceof PosternError ? thrown : new PosternError("internal", messageOf(thrown));
    onRefused(error);
    answerUnavailable(socket, error);
    return;
  }
  if (socket.destroyed) {
    agent.destroy();
    return;
  }
  splice(socket, agent);
}

function plainHttp(): PosternError {
  return new PosternError("plain_http", "A client spoke plain HTTP to a port that was opened with TLS", {
    hint: "write https:// in its endpoint, or leave --tls out",
  });
}

function notTheKey(): PosternError {
  return new PosternError("access_key_wrong", "This port is for clients with its own access key id", {
    hint: "use the one that was printed when the port was opened",
  });
}

interface Listening {
  readonly servers: readonly Server[];
  readonly address: string;
}

async function listen(address: LocalAddress, newServer: () => Server): Promise<Listening> {
  if ("path" in address) {
    const { path } = address;
    const server = newServer();
    // Who may connect rides on the user's login: the user alone, from the first moment.
    const before = process.umask(0o177);
    const listening = bound(server, { path }, path);
    process.umask(before);
    await listening;
    return { servers: [server], address: path };
  }
  for (let tries = 1; ; tries++) {
    const server = newServer();
    await bound(server, { port: address.port, host: "127.0.0.1" }, `127.0.0.1:${address.port}`);
    const { port } = server.address() as AddressInfo;
    // "localhost" may lead to either: what another user of this machine listens on there would get this one's requests.
    const other = newServer();
    try {
      await bound(other, { port, host: "::1", ipv6Only: true }, `[::1]:${port}`);
      return { servers: [server, other], address: `127.0.0.1:${port}` };
    } catch (error) {
      const { code } = (error as PosternError).cause as NodeJS.ErrnoException;
      if (NO_IPV6.has(code ?? "")) return { servers: [server], address: `127.0.0.1:${port}` };
      await closing(server);
      if (code !== "EADDRINUSE" || address.port !== 0 || tries === MOST_TRIES) throw error;
    }
  }
}

const NO_IPV6: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL", "EPROTONOSUPPORT"]);
/** To find a port that is free on both. */
const MOST_TRIES = 20;

function bound(server: Server, how: ListenOptions, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => reject(cannotListen(where, cause));
    server.once("error", failed);
    server.listen(how, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function cannotListen(where: string, cause: NodeJS.ErrnoException): PosternError {
  if (cause.code === "EADDRINUSE") {
    return new PosternError("port_busy", `Cannot listen on ${where}: another program does`, {
      cause,
      hint: "choose another port with --port, or leave it out for one that is free",
    });
  }
  return new PosternError("listen_failed", `Cannot listen on ${where}: ${cause.message}`, { cause });
}
