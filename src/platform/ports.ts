/** What a platform does for the gateway: listening and reaching upstreams. One file for each runtime fills it. */

import type { GatewayApp } from "../gateway/app.ts";
import type { Answer, Connection, Upstream } from "../gateway/ports.ts";

/** Where to listen. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Bounds in milliseconds on what a client may take, where the runtime lets us set them. */
export interface ServeTimeouts {
  /** For the headers of a request. */
  readonly headers: number;
  /** For a whole request. */
  readonly request: number;
  /** Between two requests. */
  readonly keepAlive: number;
  /** Without a byte either way. */
  readonly silence: number;
  /** Between two looks at who is late. */
  readonly inspection: number;
}

export interface ServeOptions {
  /** Others than the platform's own. */
  readonly timeouts?: Partial<ServeTimeouts>;
  /** Called for every connection that opens. */
  readonly onConnection?: (connection: Connection) => void;
  /** Called when it has closed. */
  readonly onDisconnection?: (connection: Connection) => void;
  /** Records and answers bytes that are no HTTP request; `reason` is the parser's own code. */
  readonly onUnparsable: (connection: Connection, reason: string) => Promise<Answer>;
}

/** An address that is being served. */
export interface Listening {
  /** As bound: with port 0, the port that the system chose. */
  readonly address: string;
  /** Stops accepting, lets requests in flight end, closes what is left after the timeout. */
  drain(timeoutMs: number): Promise<void>;
}

/** A runtime's way of doing it. */
export interface Platform {
  readonly name: "node" | "deno";
  createUpstream(): Upstream;
  listen(app: GatewayApp, address: ListenAddress, options: ServeOptions): Promise<Listening>;
}
