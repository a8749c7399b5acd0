/**
 * Requests of AWS SDKs at the door: signed with credentials that `postern credentials` made, and passed on to an agent as they
 * are. The door looks at the token to find the way; whether the request counts, the agent says.
 */

import { Buffer } from "node:buffer";
import type { Duplex, Readable } from "node:stream";
import { LRUCache } from "lru-cache";
import { messageOf, PosternError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import type { RouteCallers } from "../control/route-callers.ts";
import { errorAnswer, type ErrorType } from "../dynamodb/errors.ts";
import { MAX_BODY_BYTES } from "../gateway/body.ts";
import { type ReceivedToken, readSessionToken } from "../identity/session-credentials.ts";
import type { PassedAnswer, PassingOn, ReceivedHead, TlsClient } from "../platform/ports.ts";
import type { Log } from "../telemetry/log.ts";
import { FrameReader, FrameWriter } from "../tunnel/frames.ts";
import { headMessage, readAnswerHead } from "../tunnel/sdk-request.ts";
import type { Tunnels } from "../tunnel/tunnels.ts";
import type { ConnectionCounts } from "./connection-counts.ts";
import { EXPIRED, UNRECOGNIZED } from "./sdk-requests.ts";
import type { Unread } from "./unread.ts";

export interface DoorRequestsOptions {
  readonly tunnels: Pick<Tunnels, "openRequest">;
  /** With the connections of the same users and addresses. */
  readonly counts: ConnectionCounts;
  readonly unread: Pick<Unread, "watch">;
  readonly callers: Pick<RouteCallers, "identify">;
  readonly log: Log;
  /** Milliseconds that an agent may take to begin an answer. */
  readonly patience?: number;
}

/** Longer than agents wait for STS and DynamoDB together. */
const PATIENCE_MS = 90_000;
/** Of some kilobytes each. */
const MAX_TOKENS = 1_000;

/** What a door does with them. */
export function doorRequests(options: DoorRequestsOptions): PassingOn {
  const tokens = new LRUCache<string, ReceivedToken>({ max: MAX_TOKENS });
  const readToken = (text: string): ReceivedToken | undefined => {
    const known = tokens.get(text);
    if (known !== undefined) return known;
    const token = readSessionToken(text);
    if (token !== undefined) tokens.set(text, token);
    return token;
  };
  return {
    takes: ({ method, target, headers }) =>
      method === "POST" && target === "/" && (has(headers, "x-amz-target") || has(headers, "authorization")),
    async answer(head, body, client, onGone) {
      try {
        return await passedOn({ ...options, readToken }, head, body, client, onGone);
      } catch (thrown) {
        return answerOf(thrown, options.log);
      }
    },
  };
}

interface PassingOptions extends DoorRequestsOptions {
  /** What a token says, of which nothing is believed by that. */
  readonly readToken: (text: string) => ReceivedToken | undefined;
}

async function passedOn(
  { tunnels, counts, unread, callers, readToken, patience = PATIENCE_MS }: PassingOptions,
  { headers }: ReceivedHead,
  body: Readable,
  { address }: Pick<TlsClient, "address">,
  onGone: (leave: () => void) => void,
): Promise<PassedAnswer> {
  const authorization = valuesOf(headers, "authorization");
  if (authorization.length === 0)
    return errorOf("MissingAuthenticationTokenException", "Request is missing Authentication Token");
  const tokens = valuesOf(headers, "x-amz-security-token");
  const token = tokens.length === 1 ? readToken(tokens[0] ?? "") : undefined;
  if (token === undefined) return errorOf(UNRECOGNIZED.type, UNRECOGNIZED.message);
  if (Number(valuesOf(headers, "content-length")[0] ?? 0) > MAX_BODY_BYTES) return tooLarge();
  const { user, database } = await callers.identify(token.certificate, address);
  const release = counts.take(user, address);
  let stream: Duplex;
  try {
    stream = await tunnels.openRequest(database, token.keyIds, { address, connection: newId() });
  } catch (error) {
    release();
    throw error;
  }
  stream.once("close", release);
  unread.watch(stream, user);
  const leave = (): void => void stream.destroy();
  onGone(leave);
  const late = setTimeout(leave, patience);
  late.unref();
  try {
    // An agent may answer before it has all, and then wants no more.
    let isSent = false;
    void send(stream, headers, body).then(() => (isSent = true));
    const reader = new FrameReader(stream);
    const head = readAnswerHead(await reader.next());
    if (head === undefined) throw new PosternError("stream_broken", "The answer cannot be read");
    return { ...head, headers: endToEnd(head.headers), body: readToEnd(reader, stream, head.length, () => isSent) };
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

/** Never rejects: what does not get through ends the stream, and the answer with it. */
async function send(stream: Duplex, headers: readonly string[], body: Readable): Promise<void> {
  const writer = new FrameWriter(stream);
  try {
    await writer.write(headMessage({ headers }));
    // Its end is not that of the client's connection.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) await writer.write(chunk as Uint8Array);
    writer.end();
  } catch {
    stream.destroy();
    body.resume();
  }
}

/**
 * An answer as long as it says, and no byte beyond: of one that says less than it sends, the rest would be taken for the answer
 * to the client's next request.
 */
async function* readToEnd(
  reader: FrameReader,
  stream: Duplex,
  length: number | undefined,
  isSent: () => boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isWhole = false;
  try {
    let size = 0;
    for (let part = await reader.next(); part !== undefined; part = await reader.next()) {
      size += part.byteLength;
      if (length !== undefined && size > length) throw unlike(length);
      yield part;
    }
    if (length !== undefined && size !== length) throw unlike(length);
    isWhole = true;
  } finally {
    // Both directions have ended then, and the stream with them: to destroy it would reset it first, and an agent's HTTP/2 ends
    // the whole tunnel after a thousand resets in a short time.
    if (!isWhole || !isSent()) stream.destroy();
  }
}

function unlike(length: number): PosternError {
  return new PosternError("stream_broken", `The answer has another length than the ${length} bytes that it says`);
}

/** Without those by which an agent would say where an answer ends, or what becomes of the client's connection. */
function endToEnd(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (!Object.keys(headers).some((name) => HOP_BY_HOP.has(name))) return headers;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

/** RFC 9110, section 7.6.1, and the length, which is said beside the headers. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What answers an error, in AWS's words. */
function answerOf(thrown: unknown, log: Log): PassedAnswer {
  const { code = "", message = "", hint } = thrown instanceof PosternError ? thrown : {};
  if (code === "certificate_expired") return errorOf(EXPIRED.type, EXPIRED.message);
  if (code.startsWith("certificate_")) return errorOf(UNRECOGNIZED.type, UNRECOGNIZED.message);
  if (UNSENT.has(code)) return errorOf("ServiceUnavailable", hint === undefined ? message : `${message}: ${hint}`);
  if (code === "stream_broken")
    return errorOf("ServiceUnavailable", "The way to the database broke off; the operation may have been executed");
  log.error({ error: messageOf(thrown) }, "A request of an SDK could not be passed on");
  return errorOf("InternalServerError", "The request could not be passed on");
}

/** Errors before anything was sent; a later try may go through. */
const UNSENT: ReadonlySet<string> = new Set([
  "agent_keys_unknown",
  "agents_unreachable",
  "connections_limited",
  "database_without_agent",
]);

function tooLarge(): PassedAnswer {
  return errorOf("RequestEntityTooLarge", "The request's body is larger than 16 MiB");
}

function errorOf(type: ErrorType, message: string): PassedAnswer {
  const { status, body } = errorAnswer(type, message);
  const bytes = Buffer.from(body);
  return { status, headers: { "content-type": "application/x-amz-json-1.0" }, length: bytes.length, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function has(headers: readonly string[], name: string): boolean {
  return headers.some((each, at) => at % 2 === 0 && each.toLowerCase() === name);
}

function valuesOf(headers: readonly string[], name: string): string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name);
}
