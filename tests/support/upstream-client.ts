/** Requests through the way to the upstream, and what became of them, for tests of it. */

import {
  type DepartureListener,
  type Departure,
  STAYING,
  UpstreamError,
  type UpstreamResponse,
} from "../../src/gateway/ports.ts";
import { NodeUpstream, type UpstreamOptions } from "../../src/platform/node-upstream.ts";
import { type RawUpstream, rawUpstream } from "./raw-upstream.ts";

/** A client that goes when it is told to. */
export class LeavingClient implements Departure {
  gone = false;
  readonly #listeners: DepartureListener[] = [];

  onGone(listener: DepartureListener): void {
    this.#listeners.push(listener);
  }

  leave(): void {
    this.gone = true;
    for (const listener of this.#listeners) listener.clientGone();
  }
}

export function send(
  upstream: NodeUpstream,
  origin: string,
  body: string | Uint8Array = "{}",
  departure: Departure = STAYING,
): Promise<UpstreamResponse> {
  const headers = { host: new URL(origin).host, "x-amz-target": "DynamoDB_20120810.GetItem" };
  return upstream.send({ origin, headers, body: typeof body === "string" ? Buffer.from(body) : body, departure });
}

export async function bytesOf({ body }: UpstreamResponse): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The body of the answer, or the kind of the error; another error is thrown. */
export async function outcome(sent: Promise<UpstreamResponse>): Promise<string> {
  try {
    return (await bytesOf(await sent)).toString("latin1");
  } catch (error) {
    if (error instanceof UpstreamError) return error.kind;
    throw error;
  }
}

/** Ways to the upstream, and upstreams, that are closed when the tests of a file are over, the last first. */
export class UpstreamParts {
  readonly #closing: (() => Promise<unknown>)[] = [];

  /** Closes this as well. */
  closing(close: () => Promise<unknown>): void {
    this.#closing.push(close);
  }

  upstreamOf(options: UpstreamOptions = {}): NodeUpstream {
    const upstream = new NodeUpstream(options);
    this.closing(() => upstream.close());
    return upstream;
  }

  async serverOf(...how: Parameters<typeof rawUpstream>): Promise<RawUpstream> {
    const server = await rawUpstream(...how);
    this.closing(() => server.close());
    return server;
  }

  async close(): Promise<void> {
    for (const close of this.#closing.toReversed()) await close();
  }
}
