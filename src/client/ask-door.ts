/** Asking a cluster's door: JSON over HTTPS, and nothing of the answer is believed unread. */

import { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import * as z from "zod";
import { messageOf, PosternError } from "../base/errors.ts";
import { openTls, type TlsOptions } from "./tls.ts";

/** Hashing a password takes a while, and many may be at it. */
const ANSWER_MS = 60_000;
/** Of an answer, unless whoever asks expects more. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** More than any error has: 50 problems, each with its hint. */
const MAX_LINES = 200;

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

/** A text of somebody else's as one line that does nothing to a terminal. */
export function printable(text: string): string {
  return text.slice(0, 1000).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
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
      // A connection that has ended tells nobody a second time.
      if (socket.destroyed || socket.readableEnded) throw new Error("the connection was closed");
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
        const time = Date.parse(response.headers.date ?? "");
        if (!Number.isNaN(time)) onTime?.(time);
        textOf(response, most).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
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
    return new PosternError(code, printable(message), hint === undefined ? {} : { hint: printable(hint) });
  // Problems of documents, one a line.
  const lines = message.split("\n").slice(0, MAX_LINES).map(printable);
  return new PosternError(code, lines.join("\n"), { position: { ...position, file: printable(position.file) } });
}

function notUnderstood(proxy: string, reason: string): PosternError {
  return new PosternError("proxy_answer_invalid", `Cannot understand the answer of ${proxy}: ${reason}`, {
    hint: "check the proxy's address, and that the versions of both sides go together: postern version",
  });
}

async function textOf(response: IncomingMessage, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) throw new Error(`its answer has more than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const REFUSAL = z.object({
  error: z.object({
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
    message: z.string(),
    hint: z.string().optional(),
    position: z.object({ file: z.string(), line: z.number(), column: z.number() }).optional(),
  }),
});
