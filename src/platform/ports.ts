/** What a platform does for the gateway: listening and reaching upstreams. One file for each runtime fills it. */

import type { Duplex, Readable } from "node:stream";
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

/** A request after which its connection is no HTTP any more. */
export interface Takeover {
  readonly kind: "upgrade" | "connect";
  /** A path; of a CONNECT what it wants to be connected to. */
  readonly target: string;
  readonly headers: Headers;
}

/** The yes to one. */
export interface Taken {
  /** Beside those that every such answer has. */
  readonly headers: Readonly<Record<string, string>>;
  /** Has the connection from here on, with all that was not read of it. */
  take(socket: Duplex): void;
  /** Called instead when the client has gone before it could be taken. */
  leave(): void;
}

/** Says whether a connection is taken over, or what answers instead; must not throw. */
export type TakeoverHandler = (request: Takeover, client: TlsClient) => Promise<Taken | Response>;

/** The head of a request as it came. */
export interface ReceivedHead {
  readonly method: string;
  readonly target: string;
  /** Names and values in turn, as they were sent. */
  readonly headers: readonly string[];
}

/** An answer that is passed on as it comes. */
export interface PassedAnswer {
  readonly status: number;
  /** Names are lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body, where they are known. */
  readonly length?: number | undefined;
  /** Read at the client's pace; an error ends the client's connection. Its reader leaves when the client does. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Requests that are passed on byte by byte, as no web-standard request would let them be. */
export interface PassingOn {
  /** Whether a request is one; must not throw. */
  takes(head: ReceivedHead): boolean;
  /** Answers it; must not throw. `onGone` is given what is to be done when the client goes before it has its answer. */
  answer(
    head: ReceivedHead,
    body: Readable,
    client: Pick<TlsClient, "address">,
    onGone: (leave: () => void) => void,
  ): Promise<PassedAnswer>;
}

export interface TlsOptions {
  readonly identity: TlsIdentity;
  /** All requests are the handler's when absent. */
  readonly passOn?: PassingOn;
  /** Nobody's connection is taken over when absent. */
  readonly takeOver?: TakeoverHandler;
  /** Others than the platform's own. */
  readonly timeouts?: Partial<TlsTimeouts>;
  /** When there are as many, one that is still at shaking hands gives way to the next. */
  readonly maxConnections?: number;
  /** Of one IPv4 address, or one IPv6 network of 64 bits. */
  readonly maxConnectionsPerAddress?: number;
  /** Called for each connection that finds no place. */
  readonly onTurnedAway?: (address: string, why: TurnedAway) => void;
}

/** Whether its address has as many connections as it may, or all together. */
export type TurnedAway = "address" | "all";

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

/** What a proxy said of a connection; who the client is, its certificate says. */
export interface TunnelledFrom {
  readonly database: string;
  /** Where the client's connection to the proxy came from. */
  readonly address: string;
}

/** What answers on a connection. */
export interface Served {
  readonly app: GatewayApp;
  /** Records and answers bytes that are no HTTP request; `reason` is the parser's own code. */
  readonly onUnparsable: (connection: Connection, reason: string) => Promise<Answer>;
}

/**
 * Says what answers the client of a certificate (DER; undefined: it showed none), whose key it holds. Undefined or a rejection
 * ends the connection.
 */
export type AdmitTunnelled = (certificate: Uint8Array | undefined, from: TunnelledFrom) => Promise<Served | undefined>;

export interface TunnelledOptions extends Omit<ServeOptions, "onUnparsable"> {
  readonly identity: TlsIdentity;
  readonly maxConnections?: number;
  /** Milliseconds until TLS has been agreed upon. */
  readonly handshakeTimeout?: number;
}

/** Serves connections that come through a tunnel. */
export interface TunnelledService {
  accept(stream: Duplex, from: TunnelledFrom): void;
  /** Shows another identity to whoever connects from now on. */
  show(identity: TlsIdentity): void;
  drain(timeoutMs: number): Promise<void>;
}

/** A runtime's way of doing it. */
export interface Platform {
  readonly name: "node" | "deno";
  createUpstream(): Upstream;
  listen(app: GatewayApp, address: ListenAddress, options: ServeOptions): Promise<Listening>;
  /** Absent where it cannot be done. */
  serveTunnelled?(admit: AdmitTunnelled, options: TunnelledOptions): TunnelledService;
  /** Absent where there is no way to see the certificates of clients. */
  listenTls?(handle: TlsHandler, address: ListenAddress, options: TlsOptions): Promise<TlsListening>;
}
