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

/** Keeps the credentials of one route. */
export class RouteKeeper {
  readonly #options: RouteKeeperOptions;
  #current: RouteCredentials | undefined;
  #asking: Promise<RouteCredentials> | undefined;
  #since = 0;
  #notBefore = 0;

  constructor(options: RouteKeeperOptions) {
    this.#options = options;
  }

  /** Credentials that hold now; who asks at the same time gets the same. Rejects with why there are none. */
  async current(): Promise<RouteCredentials> {
    const { clock, onFailed } = this.#options;
    const now = clock.now();
    const current = this.#current;
    if (current === undefined || now >= current.expires) return await this.#ask();
    const renewAt = this.#since + RENEW_AT * (current.expires - this.#since);
    if (now >= renewAt && now >= this.#notBefore && this.#asking === undefined) {
      this.#notBefore = now + RETRY_MS;
      // Those at hand serve meanwhile.
      this.#ask().catch(onFailed);
    }
    return current;
  }

  #ask(): Promise<RouteCredentials> {
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
