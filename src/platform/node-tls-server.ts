/** The port with TLS on Node: requests as web-standard ones, each with the certificate that its client showed. */

import type { Buffer } from "node:buffer";
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeStream } from "node:stream/web";
import type { TLSSocket } from "node:tls";
import { passOnOnNode } from "./node-passing.ts";
import { Places } from "./node-places.ts";
import { boundAddress, listenAt } from "./node-server.ts";
import { Turns } from "./node-turns.ts";
import type {
  ListenAddress,
  TakeoverHandler,
  TlsClient,
  TlsHandler,
  TlsIdentity,
  TlsListening,
  TlsOptions,
  TlsTimeouts,
} from "./ports.ts";

/** Short: requests are small, and come from a command line. */
const TIMEOUTS: TlsTimeouts = {
  handshake: 10_000,
  headers: 15_000,
  request: 30_000,
  keepAlive: 15_000,
  silence: 60_000,
};
const MAX_CONNECTIONS = 10_000;
const MAX_CONNECTIONS_PER_ADDRESS = 100;

/** Serves until drained. Clients are asked for a certificate, and whether it counts is left to the handler. */
export async function listenTlsOnNode(
  handle: TlsHandler,
  address: ListenAddress,
  options: TlsOptions,
): Promise<TlsListening> {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const { takeOver, passOn } = options;
  const turns = new Turns();
  const server = createServer(
    {
      ...contextOf(options.identity),
      requestCert: true,
      // TLS would say no more than that a certificate is refused; why is for the answer.
      rejectUnauthorized: false,
      handshakeTimeout: timeouts.handshake,
      headersTimeout: timeouts.headers,
      requestTimeout: timeouts.request,
      keepAliveTimeout: timeouts.keepAlive,
      connectionsCheckingInterval: Math.min(5000, timeouts.headers),
      noDelay: true,
    },
    (incoming, outgoing) => {
      turns.take(incoming.socket, outgoing, () => {
        if (passOn !== undefined && passOnOnNode(passOn, incoming, outgoing)) return;
        respond(handle, incoming, outgoing).catch(() => outgoing.destroy());
      });
    },
  );
  server.timeout = timeouts.silence;
  if (takeOver !== undefined) {
    for (const kind of ["upgrade", "connect"] as const) {
      server.on(kind, (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
        // Its answers would be said in the middle of what others say on the connection.
        if (turns.isTaken(socket)) socket.destroy();
        else giveAway(kind, incoming, socket, head, takeOver).catch(() => socket.destroy());
      });
    }
  }
  const places = new Places({
    most: options.maxConnections ?? MAX_CONNECTIONS,
    mostPerAddress: options.maxConnectionsPerAddress ?? MAX_CONNECTIONS_PER_ADDRESS,
    onTurnedAway: options.onTurnedAway,
  });
  // Before TLS has it: who may have no more is not worth a handshake.
  server.prependListener("connection", (socket: Socket) => places.take(socket));
  server.prependListener("secureConnection", (socket) => places.prove(socket));
  await listenAt(server, address);
  return {
    address: boundAddress(server, address),
    show: (identity) => server.setSecureContext(contextOf(identity)),
    async drain(timeoutMs) {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      const giveUp = setTimeout(() => {
        for (const socket of places.sockets) socket.destroy();
      }, timeoutMs);
      await closed;
      clearTimeout(giveUp);
    },
  };
}

function contextOf({ chain, key, clientAuthorities }: TlsIdentity): {
  readonly cert: string;
  readonly key: string;
  readonly ca: string[];
  readonly minVersion: "TLSv1.2";
} {
  return { cert: chain, key: key.reveal(), ca: [...clientAuthorities], minVersion: "TLSv1.2" };
}

async function respond(handle: TlsHandler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const request = requestOf(incoming);
  const response =
    request === undefined ? new Response(null, { status: 400 }) : await handle(request, clientOf(incoming));
  if (outgoing.destroyed) {
    await response.body?.cancel();
    return;
  }
  // What comes bit by bit is passed on so, for as long as the client stays.
  if (response.body !== null && response.headers.get("content-type") === "application/x-ndjson") {
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    await pipeline(Readable.fromWeb(response.body as NodeStream), outgoing).catch(() => outgoing.destroy());
    return;
  }
  const body = new Uint8Array(await response.arrayBuffer());
  const headers: Record<string, string | number> = {
    ...Object.fromEntries(response.headers),
    "content-length": body.length,
  };
  // What was not read of a request would be taken for the next one, or would have to be read for nothing.
  if (!incoming.complete) headers["connection"] = "close";
  outgoing.writeHead(response.status, headers).end(body);
}

async function giveAway(
  kind: "upgrade" | "connect",
  incoming: IncomingMessage,
  socket: Socket,
  head: Buffer,
  takeOver: TakeoverHandler,
): Promise<void> {
  // Who goes while this is thought about.
  socket.on("error", () => socket.destroy());
  const request = { kind, target: incoming.url ?? "", headers: headersOf(incoming) };
  const verdict = await takeOver(request, clientOf(incoming));
  if (verdict instanceof Response) {
    if (socket.destroyed) return;
    const body = new Uint8Array(await verdict.arrayBuffer());
    const fields = { ...Object.fromEntries(verdict.headers), "content-length": `${body.length}`, connection: "close" };
    socket.write(headOf(verdict.status, STATUS_CODES[verdict.status] ?? "", fields));
    socket.end(body);
    return;
  }
  const fields = kind === "upgrade" ? { connection: "Upgrade", ...verdict.headers } : verdict.headers;
  const answer = kind === "upgrade" ? headOf(101, "Switching Protocols", fields) : headOf(200, "Connected", fields);
  // Node's HTTP/2 takes what is still being written for its own, and ends the process.
  const isWritten = await new Promise<boolean>((resolve) => {
    const gone = (): void => resolve(false);
    // What is written to a connection that has closed meanwhile may never be told of.
    socket.once("close", gone);
    if (socket.destroyed) gone();
    else
      socket.write(answer, (error) => {
        socket.off("close", gone);
        resolve(error === null || error === undefined);
      });
  });
  if (!isWritten || socket.destroyed) {
    socket.destroy();
    verdict.leave();
    return;
  }
  // From here on it is for others to say how long it may be silent.
  socket.setTimeout(0);
  if (head.length > 0) socket.unshift(head);
  verdict.take(socket);
}

function headOf(status: number, words: string, fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${words}\r\n${lines.join("")}\r\n`;
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  return headers;
}

/** Undefined for what a web-standard request cannot be, such as CONNECT or a target that is no path. */
function requestOf(incoming: IncomingMessage): Request | undefined {
  const { method = "", url = "" } = incoming;
  if (!url.startsWith("/")) return undefined;
  const headers = headersOf(incoming);
  const isBodiless = method === "GET" || method === "HEAD";
  try {
    return new Request(`https://door${url}`, {
      method,
      headers,
      ...(isBodiless ? {} : { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" }),
    } as RequestInit);
  } catch {
    return undefined;
  }
}

function clientOf({ socket }: IncomingMessage): TlsClient {
  const tls = socket as TLSSocket;
  const shown = tls.getPeerCertificate();
  // Nothing shown: an object without anything in it.
  return { address: socket.remoteAddress ?? "", certificate: (shown as Partial<typeof shown>)?.raw };
}
