/** A server that takes requests off bare sockets, one at a time, and leaves every byte of the answers to the test. */

import type { Socket } from "node:net";
import { stubTcp } from "./stub-upstream.ts";

/** A request that has come whole. */
export interface RawRequest {
  /** Which connection it came on, counted from 1, and its place there. */
  readonly connection: number;
  readonly nth: number;
  readonly head: string;
  readonly body: string;
}

export interface RawUpstream {
  readonly url: string;
  /** Whole requests, in the order that they came in. */
  readonly requests: RawRequest[];
  /** Connections that are open, the oldest first. */
  readonly sockets: readonly Socket[];
  /** How many were ever opened. */
  readonly opened: () => number;
  /** True once bytes came behind a request that was not answered yet. */
  readonly pipelined: () => boolean;
  close(): Promise<void>;
}

/** Calls `answer` for each whole request. A connection that opens is told to `onOpen`. */
export async function rawUpstream(
  answer: (socket: Socket, request: RawRequest) => void,
  onOpen?: (socket: Socket) => void,
): Promise<RawUpstream> {
  const requests: RawRequest[] = [];
  const sockets: Socket[] = [];
  let [opened, pipelined] = [0, false];
  const stub = await stubTcp((socket) => {
    opened += 1;
    const connection = opened;
    let [nth, seen, answered] = [0, "", 0];
    sockets.push(socket);
    socket.once("close", () => sockets.splice(sockets.indexOf(socket), 1));
    onOpen?.(socket);
    socket.on("data", (chunk) => {
      if (nth > 0 && socket.bytesWritten === answered) pipelined = true;
      seen += chunk.toString("latin1");
      const end = seen.indexOf("\r\n\r\n") + 4;
      const length = Number(/\r\ncontent-length: ([0-9]+)\r\n/i.exec(seen)?.[1] ?? Number.NaN);
      if (end < 4 || !(seen.length >= end + length)) return;
      if (seen.length > end + length) pipelined = true;
      nth += 1;
      answered = socket.bytesWritten;
      const request = { connection, nth, head: seen.slice(0, end), body: seen.slice(end, end + length) };
      seen = seen.slice(end + length);
      requests.push(request);
      answer(socket, request);
    });
  });
  return {
    url: stub.url,
    requests,
    sockets,
    opened: () => opened,
    pipelined: () => pipelined,
    close: () => stub.close(),
  };
}

/** An answer with a length. */
export function answerText(body: string, ...fields: readonly string[]): string {
  return ["HTTP/1.1 200 OK", ...fields, `Content-Length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}
