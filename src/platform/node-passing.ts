/** Requests on Node that are passed on byte by byte, at the pace of whoever is slower. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LINGER } from "./answer-writing.ts";
import type { PassingOn, ReceivedHead, TlsClient } from "./ports.ts";

/** Passes a request on, if it is one for that. */
export function passOnOnNode(
  passing: PassingOn,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  clientOf: (incoming: IncomingMessage) => TlsClient,
): boolean {
  const head: ReceivedHead = {
    method: incoming.method ?? "",
    target: incoming.url ?? "",
    headers: incoming.rawHeaders,
  };
  if (!passing.takes(head)) return false;
  pass(passing, head, incoming, outgoing, clientOf(incoming)).catch(() => outgoing.destroy());
  return true;
}

async function pass(
  passing: PassingOn,
  head: ReceivedHead,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  client: TlsClient,
): Promise<void> {
  const gone = new AbortController();
  incoming.on("error", () => undefined);
  outgoing.once("close", () => gone.abort());
  const { status, headers, length, body } = await passing.answer(head, incoming, client, gone.signal);
  outgoing.writeHead(status, {
    ...headers,
    ...(length === undefined ? {} : { "content-length": length }),
    // What was not read of a request would be taken for the next one, or would have to be read for nothing.
    ...(incoming.complete ? {} : { connection: "close" }),
  });
  // An answer that breaks off ends the connection: it must not look whole.
  await pipeline(Readable.from(body, { objectMode: false }), outgoing, { end: false });
  if (!incoming.complete) await dropped(incoming);
  outgoing.end();
}

/** Reads the rest of a request away, for a while: a connection closed on unread bytes is reset, and its answer lost. */
function dropped(incoming: IncomingMessage): Promise<void> {
  const { socket } = incoming;
  return new Promise((resolve) => {
    const begun = socket.bytesRead;
    let read = begun;
    const settle = (): void => {
      clearInterval(quiet);
      incoming.off("end", settle).off("close", settle);
      resolve();
    };
    const quiet = setInterval(() => {
      if (socket.bytesRead === read || socket.bytesRead - begun > LINGER.bytes) settle();
      read = socket.bytesRead;
    }, LINGER.quietMs);
    incoming.on("end", settle).on("close", settle).resume();
  });
}
