/** Logging in: a password and a second factor, tried not too often, for a certificate that does not last long. */

import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { AddressLimiter, NOTE_RULE } from "../identity/lockout.ts";
import type { Passkeys } from "../identity/passkeys.ts";
import type { Passwords } from "../identity/passwords.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import { NO_TRIES, TryCounter } from "../identity/tries.ts";
import { isRace } from "../store/store-errors.ts";
import type { Write } from "../store/store.ts";
import type { EventSink } from "./administration.ts";
import { requireAudit } from "./audit-health.ts";
import { admit, type Login, RefusedError } from "./admission.ts";
import type { Proof } from "./browser-login-record.ts";
import type { Cluster } from "./cluster.ts";
import { loginEvent } from "./login-event.ts";
import { codeJudge, type FactorVerdict, type JudgeFactor, passkeyJudge } from "./second-factors.ts";
import { markOf, type ReadSecrets, SecretsStore, type UserSecrets } from "./user-secrets.ts";
import { isStorable } from "./world.ts";

export interface LoginsOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly passwords: Passwords;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly secondFactor: SecondFactor;
  /** Whether anybody is let in by a password at all. */
  readonly localAuth?: boolean;
  /** Needed where `secondFactor` is `webauthn`. */
  readonly passkeys?: Passkeys | undefined;
}

/** What somebody says of who they are. */
interface Credentials {
  readonly user: string;
  readonly password: Secret;
  /** Where the attempt comes from; null from the machine itself. */
  readonly address: string | null;
}

/** What somebody gives who wants to log in. */
export interface LoginAttempt extends Credentials {
  /** The code of the authenticator app; needed where the cluster asks for a second factor. */
  readonly code?: string | undefined;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds; at most what the user's roles allow. */
  readonly lifetime?: number | undefined;
}

/** What a page sends of somebody who wants to log in. */
export interface PasskeyAttempt extends Credentials {
  /** What the browser answered, as JSON. */
  readonly passkey: string;
  /** The login that the page was for. */
  readonly login: string;
}

type Mfa = FactorVerdict["mfa"];

/** What was shown. */
interface ShownProof {
  readonly mfa: Mfa;
  /** Of the password. */
  readonly mark: string;
}

const NOBODY: ReadSecrets = { secrets: NO_TRIES, revision: undefined };
/** Somebody else tried at the same moment: judged anew, so often. */
const MAX_ATTEMPTS = 5;

