/** Requests on Node that are passed on byte by byte, at the pace of whoever is slower. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { LINGER } from "./answer-writing.ts";
import type { PassingOn, ReceivedHead } from "./ports.ts";

/** Passes a request on, if it is one for that. */
export function passOnOnNode(passing: PassingOn, incoming: IncomingMessage, outgoing: ServerResponse): boolean {
  const head: ReceivedHead = {
    method: incoming.method ?? "",
    target: incoming.url ?? "",
    headers: incoming.rawHeaders,
  };
  if (!passing.takes(head)) return false;
  pass(passing, head, incoming, outgoing).catch(() => outgoing.destroy());
  return true;
}

async function pass(
  passing: PassingOn,
  head: ReceivedHead,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  incoming.on("error", () => undefined);
  const onGone = (leave: () => void): void => {
    if (outgoing.closed) leave();
    // It closes as well when all has been said.
    else outgoing.once("close", () => (outgoing.writableFinished ? undefined : leave()));
  };
  // Who showed which certificate is not asked: a request on this way proves itself.
  const client = { address: incoming.socket.remoteAddress ?? "" };
  // Whoever answers has a clock of its own; the port's would cut a client that only waits.
  const { socket } = incoming;
  const silence = socket.timeout ?? 0;
  socket.setTimeout(0);
  const { status, headers, length, body } = await passing.answer(head, incoming, client, onGone);
  socket.setTimeout(silence);
  outgoing.writeHead(status, {
    ...headers,
    ...(length === undefined ? {} : { "content-length": length }),
    // What was not read of a request would be taken for the next one, or would have to be read for nothing.
    ...(incoming.complete ? {} : { connection: "close" }),
  });
  // An answer that breaks off ends the connection: it must not look whole.
  // bench: path/SDK-native, a third of the proxy's time: not a stream of the generator, and no pipeline to it.
  for await (const chunk of body) if (!outgoing.write(chunk)) await room(outgoing);
  if (!incoming.complete) await dropped(incoming);
  outgoing.end();
}

/** Resolves when more may be written. Rejects when nothing may any more. */
function room(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      outgoing.off("drain", settle).off("close", settle);
      if (outgoing.destroyed) reject(new Error("The client has gone"));
      else resolve();
    };
    if (outgoing.destroyed) settle();
    else outgoing.on("drain", settle).on("close", settle);
  });
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
