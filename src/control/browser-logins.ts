/** Logins that a person completes in a browser while the command line waits: a certificate for whoever began them, once. */

import { randomBytes } from "node:crypto";
import { messageOf, PosternError } from "../base/errors.ts";
import { isSameText } from "../base/same-text.ts";
import { type Secret } from "../base/secret.ts";
import { AddressLimiter } from "../identity/lockout.ts";
import { readPublicKey } from "../identity/public-key.ts";
import { isRace } from "../store/store-errors.ts";
import type { StoredValue } from "../store/store.ts";
import { admit, type AdmissionOptions, type Login, RefusedError } from "./admission.ts";
import { requireAudit } from "./audit-health.ts";
import { type BrowserLoginRecord, type LoginMethod, type Proof, readBrowserLogin } from "./browser-login-record.ts";
import type { ConnectorUsers } from "./connector-users.ts";
import { hashOf } from "./hash-of.ts";
import { loginEvent } from "./login-event.ts";
import { limited, requireRoom } from "./open-logins.ts";
import { SecretsStore } from "./user-secrets.ts";

export interface BrowserLoginsOptions extends AdmissionOptions {
  /** Where browsers reach the door: `https://host:port`, without a path. */
  readonly publicUrl: () => string;
  readonly users: ConnectorUsers;
}

/** What a command line asks for that will wait. */
export interface BrowserLoginRequest {
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds; at most what the user's roles allow. */
  readonly lifetime?: number | undefined;
  /** Where it comes from. */
  readonly address: string;
  /** Where on its own machine it waits, and the word by which it knows its answer. */
  readonly callback: { readonly port: number; readonly state: string };
  /** PKCE, S256: of a verifier that it keeps to itself. */
  readonly challenge: string;
  readonly method: LoginMethod;
}

/** What a page shows of a login before anybody proves anything. */
export interface ShownBrowserLogin {
  readonly method: LoginMethod;
  /** Where it was begun. */
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly begun: number;
  readonly expires: number;
  /** The port of the browser's own machine that the code is for. */
  readonly port: number;
}

/** What a command line shows that got its answer; no code: there was none, and it wants to know why. */
export interface Redemption {
  readonly id: string;
  readonly code?: Secret | undefined;
  readonly verifier: Secret;
  readonly address: string;
}

/** A login as it is kept, for those who take it further. */
export interface KeptBrowserLogin {
  readonly record: BrowserLoginRecord;
  readonly revision: string;
}

const KIND = "browser_login";
const LIFETIME_MS = 5 * 60_000;

/** The browser logins of one cluster. They are in its store, where every door finds those that another one began. */
export class BrowserLogins {
  readonly #options: BrowserLoginsOptions;
  readonly #limiter: AddressLimiter;
  readonly #secrets: SecretsStore;

  constructor(options: BrowserLoginsOptions) {
    this.#options = options;
    this.#secrets = new SecretsStore(options.cluster.store, options.ring);
    this.#limiter = new AddressLimiter(options.clock);
  }

