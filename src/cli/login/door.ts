/** What the command line asks of a cluster's door: JSON over HTTPS, and nothing of the answer is believed unread. */

import { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import * as z from "zod";
import { messageOf, PosternError } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import { CommandError } from "../command-error.ts";
import { openTls, type TlsOptions } from "./tls.ts";

/** Hashing a password takes a while, and many may be at it. */
const ANSWER_MS = 60_000;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

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

/** What is asked for when a browser is to bring the answer. */
export interface BrowserLoginRequest {
  /** Absent: a user of the cluster's own. */
  readonly connector?: string | undefined;
  /** PEM. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
  readonly callback: { readonly port: number; readonly state: string };
  /** PKCE, S256. */
  readonly challenge: string;
}

/** What is asked for when somebody is to confirm it elsewhere. */
export type DeviceLoginRequest = Required<Pick<BrowserLoginRequest, "connector" | "publicKey">> &
  Pick<BrowserLoginRequest, "ttl">;

/** What a person is told, and what is asked on with. Times in milliseconds. */
export interface StartedDevice {
  readonly id: string;
  readonly secret: Secret;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | null;
  readonly interval: number;
  readonly expires: number;
}

/** What a cluster says of itself to anybody. */
export interface Welcome {
  readonly cluster: string;
  readonly secondFactor: string;
  /** Whether its own users log in. */
  readonly local: boolean;
  readonly connectors: readonly { readonly name: string; readonly display: string }[];
}

/** The door of one cluster. Each request has a connection of its own. */
export class Door {
  readonly #options: TlsOptions;

  constructor(options: TlsOptions) {
    this.#options = options;
  }

  /** Who is there. @throws PosternError of TLS, of the server, and `proxy_answer_invalid` */
  async ping(): Promise<Welcome> {
    const { cluster_name, proxy, auth } = await this.#ask(PING, "GET", "/webapi/ping");
    return { cluster: cluster_name, secondFactor: proxy.second_factor, ...auth };
  }

  /** Asks for a certificate. What it says is not looked at here. */
  async login({ user, password, otp, publicKey, ttl }: LoginRequest): Promise<LoginAnswer> {
    return this.#ask(LOGIN, "POST", "/v1/login", {
      user,
      password: password.reveal(),
      ...(otp === undefined ? {} : { otp }),
      public_key: publicKey,
      ...(ttl === undefined ? {} : { ttl_ms: ttl }),
    });
  }

  /** Begins a login that ends on a port of this machine. */
  async beginBrowserLogin(request: BrowserLoginRequest): Promise<{ id: string; url: string; expires: number }> {
    const { connector, publicKey, ttl, callback, challenge } = request;
    const begun = await this.#ask(BEGUN, "POST", "/v1/login/browser", {
      ...(connector === undefined ? {} : { connector }),
      public_key: publicKey,
      ...(ttl === undefined ? {} : { ttl_ms: ttl }),
      callback_port: callback.port,
      callback_state: callback.state,
      challenge,
    });
    return { ...begun, expires: Date.parse(begun.expires) };
  }

  /** The certificate of a login that a browser completed; without a code, why there is none. */
  async redeem(id: string, code: Secret | undefined, verifier: Secret): Promise<LoginAnswer> {
    const shown = code === undefined ? {} : { code: code.reveal() };
    return this.#ask(LOGIN, "POST", "/v1/login/redeem", { id, ...shown, verifier: verifier.reveal() });
  }

  /** Begins a login that somebody confirms on another device. */
  async beginDeviceLogin({ connector, publicKey, ttl }: DeviceLoginRequest): Promise<StartedDevice> {
    const started = await this.#ask(DEVICE, "POST", "/v1/login/device", {
      connector,
      public_key: publicKey,
      ...(ttl === undefined ? {} : { ttl_ms: ttl }),
    });
    return {
      id: started.id,
      secret: new Secret(started.secret),
      userCode: started.user_code,
      verificationUri: started.verification_uri,
      verificationUriComplete: started.verification_uri_complete,
      interval: started.interval_ms,
      expires: Date.parse(started.expires),
    };
  }

  /** Whether somebody has; if not, how many milliseconds to wait before asking again. */
  async pollDeviceLogin(id: string, secret: Secret): Promise<LoginAnswer | { readonly interval: number }> {
    const polled = await this.#ask(POLLED, "POST", "/v1/login/device/poll", { id, secret: secret.reveal() });
    return "certificate" in polled ? polled : { interval: polled.interval_ms };
  }

  /** The databases that the user may see. */
  async databases(): Promise<readonly DatabaseDocument[]> {
    return (await this.#ask(DATABASES, "GET", "/v1/databases")).databases;
  }

  async #ask<T>(schema: z.ZodType<T>, method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
    const { status, text } = await this.#send(method, path, body);
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
          textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
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
    const { code, message, hint } = read.data.error;
    if (code === "control_denied") return new CommandError(3, printable(message));
    const told = code === "login_required" ? "postern login" : hint;
    return new PosternError(code, printable(message), told === undefined ? {} : { hint: printable(told) });
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

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

// Loose where a later version may say more; what is used is what is named here.
const PING = z.object({
  cluster_name: z.string().min(1).max(255),
  proxy: z.object({ second_factor: z.string() }),
  auth: z
    .object({ local: z.boolean(), connectors: z.array(z.object({ name: z.string(), display: z.string() })) })
    .default({ local: true, connectors: [] }),
});

const LOGIN = z.object({
  certificate: z.string().max(100_000),
  cluster: z.string().max(255),
  trusted: z.array(z.string().max(16_384)).min(1).max(2),
});

/** A certificate, and whom to trust. */
export type LoginAnswer = z.infer<typeof LOGIN>;

const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)));

const BEGUN = z.object({ id: z.string().max(255), url: z.string().max(2000), expires: time });

const DEVICE = z.object({
  id: z.string().max(255),
  secret: z.string().max(255),
  user_code: z.string().max(64),
  verification_uri: z.string().max(2000),
  verification_uri_complete: z.string().max(2000).nullable(),
  interval_ms: z.number().min(1000).max(60_000),
  expires: time,
});

const POLLED = z.union([LOGIN, z.object({ interval_ms: z.number().min(1000).max(60_000) })]);

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
  }),
});
