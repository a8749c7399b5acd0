/** Keeps temporary credentials: one fetch per key at a time, renewed ahead of expiry, kept while renewal fails. */

import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import type { AwsCredentials } from "./aws-credentials.ts";
import { AwsError } from "./errors.ts";

/** What a cache is made of. `R` is what a fetch needs to know. */
export interface CredentialCacheOptions<R> {
  readonly fetch: (request: R) => Promise<AwsCredentials>;
  readonly clock: Clock;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  /** Most keys kept; the least recently used goes first. */
  readonly max: number;
  /** Most fetches under way at once; past it `obtain` fails with `sts_busy`. */
  readonly maxInFlight: number;
  /** Hears of renewals that failed in the background, where no caller does. */
  readonly onRefreshFailure?: ((error: AwsError, request: R) => void) | undefined;
}

/** Nothing here starts a timer: a key that nobody asks for is not renewed, and expires. */
export class CredentialCache<R> {
  readonly #options: CredentialCacheOptions<R>;
  readonly #entries: LRUCache<string, Entry<R>>;
  #inFlight = 0;

  constructor(options: CredentialCacheOptions<R>) {
    this.#options = options;
    this.#entries = new LRUCache({ max: options.max });
  }

  /** Credentials that can be used now, without waiting; starts their renewal when it is due. */
  peek(key: string, request: R): AwsCredentials | undefined {
    const entry = this.#entries.get(key);
    const credentials = entry?.credentials;
    if (entry === undefined || credentials === undefined) return undefined;
    const now = this.#options.clock.now();
    if (now >= entry.usableUntil) return undefined;
    if (now >= entry.refreshAt && entry.pending === undefined && this.#mayFetch(entry)) {
      this.#fetch(entry, request).catch((error: AwsError) => this.#options.onRefreshFailure?.(error, request));
    }
    return credentials;
  }

  /**
   * Credentials that can be used now, fetched if need be. Callers of one key share one fetch; after a failure they share
   * its error for a second or so, so that a service that is down is not hammered.
   */
  obtain(key: string, request: R): Promise<AwsCredentials> {
    const cached = this.peek(key, request);
    if (cached !== undefined) return Promise.resolve(cached);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { request, refreshAt: 0, usableUntil: 0, failures: 0, retryAt: 0 };
      this.#entries.set(key, entry);
    }
    if (entry.pending !== undefined) return entry.pending;
    if (entry.error !== undefined && this.#options.clock.monotonic() < entry.retryAt)
      return Promise.reject(entry.error);
    if (this.#inFlight >= this.#options.maxInFlight) {
      const message = `Cannot ask for credentials: ${this.#inFlight} requests for credentials are under way already`;
      return Promise.reject(new AwsError("sts_busy", message, { retryable: true }));
    }
    return this.#fetch(entry, request);
  }

  /** Forgets a key's credentials if they are still these: somebody else may have renewed them meanwhile. */
  drop(key: string, credentials: AwsCredentials): void {
    const entry = this.#entries.peek(key);
    if (entry?.credentials !== credentials) return;
    entry.credentials = undefined;
    entry.usableUntil = 0;
  }

  /** What is held and usable, the request that it was last fetched for beside it. */
  *held(): Generator<{ readonly request: R; readonly credentials: AwsCredentials }> {
    const now = this.#options.clock.now();
    for (const { request, credentials, usableUntil } of this.#entries.values()) {
      if (credentials !== undefined && now < usableUntil) yield { request, credentials };
    }
  }

  #mayFetch(entry: Entry<R>): boolean {
    return this.#options.clock.monotonic() >= entry.retryAt && this.#inFlight < this.#options.maxInFlight;
  }

  #fetch(entry: Entry<R>, request: R): Promise<AwsCredentials> {
    const { clock, random, fetch } = this.#options;
    this.#inFlight += 1;
    const pending = attempt(fetch, request)
      .then((credentials) => {
        const now = clock.now();
        const left = credentials.expiresAt - now;
        if (left <= MARGIN) {
          throw new AwsError(
            "sts_response_invalid",
            "Cannot use AWS credentials: they are already expired on arrival",
            {
              hint: "set this machine's clock: AWS and it disagree on the time",
              retryable: true,
            },
          );
        }
        entry.request = request;
        entry.credentials = credentials;
        entry.usableUntil = credentials.expiresAt - MARGIN;
        entry.refreshAt = Math.max(
          credentials.expiresAt - Math.min(LEAD, left * 0.4) * (0.75 + random() / 2),
          now + 10_000,
        );
        entry.failures = 0;
        entry.retryAt = 0;
        entry.error = undefined;
        return credentials;
      })
      .catch((thrown: unknown) => {
        const error = asAwsError(thrown);
        entry.failures += 1;
        entry.retryAt =
          clock.monotonic() + Math.min(1000 * 2 ** (entry.failures - 1), MAX_BACK_OFF) * (0.75 + random() / 2);
        entry.error = error;
        throw error;
      })
      .finally(() => {
        this.#inFlight -= 1;
        entry.pending = undefined;
      });
    entry.pending = pending;
    return pending;
  }
}

interface Entry<R> {
  request: R;
  credentials?: AwsCredentials | undefined;
  /** Wall time, in milliseconds, from which a use starts a renewal. */
  refreshAt: number;
  /** Wall time from which the credentials are not given out any more. */
  usableUntil: number;
  pending?: Promise<AwsCredentials> | undefined;
  failures: number;
  /** Monotonic time before which nothing is fetched again after a failure. */
  retryAt: number;
  error?: AwsError | undefined;
}

// A request signed now reaches AWS a little later, whose clock may be a little ahead.
const MARGIN = 15_000;
// Renewal begins 11 to 19 minutes before expiry, or at 50 to 70 % of a shorter life: long enough to outlive an outage
// of STS, spread so that a fleet that started together does not renew together.
const LEAD = 900_000;
const MAX_BACK_OFF = 4000;

/** A fetch that throws at once is a fetch that fails. */
async function attempt<R>(fetch: (request: R) => Promise<AwsCredentials>, request: R): Promise<AwsCredentials> {
  return await fetch(request);
}

function asAwsError(thrown: unknown): AwsError {
  if (thrown instanceof AwsError) return thrown;
  return new AwsError("sts_unreachable", "Cannot get AWS credentials: an unexpected failure", {
    cause: thrown,
    retryable: true,
  });
}
