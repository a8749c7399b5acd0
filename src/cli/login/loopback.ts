/** A port of this machine on which a browser brings the answer to a login: one address, and only with the right word. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Secret } from "../../base/secret.ts";

/** What a browser brought: a code, or that there is none. */
export type Brought = { readonly code: Secret } | "refused";

export interface Loopback {
  readonly port: number;
  /** Undefined when nobody came in time. */
  waitFor(milliseconds: number): Promise<Brought | undefined>;
  close(): Promise<void>;
}

/** Opens one. @param state the word by which the answer is known; others are turned away */
export async function openLoopback(state: string): Promise<Loopback> {
  let bring: (brought: Brought) => void = () => undefined;
  const brought = new Promise<Brought>((resolve) => (bring = resolve));
  const server = createServer((request, response) => {
    const found = readCallback(request, (server.address() as AddressInfo).port, state);
    answer(response, found);
    if (found !== undefined) bring(found);
  });
  server.maxConnections = 20;
  server.requestTimeout = 10_000;
  server.headersTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async waitFor(milliseconds) {
      const stop = new AbortController();
      const late = sleep(Math.max(0, milliseconds), undefined, { signal: stop.signal }).catch(() => undefined);
      const first = await Promise.race([brought, late]);
      stop.abort();
      return first;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // What was answered is on its way; browsers keep connections.
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), LINGER_MS).unref();
      }),
  };
}

const LINGER_MS = 500;

/** Undefined for whatever is not the answer: other programs and other pages reach this port as well. */
function readCallback(
  { method, url = "", headers }: IncomingMessage,
  port: number,
  state: string,
): Brought | undefined {
  // Another name means that a page's own host was made to point here.
  if (method !== "GET" || headers.host !== `127.0.0.1:${port}` || !url.startsWith("/callback?")) return undefined;
  const query = new URL(url, "http://127.0.0.1").searchParams;
  const [codes, errors] = [query.getAll("code"), query.getAll("error")];
  if (query.getAll("state").join(" ") !== state || codes.length + errors.length !== 1) return undefined;
  const [code] = codes;
  return code === undefined ? "refused" : { code: new Secret(code) };
}

function answer(response: ServerResponse, found: Brought | undefined): void {
  const words =
    found === undefined
      ? "There is nothing here."
      : found === "refused"
        ? "You are not logged in. The terminal says why; this window can be closed."
        : "Back to the terminal: it goes on by itself. This window can be closed.";
  response.writeHead(found === undefined ? 404 : 200, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    connection: "close",
  });
  response.end(`Postern\n\n${words}\n`);
}
