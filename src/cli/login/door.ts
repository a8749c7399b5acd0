/** What the command line asks of a cluster's door. */

import * as z from "zod";
import { PosternError } from "../../base/errors.ts";
import type { Secret } from "../../base/secret.ts";
import { askDoor } from "../../client/ask-door.ts";
import type { TlsHints, TlsOptions } from "../../client/tls.ts";
import { CommandError } from "../command-error.ts";

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

/** What a bot gives that wants to join. */
export interface BotRequest {
  /** Name of the join token. */
  readonly token: string;
  /** What its platform signed. */
  readonly jwt: Secret;
  /** PEM. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
}

/** The door of one cluster. Each request has a connection of its own. */
export class Door {
  readonly #options: TlsOptions;

  constructor(options: Omit<TlsOptions, "hints">) {
    this.#options = { ...options, hints: LOGIN_HINTS };
  }

  /** Who is there. @throws PosternError of TLS, of the server, and `proxy_answer_invalid` */
  async ping(): Promise<{ readonly cluster: string; readonly secondFactor: string }> {
    const { cluster_name, proxy } = await this.#ask(PING, "GET", "/webapi/ping");
    return { cluster: cluster_name, secondFactor: proxy.second_factor };
  }

  /** Asks for a certificate. What it says is not looked at here. */
  async login({ user, password, otp, publicKey, ttl }: LoginRequest): Promise<z.infer<typeof LOGIN>> {
    return this.#ask(LOGIN, "POST", "/v1/login", {
      user,
      password: password.reveal(),
      ...(otp === undefined ? {} : { otp }),
      public_key: publicKey,
      ...(ttl === undefined ? {} : { ttl_ms: ttl }),
    });
  }

  /** Asks for a bot's certificate. What it says is not looked at here. */
  async joinBot({ token, jwt, publicKey, ttl }: BotRequest): Promise<z.infer<typeof LOGIN>> {
    return this.#ask(LOGIN, "POST", "/v1/join/bot", {
      token,
      jwt: jwt.reveal(),
      public_key: publicKey,
      ...(ttl === undefined ? {} : { ttl_ms: ttl }),
    });
  }

  /** The databases that the user may see. */
  async databases(): Promise<readonly DatabaseDocument[]> {
    return (await this.#ask(DATABASES, "GET", "/v1/databases")).databases;
  }

  /** Asks for a certificate for one database. What it says is not looked at here. */
  async databaseCertificate({
    database,
    dbUser,
    publicKey,
  }: {
    readonly database: string;
    readonly dbUser: string;
    readonly publicKey: string;
  }): Promise<z.infer<typeof ROUTE>> {
    const body = { database, db_user: dbUser, public_key: publicKey };
    return this.#ask(ROUTE, "POST", "/v1/certificates/database", body);
  }

  async #ask<T>(schema: z.ZodType<T>, method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
    try {
      return await askDoor(this.#options, schema, { method, path, body });
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      if (error.code === "control_denied") throw new CommandError(3, error.message);
      if (error.code === "login_required") throw new PosternError(error.code, error.message, { hint: "postern login" });
      throw error;
    }
  }
}

/** What a person at a command line can do. */
export const LOGIN_HINTS: TlsHints = {
  unknown: "log in with --ca-pin=sha256:…, which postern ctl status shows on the auth service's machine",
  changed: ({ text }) =>
    `somebody may be listening in; if the cluster was made anew or has changed its authorities: postern logout --proxy=${text}, and log in with --ca-pin`,
  unreachable: "check --proxy, and that the cluster runs there",
};

// Loose where a later version may say more; what is used is what is named here.
const PING = z.object({ cluster_name: z.string().min(1).max(255), proxy: z.object({ second_factor: z.string() }) });

const LOGIN = z.object({
  certificate: z.string().max(100_000),
  cluster: z.string().max(255),
  trusted: z.array(z.string().max(16_384)).min(1).max(2),
});

const ROUTE = z.object({
  certificate: z.string().max(100_000),
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
