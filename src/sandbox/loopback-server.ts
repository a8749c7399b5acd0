/** A small HTTP server on loopback that hands over whole requests and sends whole answers. */

import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ReceivedRequest } from "./sigv4.ts";

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Answers one request; `null` cuts the connection without an answer. */
export type Respond = (request: ReceivedRequest, signal: AbortSignal) => Promise<Answer | null>;

/** A server that listens. */
export interface LoopbackServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

const maximumBodyBytes = 17 * 1024 * 1024;

/** Listens on 127.0.0.1, on `port` or on a free one. */
export async function listenOnLoopback(respond: Respond, port = 0): Promise<LoopbackServer> {
  const closing = new AbortController();
  const server = createServer((message, response) => {
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort();
    });
    const signal = AbortSignal.any([closing.signal, gone.signal]);
    serve(message, respond, signal).then(
      (answer) => {
        if (answer === null) {
          message.socket.destroy();
          return;
        }
        response.writeHead(answer.status, { ...answer.headers, "content-length": String(answer.body.byteLength) });
        response.end(answer.body);
      },
      // The sandbox promises an answer or a cut, never a crash of the process that hosts it.
      () => {
        message.socket.destroy();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}`, close: async () => closeServer(server, closing) };
}

async function serve(message: IncomingMessage, respond: Respond, signal: AbortSignal): Promise<Answer | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > maximumBodyBytes) return { status: 413, headers: {}, body: new Uint8Array() };
    chunks.push(chunk);
  }
  const request: ReceivedRequest = {
    method: message.method ?? "",
    url: message.url ?? "/",
    rawHeaders: message.rawHeaders,
    body: Buffer.concat(chunks),
  };
  return respond(request, signal);
}

async function closeServer(server: Server, closing: AbortController): Promise<void> {
  closing.abort();
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
