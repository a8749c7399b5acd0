/** The gateway as a Hono app: every request, whatever its method and path, goes through the pipeline. */

import { Hono } from "hono";
import { newId } from "../base/ids.ts";
import type { Session } from "../identity/session.ts";
import { type FixedListener } from "./listener.ts";
import { serve } from "./pipeline.ts";
import { type Answer, BodyTooLarge, type Connection, type Departure, type Exchange, NoRoom } from "./ports.ts";
import type { GatewayServices } from "./services.ts";

/** What a platform may hand to the app beside the `Request`. All of it is optional: a bare `app.request()` works too. */
export interface GatewayBindings {
  /** The exchange as the platform sees it, with raw headers. */
  readonly exchange?: Exchange;
  /** Writes the answer past the web-standard `Response`, and returns what tells the platform so. */
  readonly send?: (answer: Answer) => Promise<Response>;
  /** The connection, where the platform knows it. */
  readonly connection?: Connection;
  /** Whether the client goes, where the platform has a better way to tell than the request's signal. */
  readonly departure?: Departure;
}

export type GatewayApp = Hono<{ Bindings: GatewayBindings }>;

/** Makes the app of one listener. */
export function gatewayApp(services: GatewayServices, listener: FixedListener): GatewayApp {
  const app: GatewayApp = new Hono();
  app.all("*", async (context) => {
    const { exchange, send, ...known } = context.env ?? {};
    const served = await serve(services, listener, exchange ?? exchangeOf(context.req.raw, known));
    const answer = isEnding(listener.session, services.clock.now()) ? { ...served, close: true } : served;
    return send === undefined ? responseOf(answer) : await send(answer);
  });
  // Left to itself, Hono prints the stack and answers in words of its own; the platform cuts the connection instead.
  app.onError((error) => {
    services.log.error({ error: error.stack ?? error.message }, "An answer could not be given");
    throw error;
  });
  return app;
}

/** In the last fifth of a login its connections end: there is a newer certificate by then, which a new connection shows. */
function isEnding(session: Session | undefined, now: number): boolean {
  return session !== undefined && now >= session.expires - (session.expires - session.issued) / 5;
}

/** An exchange seen through a web-standard `Request`: repeated headers arrive joined, and so match nothing. */
function exchangeOf(request: Request, known: Pick<GatewayBindings, "connection" | "departure">): Exchange {
  const url = new URL(request.url);
  const headers: string[] = [];
  for (const [name, value] of request.headers) headers.push(name, value);
  if (!request.headers.has("host")) headers.push("host", url.host);
  return {
    method: request.method,
    target: `${url.pathname}${url.search}`,
    headers,
    connection: known.connection ?? { id: newId(), ip: "" },
    departure: known.departure ?? departureOf(request.signal),
    body: (limit, room) => readRequest(request, limit, room),
  };
}

function departureOf(signal: AbortSignal): Departure {
  return {
    get gone() {
      return signal.aborted;
    },
    onGone: (listener) => signal.addEventListener("abort", () => listener.clientGone(), { once: true }),
  };
}

async function readRequest(
  request: Request,
  limit: number,
  room: { take(bytes: number): boolean },
): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > limit) throw new BodyTooLarge();
    if (!room.take(chunk.byteLength)) throw new NoRoom();
    chunks.push(chunk);
  }
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : concat(chunks, size);
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function responseOf(answer: Answer): Response {
  const headers = new Headers(answer.headers);
  if (answer.close === true) headers.set("connection", "close");
  const body = answer.body instanceof Uint8Array ? answer.body : streamOf(answer.body);
  return new Response(body as BodyInit, { status: answer.status, headers });
}

/** A web stream that pulls as it is read. Its first pull comes at once, so a reader that never reads still ends the body. */
function streamOf(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const next = await chunks.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel(): Promise<void> {
      await chunks.return?.();
    },
  });
}
