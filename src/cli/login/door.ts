/** What the command line asks of a cluster's door. */

import * as z from "zod";
import { PosternError } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import { askDoor } from "../../client/ask-door.ts";
import type { TlsHints, TlsOptions } from "../../client/tls.ts";
import { CLOCK_SKEW_MS } from "../../identity/authority-keys.ts";
import { CommandError } from "../command-error.ts";
import { goDuration } from "./go-duration.ts";

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

/** What a question has beside its path. */
interface Asked {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Bytes of an answer that are still read. */
  readonly most?: number;
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
  #ahead = 0;

  constructor(options: Omit<TlsOptions, "hints">) {
    this.#options = { ...options, hints: LOGIN_HINTS };
  }

  /** How far the cluster's clock was ahead of this machine's with the last answer, in words; undefined when they agree. */
  get clocks(): string | undefined {
    if (Math.abs(this.#ahead) <= CLOCK_SKEW_MS) return undefined;
    const how = this.#ahead > 0 ? "behind" : "ahead of";
    return `this machine's clock is ${goDuration(Math.abs(this.#ahead))} ${how} the cluster's`;
  }

  /** Who is there. @throws PosternError of TLS, of the server, and `proxy_answer_invalid` */
  async ping(): Promise<Welcome> {
    const { cluster_name, proxy, auth } = await this.ask(PING, "GET", "/webapi/ping");
    return { cluster: cluster_name, secondFactor: proxy.second_factor, ...auth };
  }

  /** Asks for a bot's certificate. What it says is not looked at here. */
  async joinBot({ token, jwt, publicKey, ttl }: BotRequest): Promise<LoginAnswer> {
    return this.ask(LOGIN, "POST", "/v1/join/bot", {
      body: { token, jwt: jwt.reveal(), public_key: publicKey, ...(ttl === undefined ? {} : { ttl_ms: ttl }) },
    });
  }

  /** Asks for a certificate. What it says is not looked at here. */
  async login({ user, password, otp, publicKey, ttl }: LoginRequest): Promise<LoginAnswer> {
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

  /** Begins a login that ends on a port of this machine. */
  async beginBrowserLogin(request: BrowserLoginRequest): Promise<{ id: string; url: string; expires: number }> {
    const { connector, publicKey, ttl, callback, challenge } = request;
    const begun = await this.ask(BEGUN, "POST", "/v1/login/browser", {
      body: {
        ...(connector === undefined ? {} : { connector }),
        public_key: publicKey,
        ...(ttl === undefined ? {} : { ttl_ms: ttl }),
        callback_port: callback.port,
        callback_state: callback.state,
        challenge,
      },
    });
    return { ...begun, expires: Date.parse(begun.expires) };
  }

  /** The certificate of a login that a browser completed; without a code, why there is none. */
  async redeem(id: string, code: Secret | undefined, verifier: Secret): Promise<LoginAnswer> {
    const shown = code === undefined ? {} : { code: code.reveal() };
    return this.ask(LOGIN, "POST", "/v1/login/redeem", { body: { id, ...shown, verifier: verifier.reveal() } });
  }

  /** Begins a login that somebody confirms on another device. */
  async beginDeviceLogin({ connector, publicKey, ttl }: DeviceLoginRequest): Promise<StartedDevice> {
    const started = await this.ask(DEVICE, "POST", "/v1/login/device", {
      body: {
        connector,
        public_key: publicKey,
        ...(ttl === undefined ? {} : { ttl_ms: ttl }),
      },
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
    const polled = await this.ask(POLLED, "POST", "/v1/login/device/poll", { body: { id, secret: secret.reveal() } });
    return "certificate" in polled ? polled : { interval: polled.interval_ms };
  }

  /** The databases that the user may see. */
  async databases(): Promise<readonly DatabaseDocument[]> {
    return (await this.ask(DATABASES, "GET", "/v1/databases")).databases;
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
    return this.ask(ROUTE, "POST", "/v1/certificates/database", { body });
  }

  /** PEM of what the agents of a database are said to show. What they say is not looked at here. */
  async databaseAgents(database: string): Promise<readonly string[]> {
    return (await this.ask(AGENTS, "POST", "/v1/databases/agents", { body: { database }, most: MAX_AGENTS_BYTES }))
      .certificates;
  }

  /**
   * Asks for anything else, and reads the answer by a schema.
   *
   * @throws CommandError with exit code 3 where policy says no; PosternError of TLS, of the server, and `proxy_answer_invalid`
   */
  async ask<T>(schema: z.ZodType<T>, method: "GET" | "POST", path: string, asked: Asked = {}): Promise<T> {
    try {
      const onTime = (there: number): void => {
        this.#ahead = there - this.#options.clock.now();
      };
      return await askDoor(this.#options, schema, { method, path, ...asked, onTime });
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      const { code, message } = error;
      // A lock is policy's no as well.
      if (code === "control_denied" || code === "user_locked") throw new CommandError(3, message);
      const { clocks } = this;
      if (TIMED.has(code) && clocks !== undefined)
        throw new PosternError(code, `${message}; ${clocks}`, { hint: "set the clocks right, then postern login" });
      if (code === "login_required") throw new PosternError(code, message, { hint: "postern login" });
      throw error;
    }
  }
}

/** What a clock that is wrong may be the reason of. */
const TIMED: ReadonlySet<string> = new Set(["certificate_not_yet_valid", "certificate_expired"]);

/** What a person at a command line can do. */
export const LOGIN_HINTS: TlsHints = {
  unknown: "log in with --ca-pin=sha256:…, which postern ctl status shows on the auth service's machine",
  changed: ({ text }) =>
    `somebody may be listening in; if the cluster was made anew or has changed its authorities: postern logout --proxy=${text}, and log in with --ca-pin`,
  unreachable: "check --proxy, and that the cluster runs there",
};

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

const ROUTE = z.object({
  certificate: z.string().max(100_000),
  trusted: z.array(z.string().max(16_384)).min(1).max(2),
});

const MAX_AGENTS_BYTES = 4_194_304;
const AGENTS = z.object({ certificates: z.array(z.string().max(100_000)) });

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
