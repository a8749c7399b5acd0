/** What a platform does for the gateway: listening and reaching upstreams. One file for each runtime fills it. */

import type { Secret } from "../base/secret.ts";
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

/** What is known of the connection that a request came on. */
export interface TlsClient {
  /** Where it comes from; empty when that cannot be told any more. */
  readonly address: string;
  /** DER of the certificate that the client showed: it holds its key, and whether it counts is for others to say. */
  readonly certificate: Uint8Array | undefined;
}

/** What a port with TLS shows of itself. */
export interface TlsIdentity {
  /** PEM, its own certificate first. */
  readonly chain: string;
  /** PEM. */
  readonly key: Secret;
  /** PEM of those whose certificates clients should show. */
  readonly clientAuthorities: readonly string[];
}

/** Answers one request; must not throw. */
export type TlsHandler = (request: Request, client: TlsClient) => Promise<Response>;

export interface TlsOptions {
  readonly identity: TlsIdentity;
  /** Others than the platform's own. */
  readonly timeouts?: Partial<TlsTimeouts>;
  readonly maxConnections?: number;
  /** Of one IPv4 address, or one IPv6 network of 64 bits. */
  readonly maxConnectionsPerAddress?: number;
  /** Called for each connection that is not taken because its address has as many as it may. */
  readonly onTurnedAway?: (address: string) => void;
}

/** Bounds in milliseconds on what a client of a port with TLS may take. */
export type TlsTimeouts = Omit<ServeTimeouts, "inspection"> & {
  /** Until TLS has been agreed upon. */
  readonly handshake: number;
};

/** A port with TLS that is being served. */
export interface TlsListening extends Listening {
  /** Shows another identity to whoever connects from now on. */
  show(identity: TlsIdentity): void;
}

/** A runtime's way of doing it. */
export interface Platform {
  readonly name: "node" | "deno";
  createUpstream(): Upstream;
  listen(app: GatewayApp, address: ListenAddress, options: ServeOptions): Promise<Listening>;
  /** Absent where there is no way to see the certificates of clients. */
  listenTls?(handle: TlsHandler, address: ListenAddress, options: TlsOptions): Promise<TlsListening>;
}
