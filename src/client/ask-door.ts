/** Asking a cluster's door: JSON over HTTPS, and nothing of the answer is believed unread. */

import { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import * as z from "zod";
import { boundedText } from "../base/bounded-text.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { Lines } from "../base/lines.ts";
import { onClose } from "../base/on-close.ts";
import { printable } from "../base/printable.ts";
import { openTls, type TlsOptions } from "./tls.ts";

/** Hashing a password takes a while, and many may be at it. */
const ANSWER_MS = 60_000;
/** Of an answer, unless whoever asks expects more. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** More than any error has: 50 problems, each with its hint. */
const MAX_LINES = 200;
/** UTF-16 code units of one. */
const MAX_LINE = 1000;

/** One request. */
export interface DoorQuestion {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** What becomes JSON. */
  readonly body?: unknown;
  /** Bytes of an answer that are still read. */
  readonly most?: number;
  /** Hears what time it is at the door, in milliseconds since the epoch, whatever the answer; by its word only. */
  readonly onTime?: (time: number) => void;
}

/**
 * Asks, on a connection of its own.
 *
 * @throws PosternError of TLS, of the server in its own words and with its own code, and `proxy_answer_invalid`
 */
export async function askDoor<T>(options: TlsOptions, schema: z.ZodType<T>, question: DoorQuestion): Promise<T> {
  const { text: proxy } = options.proxy;
  const { status, text } = await send(options, question);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notUnderstood(proxy, `HTTP ${status}, and no JSON`);
  }
  if (status !== 200) throw refusal(proxy, status, value);
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw notUnderstood(proxy, `${issue?.path.join(".") ?? ""} is not as expected`);
}

/**
 * Listens to lines of JSON on a connection of its own until the signal, the end, or an error. Each line is handed over parsed.
 *
 * @throws PosternError as `askDoor()`; what `onLine` throws ends it
 */
export async function listenToDoor(
  options: TlsOptions,
  {
    path,
    signal,
    silenceMs,
    onLine,
  }: {
    readonly path: string;
    readonly signal: AbortSignal;
    /** So long without a byte, and the door is gone. */
    readonly silenceMs: number;
    readonly onLine: (line: unknown) => void;
  },
): Promise<void> {
  const { text: proxy } = options.proxy;
  const socket = await openTls(options);
  const end = (): void => void socket.destroy();
  signal.addEventListener("abort", end);
  socket.setTimeout(silenceMs, () => socket.destroy(new Error("nothing was heard for too long")));
  try {
    if (signal.aborted) return;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      onClose(socket, () => reject(new Error("the connection was closed")));
      const sent = request({ createConnection: () => socket, path, headers: { host: proxy } });
      sent.once("error", reject);
      sent.once("response", resolve);
      sent.end();
    });
    if (response.statusCode !== 200) {
      const text = await boundedText(response, MAX_ANSWER_BYTES);
      throw refusal(proxy, response.statusCode ?? 0, jsonOf(text));
    }
    const lines = new Lines();
    response.setEncoding("utf8");
    for await (const chunk of response as AsyncIterable<string>) {
      for (const text of lines.take(chunk)) {
        const line = jsonOf(text);
        if (line === undefined) throw notUnderstood(proxy, "a line is no JSON");
        onLine(line);
      }
      if (lines.pending > MAX_ANSWER_BYTES) throw notUnderstood(proxy, "a line has no end");
    }
    throw new Error("the connection was closed");
  } catch (cause) {
    if (signal.aborted) return;
    if (cause instanceof PosternError) throw cause;
    throw new PosternError("proxy_unreachable", `Cannot listen to ${proxy}: ${messageOf(cause)}`, {
      cause,
      hint: options.hints.unreachable,
    });
  } finally {
    signal.removeEventListener("abort", end);
    socket.destroy();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function send(
  options: TlsOptions,
  { method, path, body, most = MAX_ANSWER_BYTES, onTime }: DoorQuestion,
): Promise<{ readonly status: number; readonly text: string }> {
  const { proxy } = options;
  const socket = await openTls(options);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      let isAnswered = false;
      onClose(socket, () => {
        // Of an answer that has begun its own end tells.
        if (!isAnswered) reject(new Error("the connection was closed"));
      });
      timer = setTimeout(() => reject(new Error("there was no answer")), ANSWER_MS);
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const sent = request({
        createConnection: () => socket,
        method,
        path,
        headers: {
          host: proxy.text,
          accept: "application/json",
          ...(bytes === undefined ? {} : { "content-type": "application/json", "content-length": bytes.length }),
        },
      });
      sent.once("error", reject);
      sent.once("response", (response) => {
        isAnswered = true;
        const time = Date.parse(response.headers.date ?? "");
        if (!Number.isNaN(time)) onTime?.(time);
        boundedText(response, most).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      sent.end(bytes);
    });
  } catch (cause) {
    throw new PosternError("proxy_unreachable", `Cannot get an answer of ${proxy.text}: ${messageOf(cause)}`, {
      cause,
      hint: "try again; if it stays so, look at the log of the cluster's proxy service",
    });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** The server's own words, made safe for a terminal. */
function refusal(proxy: string, status: number, value: unknown): PosternError {
  const read = REFUSAL.safeParse(value);
  if (!read.success) return notUnderstood(proxy, `HTTP ${status}, and no reason`);
  const { code, message, hint, position } = read.data.error;
  if (position === undefined)
    return new PosternError(code, lineOf(message), hint === undefined ? {} : { hint: lineOf(hint) });
  // Problems of documents, one a line.
  const lines = message.split("\n").slice(0, MAX_LINES).map(lineOf);
  return new PosternError(code, lines.join("\n"), { position: { ...position, file: lineOf(position.file) } });
}

function lineOf(text: string): string {
  return printable(text.slice(0, MAX_LINE));
}

function notUnderstood(proxy: string, reason: string): PosternError {
  return new PosternError("proxy_answer_invalid", `Cannot understand the answer of ${proxy}: ${reason}`, {
    hint: "check the proxy's address, and that the versions of both sides go together: postern version",
  });
}

const REFUSAL = z.object({
  error: z.object({
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
    message: z.string(),
    hint: z.string().optional(),
    position: z.object({ file: z.string(), line: z.number(), column: z.number() }).optional(),
  }),
});
