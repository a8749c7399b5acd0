/** One connection to an origin: one request at a time goes out in one write, and its answer is read off. */

import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type SecureContext } from "node:tls";
import { MalformedResponse } from "./response-head.ts";
import { ResponseParser, type ResponseSink } from "./response-parser.ts";
import type { CallCarrier, UpstreamCall } from "./upstream-call.ts";

/** Where a connection goes. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  /** Set for `https:`. */
  readonly tls?: { readonly context: SecureContext; readonly session: Buffer | undefined };
}

/** Milliseconds; see UpstreamOptions. */
export interface ConnectionTimeouts {
  readonly connect: number;
  readonly headers: number;
  readonly body: number;
  readonly keepAlive: number;
}

/** Whose connection it is. */
export interface ConnectionOwner {
  readonly timeouts: ConnectionTimeouts;
  /** What is read goes here, and is used up before anything else is read: all connections share it. */
  readonly buffer: Buffer;
  /** It can take a request: now, or again. */
  onFree(connection: UpstreamConnection): void;
  /** It has ended, or will not be used again. Once. The reason is absent when we wanted it so. */
  onLost(connection: UpstreamConnection, reason: Error | undefined): void;
  /** With this the next connection is quicker made. */
  onTlsSession(session: Buffer): void;
}

/** Bodies up to this size are copied behind their head; larger ones go out beside it, in the same call. */
const COPIED_BYTES = 64 * 1024;
/** The server's own patience may have begun this much sooner than ours. */
const KEEP_ALIVE_MARGIN_MS = 1000;

export class UpstreamConnection implements ResponseSink, CallCarrier {
  /** The newest ticket in the line when it was opened. */
  readonly ticket: number;
  /** When it has taken too long over what it does now; milliseconds of `performance.now()`. */
  deadline: number;
  /** Whether it was ever ready to take a request, and whether it took one. */
  ready = false;
  used = false;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #parser: ResponseParser;
  #call: UpstreamCall | undefined;
  #lost = false;
  #paused = false;
  /** Whether it keeps the process alive. */
  #held = true;

  /** Begins to connect. */
  constructor(owner: ConnectionOwner, destination: Destination, ticket: number) {
    this.#owner = owner;
    this.ticket = ticket;
    this.#parser = new ResponseParser(this);
    this.deadline = performance.now() + owner.timeouts.connect;
    this.#socket = openSocket(destination, { buffer: owner.buffer, callback: (size) => this.#onRead(size) });
    this.#socket.once(destination.tls === undefined ? "connect" : "secureConnect", () => this.#onReady());
    if (destination.tls !== undefined) this.#socket.on("session", (session: Buffer) => owner.onTlsSession(session));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#lose(named(error)));
    this.#socket.on("end", () => this.#onEnd());
    this.#socket.on("close", () => this.#lose(new Error("The connection closed")));
  }

  /** Whether a request can be sent: it is there, idle, and not about to be closed by either side. */
  isUsable(now: number): boolean {
    return !this.#lost && this.#call === undefined && this.deadline > now && this.#socket.writable;
  }

  get idle(): boolean {
    return this.ready && this.#call === undefined;
  }

  /** Sends the request. */
  carry(call: UpstreamCall, now: number): void {
    this.#call = call;
    this.used = true;
    this.#parser.reset();
    this.deadline = now + this.#owner.timeouts.headers;
    call.board(this);
    const socket = this.#socket;
    if (!this.#held) {
      this.#held = true;
      socket.ref();
    }
    const { head, body } = call;
    if (body.byteLength <= COPIED_BYTES) {
      const bytes = Buffer.allocUnsafe(head.length + body.byteLength);
      bytes.write(head, "latin1");
      bytes.set(body, head.length);
      socket.write(bytes);
    } else {
      socket.cork();
      socket.write(head, "latin1");
      socket.write(body);
      socket.uncork();
    }
  }

  onHead(status: number, fields: Record<string, string | string[] | undefined>, length: number): void {
    this.#call?.onHead(status, fields, length);
  }

