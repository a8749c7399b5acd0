/** What the command line asks of a cluster's door: JSON over HTTPS, and nothing of the answer is believed unread. */

import { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import * as z from "zod";
import { messageOf, PosternError } from "../../base/errors.ts";
import type { Secret } from "../../base/secret.ts";
import { CommandError } from "../command-error.ts";
import { openTls, type TlsOptions } from "./tls.ts";

/** Hashing a password takes a while, and many may be at it. */
const ANSWER_MS = 60_000;
/** Of an answer, unless whoever asks expects more. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** More than any error has: 50 problems, each with its hint. */
const MAX_LINES = 200;

/** What somebody gives who wants to log in. */
export interface LoginRequest {
  readonly user: string;
  readonly password: Secret;
  readonly otp?: string | undefined;
  /** PEM. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
}

interface Asked {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Bytes of an answer that are still read. */
  readonly most?: number;
}

/** The door of one cluster. Each request has a connection of its own. */
export class Door {
  readonly #options: TlsOptions;

  constructor(options: TlsOptions) {
    this.#options = options;
  }

  /** Who is there. @throws PosternError of TLS, of the server, and `proxy_answer_invalid` */
  async ping(): Promise<{ readonly cluster: string; readonly secondFactor: string }> {
    const { cluster_name, proxy } = await this.ask(PING, "GET", "/webapi/ping");
    return { cluster: cluster_name, secondFactor: proxy.second_factor };
  }

  /** Asks for a certificate. What it says is not looked at here. */
  async login({ user, password, otp, publicKey, ttl }: LoginRequest): Promise<z.infer<typeof LOGIN>> {
    return this.ask(LOGIN, "POST", "/v1/login", {
      body: {
        user,
        password: password.reveal(),
        ...(otp === undefined ? {} : { otp }),
        public_key: publicKey,
        ...(ttl === undefined ? {} : { ttl_ms: ttl }),
      },
    });
  }

  /** The databases that the user may see. */
  async databases(): Promise<readonly DatabaseDocument[]> {
    return (await this.ask(DATABASES, "GET", "/v1/databases")).databases;
  }

  /**
   * Asks for anything else, and reads the answer by a schema.
   *
   * @throws CommandError with exit code 3 where policy says no; PosternError of TLS, of the server, and `proxy_answer_invalid`
   */
  async ask<T>(
    schema: z.ZodType<T>,
    method: "GET" | "POST",
    path: string,
    { body, most = MAX_ANSWER_BYTES }: Asked = {},
  ): Promise<T> {
    const { status, text } = await this.#send(method, path, body, most);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#notUnderstood(`HTTP ${status}, and no JSON`);
    }
    if (status !== 200) throw this.#refusal(status, value);
    const read = schema.safeParse(value);
    if (read.success) return read.data;
    const issue = read.error.issues[0];
    throw this.#notUnderstood(`${issue?.path.join(".") ?? ""} is not as expected`);
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    most: number,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const { proxy } = this.#options;
    const socket = await openTls(this.#options);
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
  #refusal(status: number, value: unknown): PosternError {
    const read = REFUSAL.safeParse(value);
    if (!read.success) return this.#notUnderstood(`HTTP ${status}, and no reason`);
    const { code, message, hint, position } = read.data.error;
    // A lock is policy's no as well.
    if (code === "control_denied" || code === "user_locked") return new CommandError(3, printable(message));
    const told = code === "login_required" ? "postern login" : hint;
    if (position === undefined)
      return new PosternError(code, printable(message), told === undefined ? {} : { hint: printable(told) });
    // Problems of documents, one a line.
    const lines = message.split("\n").slice(0, MAX_LINES).map(printable);
    return new PosternError(code, lines.join("\n"), { position: { ...position, file: printable(position.file) } });
  }

  #notUnderstood(reason: string): PosternError {
    return new PosternError(
      "proxy_answer_invalid",
      `Cannot understand the answer of ${this.#options.proxy.text}: ${reason}`,
      {
        hint: "check --proxy, and that the versions of both sides go together: postern version",
      },
    );
  }
}

/** A text of somebody else's as one line that does nothing to a terminal. */
export function printable(text: string): string {
  return text.slice(0, 1000).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
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

// Loose where a later version may say more; what is used is what is named here.
const PING = z.object({ cluster_name: z.string().min(1).max(255), proxy: z.object({ second_factor: z.string() }) });

const LOGIN = z.object({
  certificate: z.string().max(100_000),
  cluster: z.string().max(255),
  trusted: z.array(z.string().max(16_384)).min(1).max(2),
});

// In the order in which people write them.
const DATABASE = z.looseObject({
  kind: z.literal("db"),
  version: z.string().optional(),
  metadata: z.looseObject({
    name: z.string(),
    description: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  users: z.looseObject({ allowed: z.array(z.string()).optional(), denied: z.array(z.string()).optional() }).optional(),
});

/** A resource of kind db, with the AWS roles that the user may name there. */
export type DatabaseDocument = z.infer<typeof DATABASE>;

const DATABASES = z.object({ databases: z.array(DATABASE) });

const REFUSAL = z.object({
  error: z.object({
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
    message: z.string(),
    hint: z.string().optional(),
    position: z.object({ file: z.string(), line: z.number(), column: z.number() }).optional(),
  }),
});
