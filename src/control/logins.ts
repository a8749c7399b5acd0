/** Logging in: a password and a code, tried not too often, for a certificate that does not last long. */

import { Buffer } from "node:buffer";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { AddressLimiter, type AddressRule, Lockout, NO_FAILURES } from "../identity/lockout.ts";
import { nameFault } from "../identity/names.ts";
import type { Passwords } from "../identity/passwords.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import { checkTotp } from "../identity/totp.ts";
import { isRace } from "../store/store-errors.ts";
import type { EventSink } from "./administration.ts";
import { admit, type Login, RefusedError } from "./admission.ts";
import type { Cluster } from "./cluster.ts";
import { loginEvent } from "./login-event.ts";
import { type ReadSecrets, SecretsStore, type UserSecrets } from "./user-secrets.ts";

export interface LoginsOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly passwords: Passwords;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly secondFactor: SecondFactor;
}

/** What somebody gives who wants to log in. */
export interface LoginAttempt {
  readonly user: string;
  readonly password: Secret;
  /** The code of the authenticator app; needed where the cluster asks for a second factor. */
  readonly code?: string | undefined;
  /** Where the attempt comes from; null from the machine itself. */
  readonly address: string | null;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds; at most what the user's roles allow. */
  readonly lifetime?: number | undefined;
}

const NOBODY: ReadSecrets = { secrets: { lockout: NO_FAILURES }, revision: undefined };
/** As much as a store takes. */
const MAX_NAME_BYTES = 255;
/** Of attempts beyond an address's limit, how many are written down: strangers must not be able to fill the log. */
const NOTES: AddressRule = { burst: 5, every: 60_000, addresses: 10_000 };
/** Somebody else tried at the same moment: judged anew, so often. */
const MAX_ATTEMPTS = 5;

