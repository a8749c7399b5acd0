/** What the gateway needs of the world around it: an exchange with a client and a way to the upstream. */

import type { AuditSession } from "../audit/session.ts";

/** One HTTP exchange, as a platform sees it before anything was interpreted. */
export interface Exchange {
  readonly method: string;
  /** The request target exactly as it was sent, for example `/` or `http://host/x?y`. */
  readonly target: string;
  /** Header names and values in turn, as they were sent: order, case and repetitions kept where the platform shows them. */
  readonly headers: readonly string[];
  readonly connection: Connection;
  readonly departure: Departure;
  /**
   * Reads the whole body once.
   *
   * @throws BodyTooLarge when it has more than `limit` bytes; nothing more of it is read then
   * @throws BodyBroken when what the client sends is no HTTP body, or comes too slowly
   * @throws NoRoom when `room` has no more; nothing more of it is read then
   * @throws ClientGone when the client went away in the middle
   */
  body(limit: number, room: { take(bytes: number): boolean }): Promise<Uint8Array>;
}

/**
 * Whether the client has gone before its answer ended. It is not an AbortSignal, because every request would need a new one.
 * bench: createAbortSignal was 1.3 % of a request.
 */
export interface Departure {
  readonly gone: boolean;
  /** Tells the listener when the client goes; not when it has gone already. */
  onGone(listener: DepartureListener): void;
}

/**
 * Who wants to know of a departure. An object, not a function: V8 keeps functions that are stored in an object's fields with
 * its hidden class, in the old generation, and they drag the whole exchange there. bench: load/postern.
 */
export interface DepartureListener {
  clientGone(): void;
}

/** A client that stays, or whose going makes no difference. */
export const STAYING: Departure = { gone: false, onGone: () => undefined };

/** A session of the audit log, and when it began (milliseconds since the epoch). */
export interface ConnectionSession {
  readonly audit: AuditSession;
  readonly startedAt: number;
}

/** The client's connection: one session of the audit log. */
export interface Connection {
  /** Random, and the session id (`sid`) of the events on it. */
  readonly id: string;
  /** The peer's address, or `""` on a Unix socket. */
  readonly ip: string;
  /** The session that is on record for this connection; set by the gateway with the first request. */
  session?: ConnectionSession;
  /** True when the connection has ended, so that a request which outlives it does not begin a session without an end. */
  ended?: boolean;
}

/** The first value of a header, by its lower-case name. */
export function headerOf(exchange: Exchange, name: string): string | undefined {
  const { headers } = exchange;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() === name) return headers[at + 1];
  }
  return undefined;
}

/** What goes back to the client. */
export interface Answer {
  readonly status: number;
  /** Names are lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** True when the rest of the request was not read, so the connection cannot be used again. */
  readonly close?: boolean;
}

/** A signed request, ready to go. */
export interface UpstreamRequest {
  /** For example `https://dynamodb.us-east-1.amazonaws.com`. */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly departure: Departure;
}

/** What came back: the whole body when it is small, else a stream that obeys back-pressure. */
export interface UpstreamResponse {
  readonly status: number;
  /** Names are lower case; a repeated header is an array. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** The way to DynamoDB: pools, TLS, timeouts and limits are the platform's. */
export interface Upstream {
  /**
   * Sends `POST /` and waits for the answer's head, and for its body too when that is not more than `WHOLE_BODY_BYTES`.
   *
   * @throws UpstreamError when nothing, or nothing whole, came back
   */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
  close(): Promise<void>;
}

/** Answers up to this size are held whole: they are recorded and summarised before their first byte leaves. */
export const WHOLE_BODY_BYTES: number = 64 * 1024;

/** The request's body is larger than allowed. */
export class BodyTooLarge extends Error {
  override readonly name: string = "BodyTooLarge";
}

/** The platform's HTTP parser gave up in the middle of the body. */
export class BodyBroken extends Error {
  override readonly name: string = "BodyBroken";
  /** The parser's own code. */
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** All bodies under way together take too much memory. */
export class NoRoom extends Error {
  override readonly name: string = "NoRoom";
}

/** The client closed its connection before the exchange was over. */
export class ClientGone extends Error {
  override readonly name: string = "ClientGone";
}

/** The upstream could not be reached, was too slow, or broke off. */
export class UpstreamError extends Error {
  override readonly name: string = "UpstreamError";
  /** `unreachable`: surely nothing was executed; `broken`: the operation may have been executed. */
  readonly kind: "unreachable" | "broken";

  constructor(kind: "unreachable" | "broken", message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
