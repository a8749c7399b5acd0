/** How often an agent may tell news of itself: each line is read by the thread that carries everybody's bytes. */

import { type BucketRule, TokenBucket } from "../base/token-bucket.ts";

/**
 * Lines at once: of all that changes while an agent starts, is renewed, or drains, or that waited behind data. Then three a second,
 * which is more than agents ever tell: they look twice a second whether there is something to tell.
 */
const RULE: BucketRule = { burst: 40, every: 1000 / 3 };

/** Counts the lines of one host, by whichever tunnels they come: who is ended for it could come again at once. */
export class NewsRate {
  readonly #now: () => number;
  readonly #bucket: TokenBucket;

  /** @param now milliseconds that only grow */
  constructor(now: () => number) {
    this.#now = now;
    this.#bucket = new TokenBucket(RULE, now());
  }

  /** Whether it is as if there had been none. */
  get isForgotten(): boolean {
    return this.#bucket.isFull(this.#now());
  }

  /** Counts one line; false when it is one too many. */
  take(): boolean {
    return this.#bucket.take(this.#now()) === 0;
  }
}