/** The logins of one cluster. */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #secrets: SecretsStore;
  readonly #tries: TryCounter;
  readonly #limiter: AddressLimiter;
  readonly #noted: AddressLimiter;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#secrets = new SecretsStore(options.cluster.store, options.ring);
    this.#tries = new TryCounter(options.clock);
    this.#limiter = new AddressLimiter(options.clock);
    this.#noted = new AddressLimiter(options.clock, NOTE_RULE);
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
    const mfa = attempt.code === undefined ? null : "totp";
    return await this.#recording(attempt, mfa, async () => {
      const { mfa: shown, mark } = await this.#prove(attempt, codeJudge(attempt.code, this.#options));
      const stillProven = (): Promise<boolean> => this.#secrets.isStill(attempt.user, mark);
      const login = await admit(this.#options, { ...attempt, mfaVerified: shown !== null, stillProven });
      await this.#record(attempt, mfa, null);
      return login;
    });
  }

  /**
   * Checks password and passkey. That somebody is in goes on record when they get their certificate, all else at once.
   *
   * @throws PosternError as `logIn()`
   */
  async prove(attempt: PasskeyAttempt): Promise<Proof> {
    const { passkeys, cluster } = this.#options;
    if (passkeys === undefined) throw new Error("Passkeys are shown to a cluster that has none");
    const judge = passkeyJudge(attempt.passkey, { passkeys, subject: attempt.login, store: cluster.store });
    return await this.#recording(attempt, "webauthn", async () => {
      return { by: "local", user: attempt.user, ...(await this.#prove(attempt, judge)) };
    });
  }

  async #recording<T>(attempt: Credentials, mfa: Mfa, work: () => Promise<T>): Promise<T> {
    const { events } = this.#options;
    requireAudit(events, "log in");
    try {
      const wait = this.#limiter.take(attempt.address ?? "");
      if (attempt.address !== null && wait > 0) throw limited(wait);
      if (this.#options.localAuth === false) throw localAuthOff();
      return await work();
    } catch (thrown) {
      const isLimited = thrown instanceof PosternError && thrown.code === "login_limited";
      if (isLimited && this.#noted.take(attempt.address ?? "") > 0) throw thrown;
      const reason = thrown instanceof RefusedError ? thrown.why : messageOf(thrown);
      // What is refused stays refused, whether or not that can be recorded.
      await this.#record(attempt, mfa, reason).catch(() => undefined);
      throw thrown;
    }
  }

  async #prove(attempt: Credentials, judge: JudgeFactor): Promise<ShownProof> {
    const { passwords } = this.#options;
    const { secrets } = await this.#secretsOf(attempt.user);
    const wasShut = this.#isShut(secrets, attempt);
    // Who is locked out is told nothing else, and nothing sooner, than who is unknown.
    const verdict = await passwords.verify(attempt.password, wasShut ? undefined : secrets.password);
    const password = verdict.ok && verdict.stale ? await passwords.hash(attempt.password) : secrets.password;
    for (let round = 1; round <= MAX_ATTEMPTS; round++) {
      // That took a while, in which others may have tried: what counts is how things stand now.
      const read = await this.#secretsOf(attempt.user);
      const isShut = wasShut || this.#isShut(read.secrets, attempt);
      const isRight = verdict.ok && read.secrets.password === secrets.password;
      const factor = await judge(read.secrets);
      const why = isShut ? "too many failures" : isRight ? factor.fault : "wrong user or password";
      try {
        if (why === undefined) {
          await this.#settle(attempt, read, password, factor);
          return { mfa: factor.mfa, mark: markOf(password ?? "") };
        }
        if (!isShut) await this.#fail(attempt, read, factor);
      } catch (thrown) {
        // Only this is done again, not the costly part: how long it takes must not tell who exists or who is right.
        if (isRace(thrown)) continue;
        throw thrown;
      }
      throw new RefusedError(why);
    }
    throw new RefusedError("too many attempts at the same moment");
  }

  async #secretsOf(user: string): Promise<ReadSecrets> {
    return isStorable(user) ? await this.#secrets.read(user) : NOBODY;
  }

  #isShut(secrets: UserSecrets, { address }: Credentials): boolean {
    return this.#tries.lockedUntil(secrets, address ?? "") !== undefined;
  }

  /** A factor counts once: that is written before anybody is in. */
  async #settle(
    { user, address }: Credentials,
    { secrets, revision }: ReadSecrets,
    password: string | undefined,
    { next, writes = [] }: FactorVerdict,
  ): Promise<void> {
    const { lockout, familiar } = secrets;
    const before = { lockout, familiar };
    const tries = this.#tries.succeeded(before, address ?? "");
    if (password === secrets.password && next === undefined && tries === before) return;
    const settled: UserSecrets = {
      ...secrets,
      ...(password === undefined ? {} : { password }),
      ...next,
      ...tries,
    };
    await this.#write(user, settled, revision, writes);
  }

  /** Nothing is kept of users that are not there: names would fill the store. */
  async #fail(
    { user, address }: Credentials,
    { secrets, revision }: ReadSecrets,
    { writes = [] }: FactorVerdict,
  ): Promise<void> {
    if (revision === undefined) return;
    const place = address ?? "";
    const tries = this.#tries.failed(secrets, place);
    await this.#write(user, { ...secrets, ...tries }, revision, writes);
    const lockedUntil = this.#tries.lockedUntil(tries, place);
    if (lockedUntil === undefined) return;
    const until = new Date(lockedUntil).toISOString();
    await this.#options.events.record({
      event: "postern.user.locked_out",
      code: "PUL01W",
      user,
      "addr.remote": address,
      locked_until: until,
    });
  }

  async #write(
    user: string,
    secrets: UserSecrets,
    revision: string | undefined,
    more: readonly Write[],
  ): Promise<void> {
    await this.#options.cluster.store.write([this.#secrets.writeOf(user, secrets, revision), ...more]);
  }

  #record({ user, address }: Credentials, mfa: Mfa, error: string | null): Promise<void> {
    return this.#options.events.record(loginEvent({ user, method: "local", mfa, address, error }));
  }
}

function localAuthOff(): PosternError {
  return new PosternError("local_auth_off", "Cannot log in by password: this cluster lets nobody in that way", {
    hint: "postern login --auth=CONNECTOR",
  });
}

function limited(wait: number): PosternError {
  return new PosternError("login_limited", "Cannot log in: there were too many attempts from this address", {
    hint: `try again in ${Math.ceil(wait / 1000)} s`,
  });
}
