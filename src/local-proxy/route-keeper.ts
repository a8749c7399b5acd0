/** The certificate that the way to a database is opened with: in memory, and renewed in time. */

import type { Clock } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";

/** What a connection to the database's agent is opened with. */
export interface RouteCredentials {
  /** PEM. */
  readonly certificate: string;
  /** PEM of PKCS #8, which is in no file. */
  readonly privateKey: Secret;
  /** PEM of those who vouch for the cluster's agents. */
  readonly trusted: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

export interface RouteKeeperOptions {
  /** Asks the cluster for credentials; rejects with why there are none. */
  readonly issue: () => Promise<RouteCredentials>;
  readonly clock: Clock;
  /** Called when others than the first came that hold longer. */
  readonly onRenewed: (credentials: RouteCredentials) => void;
  /** Called when others could not be had, while those at hand still hold. */
  readonly onFailed: (error: unknown) => void;
}

/** At two thirds of what was left of its life when it came; agents end connections in the last fifth, so that clients open others by the new one. */
const RENEW_AT = 2 / 3;
/** Between two tries, in milliseconds: at the end of a login no other holds longer. */
const RETRY_MS = 15_000;
/** What was asked for so recently is asked for no better now. */
const FRESH_MS = 1000;

/** Keeps the credentials of one route. */
export class RouteKeeper {
  readonly #options: RouteKeeperOptions;
  #current: RouteCredentials | undefined;
  #asking: Promise<RouteCredentials> | undefined;
  #since = 0;
  #notBefore = 0;
  #isDoubted = false;
  #askedAt = -Infinity;

  constructor(options: RouteKeeperOptions) {
    this.#options = options;
  }

  /** Credentials that hold now; who asks at the same time gets the same. Rejects with why there are none. */
  async current(): Promise<RouteCredentials> {
    const { clock, onFailed } = this.#options;
    const now = clock.now();
    const current = this.#current;
    if (current === undefined || now >= current.expires) return await this.#ask();
    if (this.#isDoubted) return await this.#ask().catch(() => current);
    const renewAt = this.#since + RENEW_AT * (current.expires - this.#since);
    if (now >= renewAt && now >= this.#notBefore && this.#asking === undefined) {
      this.#notBefore = now + RETRY_MS;
      // Those at hand serve meanwhile.
      this.#ask().catch(onFailed);
    }
    return current;
  }

  /** These were not accepted, it seems: the cluster's authorities may be others now. Others are asked for, at most now and then. */
  doubt(credentials: RouteCredentials): void {
    const now = this.#options.clock.now();
    if (credentials !== this.#current || now < this.#notBefore) return;
    this.#notBefore = now + RETRY_MS;
    this.#isDoubted = true;
  }

  /**
   * Others than these, which do not fit what answers; these when there are none. Who asks at the same time gets the same, and
   * those that are a moment old do not make others.
   */
  async instead(of: RouteCredentials): Promise<RouteCredentials> {
    const now = this.#options.clock.now();
    if (this.#current !== undefined && this.#current !== of) return this.#current;
    if (this.#asking === undefined && now < this.#askedAt + FRESH_MS) return of;
    return await this.#ask().catch(() => of);
  }

  #ask(): Promise<RouteCredentials> {
    this.#isDoubted = false;
    if (this.#asking === undefined) this.#askedAt = this.#options.clock.now();
    this.#asking ??= this.#next().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #next(): Promise<RouteCredentials> {
    const { issue, clock, onRenewed } = this.#options;
    const next = await issue();
    const before = this.#current;
    this.#current = next;
    this.#since = clock.now();
    if (before !== undefined && next.expires > before.expires) onRenewed(next);
    return next;
  }
}