/** The logins of one cluster. */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #secrets: SecretsStore;
  readonly #lockout: Lockout;
  readonly #limiter: AddressLimiter;
  readonly #noted: AddressLimiter;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#secrets = new SecretsStore(options.cluster.store, options.ring);
    this.#lockout = new Lockout(options.clock);
    this.#limiter = new AddressLimiter(options.clock);
    this.#noted = new AddressLimiter(options.clock, NOTES);
  }

  /**
   * Checks password and code and issues a certificate. Every attempt goes on record, of those beyond an address's
   * limit the first ones.
   *
   * @throws PosternError `login_refused` in the same words for an unknown user, a wrong password, a wrong or used code and
   * too many failures; `login_limited` for too many attempts from an address; `login_locked` for who is right, but locked;
   * `audit_unavailable`
   */
  async logIn(attempt: LoginAttempt): Promise<Login> {
    const { events } = this.#options;
    if (!events.healthy) throw new PosternError("audit_unavailable", "Cannot log in: the audit log cannot be written");
    try {
      const wait = this.#limiter.take(attempt.address ?? "");
      if (attempt.address !== null && wait > 0) throw limited(wait);
      const mfaVerified = await this.#prove(attempt);
      const login = await admit(this.#options, { ...attempt, mfaVerified });
      await this.#record(attempt, null);
      return login;
    } catch (thrown) {
      const isLimited = thrown instanceof PosternError && thrown.code === "login_limited";
      if (isLimited && this.#noted.take(attempt.address ?? "") > 0) throw thrown;
      const reason = thrown instanceof RefusedError ? thrown.why : messageOf(thrown);
      // What is refused stays refused, whether or not that can be recorded.
      await this.#record(attempt, reason).catch(() => undefined);
      throw thrown;
    }
  }

  /** @returns whether a second factor was shown */
  async #prove(attempt: LoginAttempt): Promise<boolean> {
    const { passwords } = this.#options;
    const { secrets } = await this.#secretsOf(attempt.user);
    const wasShut = this.#isShut(secrets);
    // Who is locked out is told nothing else, and nothing sooner, than who is unknown.
    const verdict = await passwords.verify(attempt.password, wasShut ? undefined : secrets.password);
    const password = verdict.ok && verdict.stale ? await passwords.hash(attempt.password) : secrets.password;
    for (let round = 1; round <= MAX_ATTEMPTS; round++) {
      // That took a while, in which others may have tried: what counts is how things stand now.
      const read = await this.#secretsOf(attempt.user);
      const isShut = wasShut || this.#isShut(read.secrets);
      const isRight = verdict.ok && read.secrets.password === secrets.password;
      const code = this.#judgeCode(read.secrets, attempt.code);
      const why = isShut ? "too many failures" : isRight ? code.fault : "wrong user or password";
      try {
        if (why === undefined) {
          await this.#settle(attempt.user, read, { password, counter: code.counter });
          return code.counter !== undefined;
        }
        if (!isShut) await this.#fail(attempt, read);
      } catch (thrown) {
        // Only this is done again, not the costly part: how long it takes must not tell who exists or who is right.
        if (isRace(thrown)) continue;
        throw thrown;
      }
      throw new RefusedError(why);
    }
    throw new RefusedError("too many attempts at the same moment");
  }

  /** What can be nobody's name is looked up nowhere. */
  async #secretsOf(user: string): Promise<ReadSecrets> {
    const isName = nameFault(user) === undefined && Buffer.byteLength(user) <= MAX_NAME_BYTES;
    return isName ? await this.#secrets.read(user) : NOBODY;
  }

  #isShut({ lockout }: UserSecrets): boolean {
    return this.#lockout.lockedUntil(lockout) !== undefined;
  }

  #judgeCode(
    { totp, passkeys }: UserSecrets,
    code: string | undefined,
  ): { readonly fault: string | undefined; readonly counter?: number } {
    if (this.#options.secondFactor === "webauthn" || passkeys !== undefined) return { fault: "no passkey was shown" };
    if (this.#options.secondFactor === "off" && totp === undefined) return { fault: undefined };
    if (totp === undefined) return { fault: "no second factor is set up" };
    const verdict = checkTotp({
      secret: totp.secret,
      code: code ?? "",
      lastCounter: totp.lastCounter,
      now: this.#options.clock.now(),
    });
    return verdict.ok ? { fault: undefined, counter: verdict.counter } : { fault: `${verdict.reason} code` };
  }

  /** A code counts once: it is written before anybody is in. */
  async #settle(
    user: string,
    { secrets, revision }: ReadSecrets,
    { password, counter }: { readonly password: string | undefined; readonly counter: number | undefined },
  ): Promise<void> {
    const unchanged = password === secrets.password && counter === undefined && secrets.lockout.failures.length === 0;
    if (unchanged && secrets.lockout.locked_until === null) return;
    const { totp } = secrets;
    const next: UserSecrets = {
      ...secrets,
      ...(password === undefined ? {} : { password }),
      ...(totp === undefined || counter === undefined ? {} : { totp: { secret: totp.secret, lastCounter: counter } }),
      lockout: { failures: [], locked_until: null },
    };
    await this.#secrets.write(user, next, revision);
  }

  /** Nothing is kept of users that are not there: names would fill the store. */
  async #fail({ user, address }: LoginAttempt, { secrets, revision }: ReadSecrets): Promise<void> {
    if (revision === undefined) return;
    const lockout = this.#lockout.failed(secrets.lockout);
    await this.#secrets.write(user, { ...secrets, lockout }, revision);
    if (lockout.locked_until === null) return;
    const until = new Date(lockout.locked_until).toISOString();
    await this.#options.events.record({
      event: "postern.user.locked_out",
      code: "PUL01W",
      user,
      "addr.remote": address,
      locked_until: until,
    });
  }

  #record({ user, code, address }: LoginAttempt, error: string | null): Promise<void> {
    const mfa = code === undefined ? null : "totp";
    return this.#options.events.record(loginEvent({ user, method: "local", mfa, address, error }));
  }
}

function limited(wait: number): PosternError {
  return new PosternError("login_limited", "Cannot log in: there were too many attempts from this address", {
    hint: `try again in ${Math.ceil(wait / 1000)} s`,
  });
}
