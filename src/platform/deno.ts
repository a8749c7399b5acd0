/** Deno: `Deno.serve` in front, `fetch` behind. Deno's parser shows no raw headers, so repeated ones arrive joined and match nothing. */

import { newId } from "../base/ids.ts";
import type { GatewayApp } from "../gateway/app.ts";
import {
  type Departure,
  type DepartureListener,
  type Upstream,
  UpstreamError,
  type UpstreamRequest,
  type UpstreamResponse,
  WHOLE_BODY_BYTES,
} from "../gateway/ports.ts";
import type { ListenAddress, Listening, Platform, ServeOptions } from "./ports.ts";

/** As much of Deno as is used here; its own types are not at hand when Node's compiler reads this. */
interface DenoServer {
  readonly addr: {
    readonly transport: string;
    readonly hostname?: string;
    readonly port?: number;
    readonly path?: string;
  };
  shutdown(): Promise<void>;
  readonly finished: Promise<void>;
}
interface DenoInfo {
  readonly remoteAddr: { readonly hostname?: string };
  /** Rejects when the answer could not be delivered. */
  readonly completed: Promise<void>;
}
declare const Deno: {
  serve(options: object, handler: (request: Request, info: DenoInfo) => Response | Promise<Response>): DenoServer;
};

/** Milliseconds to the head of an answer. */
const HEADERS_TIMEOUT = 30_000;

class DenoUpstream implements Upstream {
  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const headers = new Headers(request.headers);
    // fetch sets the host from the URL, and undoes encodings; so none is asked for.
    headers.delete("host");
    headers.set("accept-encoding", "identity");
    const slow = new AbortController();
    const giveUp = setTimeout(() => slow.abort(), HEADERS_TIMEOUT);
    request.departure.onGone({ clientGone: () => slow.abort() });
    try {
      const response = await fetch(`${request.origin}/`, {
        method: "POST",
        headers,
        body: request.body as BodyInit,
        redirect: "manual",
        signal: slow.signal,
      });
      return { status: response.status, headers: Object.fromEntries(response.headers), body: await bodyOf(response) };
    } catch (cause) {
      const refused = /refused|dns error|tcp connect|unreachable/i.test(String(cause));
      throw refused
        ? new UpstreamError("unreachable", "The upstream cannot be reached", { cause })
        : new UpstreamError("broken", "The upstream broke off", { cause });
    } finally {
      clearTimeout(giveUp);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Small bodies whole, larger ones as a stream. */
async function bodyOf(response: Response): Promise<UpstreamResponse["body"]> {
  const length = Number(response.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
  if (response.body === null) return new Uint8Array();
  return length <= WHOLE_BODY_BYTES ? new Uint8Array(await response.arrayBuffer()) : response.body;
}

async function listenOnDeno(app: GatewayApp, address: ListenAddress, options: ServeOptions): Promise<Listening> {
  const where = address.kind === "unix" ? { path: address.path } : { hostname: address.host, port: address.port };
  const { promise, resolve } = signalled();
  const server = Deno.serve({ ...where, onListen: resolve }, (request, { remoteAddr, completed }) => {
    // Deno shows no connections, so each exchange is a session of its own.
    const connection = { id: newId(), ip: remoteAddr.hostname ?? "" };
    return Promise.resolve(app.fetch(request, { connection, departure: departureOf(completed) })).finally(() =>
      options.onDisconnection?.(connection),
    );
  });
  await promise;
  const { addr } = server;
  const bound =
    addr.path === undefined
      ? `${addr.hostname?.includes(":") === true ? `[${addr.hostname}]` : addr.hostname}:${addr.port}`
      : `unix:${addr.path}`;
  return {
    address: bound,
    async drain(timeoutMs) {
      const late = signalled();
      const timer = setTimeout(late.resolve, timeoutMs);
      await Promise.race([server.shutdown(), late.promise]);
      // Left alone it would keep the process for as long as it runs.
      clearTimeout(timer);
    },
  };
}

function departureOf(completed: Promise<void>): Departure {
  let gone = false;
  let listener: DepartureListener | undefined;
  completed.catch(() => {
    gone = true;
    listener?.clientGone();
  });
  return {
    get gone() {
      return gone;
    },
    onGone: (wanted) => {
      listener = wanted;
    },
  };
}

function signalled(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

export const denoPlatform: Platform = {
  name: "deno",
  createUpstream: () => new DenoUpstream(),
  listen: listenOnDeno,
};