  /**
   * Begins a login: `url` is for the browser.
   *
   * @throws PosternError `login_limited`, `public_key_invalid`, `browser_login_invalid`, `audit_unavailable`
   */
  async begin(request: BrowserLoginRequest): Promise<{ id: string; url: string; expires: number }> {
    const { cluster, clock, publicUrl } = this.#options;
    const { publicKey, lifetime, address, callback, challenge, method } = request;
    requireAudit(this.#options.events, "log in");
    this.#takeTry(address);
    readPublicKey(publicKey);
    const { port, state } = callback;
    if (!Number.isSafeInteger(port) || port < 1024 || port > 65_535) throw invalid("the port is not of 1024 to 65535");
    if (!/^[A-Za-z0-9_-]{16,128}$/.test(state)) throw invalid("the state is not 16 to 128 letters and digits");
    if (!/^[A-Za-z0-9_-]{43}$/.test(challenge)) throw invalid("the challenge is not a SHA-256 in base64url");
    await requireRoom(cluster.store, clock, KIND, address);
    const id = randomBytes(16).toString("hex");
    const begun = clock.now();
    const expires = begun + LIFETIME_MS;
    const record: BrowserLoginRecord = {
      begun,
      expires,
      address: address.slice(0, 64),
      method,
      public_key: publicKey,
      ...(lifetime === undefined ? {} : { lifetime }),
      port,
      state,
      challenge,
    };
    await cluster.store.write([
      { op: "create", kind: KIND, name: id, value: { ...record } as StoredValue, expiresAt: expires },
    ]);
    return { id, url: `${publicUrl()}/web/${method === "local" ? "login" : "oidc"}/${id}`, expires };
  }

  /** What a page is to show. @throws PosternError `browser_login_unknown` */
  async look(id: string): Promise<ShownBrowserLogin> {
    const { method, address, begun, expires, port } = (await this.open(id)).record;
    return { method, address, begun, expires, port };
  }

  /** A login that nobody has completed yet. @throws PosternError `browser_login_unknown` */
  async open(id: string): Promise<KeptBrowserLogin> {
    const kept = await this.#find(id);
    if (kept.record.outcome !== undefined) throw unknown();
    return kept;
  }

  /** Keeps what whoever takes a login further needs at the next step. @throws PosternError `browser_login_unknown` */
  async note(id: string, { record, revision }: KeptBrowserLogin, leg: StoredValue): Promise<void> {
    await this.#update(id, { ...record, leg }, revision);
  }

  /**
   * Somebody has proved who they are. The address that comes back is where the browser is to go: a port of its own machine,
   * with a code that works once, and only for who has the verifier.
   *
   * @throws PosternError `browser_login_unknown`; also when somebody else completed it, or it was to be proved another way
   */
  async complete(id: string, proof: Proof): Promise<URL> {
    const { record, revision } = await this.open(id);
    const asked = record.method === "local" ? undefined : record.method.connector;
    if (asked !== (proof.by === "local" ? undefined : proof.connector)) throw unknown();
    const code = randomBytes(32).toString("base64url");
    const outcome = { code_hash: hashOf(code), proof };
    await this.#update(id, { ...record, outcome }, revision);
    return callbackOf(record, { code });
  }

  /**
   * It came to nothing, which goes on record: the command line is told why when it asks.
   *
   * @param browser who they would have been, as far as that is known, and where their browser is
   * @throws as `complete()`
   */
  async fail(
    id: string,
    why: PosternError,
    browser: { readonly user: string; readonly address: string },
  ): Promise<URL> {
    const { code, message, hint } = why;
    const { record, revision } = await this.open(id);
    const failure = { code, message, ...(hint === undefined ? {} : { hint }) };
    await this.#update(id, { ...record, outcome: { failure } }, revision);
    const { method } = record;
    await this.#options.events.record(loginEvent({ ...browser, method, mfa: null, error: reasonOf(why) }));
    return callbackOf(record, { error: "login_failed" });
  }

  /**
   * The certificate, once, for who began the login. User, roles and locks are judged as they are now.
   *
   * @throws PosternError `browser_login_refused` for a wrong code or verifier, `browser_login_unknown`, why it came to
   * nothing, `login_locked`, `login_refused`, `login_limited`, `audit_unavailable`
   */
  async redeem(redemption: Redemption): Promise<Login> {
    const { id, address } = redemption;
    requireAudit(this.#options.events, "log in");
    this.#takeTry(address);
    const { record, revision } = await this.#find(id);
    const { method, outcome, challenge } = record;
    if (outcome === undefined) throw unknown();
    const isOwn = isSameText(hashOf(redemption.verifier.reveal()), challenge);
    if ("failure" in outcome) {
      if (!isOwn) throw refused();
      await this.#spend(id, revision);
      const { code, message, hint } = outcome.failure;
      throw new PosternError(code, message, hint === undefined ? {} : { hint });
    }
    const { user, mfa } = outcome.proof;
    const facts = { user, method, mfa, address };
    const { events } = this.#options;
    try {
      const isRight = redemption.code !== undefined && isSameText(hashOf(redemption.code.reveal()), outcome.code_hash);
      // Who has the code and not the verifier has it from somewhere else: it is to be worth nothing to anybody.
      if (isRight) await this.#spend(id, revision);
      if (!isRight || !isOwn) throw refused();
      const login = await this.#admit(record, outcome.proof);
      await events.record(loginEvent({ ...facts, error: null }));
      return login;
    } catch (thrown) {
      // What is refused stays refused, whether or not that can be recorded.
      await events.record(loginEvent({ ...facts, error: reasonOf(thrown) })).catch(() => undefined);
      throw thrown;
    }
  }

  async #admit({ public_key: publicKey, lifetime }: BrowserLoginRecord, proof: Proof): Promise<Login> {
    if (proof.by === "connector") return this.#options.users.admit({ ...proof, publicKey, lifetime });
    const { user, mfa, mark } = proof;
    const stillProven = (): Promise<boolean> => this.#secrets.isStill(user, mark);
    return admit(this.#options, { user, mfaVerified: mfa !== null, publicKey, lifetime, stillProven });
  }

  /** @throws PosternError `browser_login_unknown` */
  async #find(id: string): Promise<KeptBrowserLogin> {
    const found = /^[0-9a-f]{32}$/.test(id) ? await this.#options.cluster.store.get(KIND, id) : undefined;
    const record = readBrowserLogin(found?.value);
    if (found?.expiresAt === undefined || this.#options.clock.now() >= found.expiresAt || record === undefined)
      throw unknown();
    return { record, revision: found.revision };
  }

  /** Whoever comes second finds another revision. */
  async #update(id: string, record: BrowserLoginRecord, revision: string): Promise<void> {
    const value = { ...record } as unknown as StoredValue;
    const where = { kind: KIND, name: id, value, revision, expiresAt: record.expires } as const;
    await this.#write(() => this.#options.cluster.store.write([{ op: "update", ...where }]));
  }

  async #spend(id: string, revision: string): Promise<void> {
    await this.#write(() => this.#options.cluster.store.write([{ op: "delete", kind: KIND, name: id, revision }]));
  }

  async #write(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      throw isRace(thrown) ? unknown() : thrown;
    }
  }

  #takeTry(address: string): void {
    const wait = this.#limiter.take(address);
    if (wait > 0) throw limited(wait);
  }
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof RefusedError ? thrown.why : messageOf(thrown);
}

/** Always this machine's own, as seen from the browser: what went wrong on the way there reaches nobody else. */
function callbackOf({ port, state }: BrowserLoginRecord, answer: Readonly<Record<string, string>>): URL {
  const url = new URL(`http://127.0.0.1:${port}/callback`);
  for (const [name, value] of Object.entries({ ...answer, state })) url.searchParams.set(name, value);
  return url;
}

/** As PKCE writes it. Both codes and verifiers are random and long: they need no slow hash. */
function unknown(): PosternError {
  return new PosternError(
    "browser_login_unknown",
    "Cannot log in: this login is unknown, was completed already, or took too long",
    { hint: "begin again: postern login" },
  );
}

function refused(): PosternError {
  return new PosternError("browser_login_refused", "Cannot log in: the code is not for who shows it", {
    hint: "begin again: postern login",
  });
}

function invalid(reason: string): PosternError {
  return new PosternError("browser_login_invalid", `Cannot begin a login in the browser: ${reason}`);
}