  onBody(bytes: Buffer, from: number, to: number): void {
    if (this.#call?.onBody(bytes, from, to) === false) this.#paused = true;
  }

  abort(call: UpstreamCall, reason: Error): void {
    if (this.#call === call) this.#lose(reason);
  }

  resume(call: UpstreamCall): void {
    if (this.#call !== call || !this.#paused) return;
    this.#paused = false;
    this.deadline = performance.now() + this.#owner.timeouts.body;
    this.#socket.resume();
  }

  /** Called now and then: ends what should have ended by then, and lets the process end beside an idle connection. */
  inspect(then: number): void {
    if (this.deadline <= then) this.#expire();
    else if (this.idle && this.#held) {
      this.#held = false;
      this.#socket.unref();
    }
  }

  /** Ends it; a request that it carries fails with the reason. */
  close(reason?: Error): void {
    this.#lose(reason);
  }

  /** Resolves when the socket has closed. */
  closed(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      if (socket.closed) resolve();
      else socket.once("close", () => resolve());
    });
  }

  #onReady(): void {
    if (this.#lost) return;
    this.ready = true;
    this.deadline = performance.now() + this.#owner.timeouts.keepAlive;
    this.#owner.onFree(this);
  }

  /** Gives false to have the socket read no further for now. */
  #onRead(size: number): boolean {
    if (this.#lost) return false;
    if (this.#call === undefined) {
      this.#lose(new MalformedResponse("The server spoke without being asked"));
      return false;
    }
    const parser = this.#parser;
    try {
      const end = parser.read(this.#owner.buffer, 0, size);
      if (parser.over) this.#onOver(end === size);
      else if (this.#paused) this.deadline = Number.POSITIVE_INFINITY;
      else if (parser.headed) this.deadline = performance.now() + this.#owner.timeouts.body;
    } catch (cause) {
      this.#lose(cause instanceof Error ? cause : new Error("The answer could not be read", { cause }));
    }
    return !this.#paused;
  }

  #onEnd(): void {
    if (this.#call === undefined) {
      this.#lose(new Error("The server closed the connection"));
      return;
    }
    try {
      this.#parser.finish();
      this.#onOver(false);
    } catch (cause) {
      this.#lose(cause as Error);
    }
  }

  /** The answer is whole. The connection may serve again when both sides agree on where it ended. */
  #onOver(exact: boolean): void {
    const call = this.#call;
    const parser = this.#parser;
    this.#call = undefined;
    if (!exact || !parser.persists) this.#lose(undefined);
    else if (this.#socket.writableLength === 0) this.#free();
    // Over TLS the socket hears only after this turn of the loop that all is out. What is not out then will not be.
    else setImmediate(() => (this.#socket.writableLength === 0 ? this.#free() : this.#lose(undefined)));
    call?.end();
  }

  #free(): void {
    if (this.#lost) return;
    const { keepAlive } = this.#owner.timeouts;
    this.deadline = performance.now() + Math.min(keepAlive, this.#parser.keepAlive - KEEP_ALIVE_MARGIN_MS);
    // It must be read from, or its end would not be noticed.
    if (this.#paused) this.#socket.resume();
    this.#paused = false;
    this.#owner.onFree(this);
  }

  #expire(): void {
    const { connect, headers, body } = this.#owner.timeouts;
    if (!this.ready) this.#lose(new Error(`There was no connection in ${connect} ms`));
    else if (this.#call === undefined) this.#lose(undefined);
    else if (this.#parser.headed) this.#lose(new Error(`Nothing more of the answer came in ${body} ms`));
    else this.#lose(new Error(`No head of an answer came in ${headers} ms`));
  }

  #lose(reason: Error | undefined): void {
    if (this.#lost) return;
    this.#lost = true;
    const call = this.#call;
    this.#call = undefined;
    this.#socket.destroy();
    this.#owner.onLost(this, reason);
    call?.broken(reason ?? new Error("The connection was closed"));
  }
}

function openSocket({ host, port, tls }: Destination, onread: OnReadOpts): Socket {
  if (tls === undefined) return connectTcp({ host, port, noDelay: true, onread });
  const options: ConnectionOptions & { onread: OnReadOpts; noDelay: boolean } = {
    host,
    port,
    noDelay: true,
    onread,
    secureContext: tls.context,
    ALPNProtocols: ["http/1.1"],
    // An address is no name to ask for (RFC 6066 §3); the certificate is held against `host` then.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.session === undefined ? {} : { session: tls.session }),
  };
  return connectTls(options);
}

/** When several addresses failed, Node's error says so in its code alone. */
function named(error: NodeJS.ErrnoException): Error {
  return error.message === "" ? new Error(error.code ?? error.name, { cause: error }) : error;
}
