/** Upstreams that misbehave on purpose: an HTTP server whose every answer a test writes by hand, or a bare socket. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";

export interface StubUpstream {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** How many connections are open. */
  readonly open: () => number;
  close(): Promise<void>;
}

/** Answers each whole request, on `port` or a free one. What the handler throws is thrown at the test. */
export async function stubHttp(
  answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void | Promise<void>,
  port = 0,
): Promise<StubUpstream> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => void answer(request, response, Buffer.concat(chunks)));
    request.on("error", () => undefined);
  });
  return await listening(server, port);
}

/** Hands each connection to the test; `onConnection` runs before anything is read. */
export async function stubTcp(onConnection: (socket: Socket) => void): Promise<StubUpstream> {
  return await listening(
    createTcpServer((socket) => {
      socket.on("error", () => undefined);
      onConnection(socket);
    }),
  );
}

async function listening(server: Server, port = 0): Promise<StubUpstream> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open: () => sockets.size,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
