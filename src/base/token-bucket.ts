/** A bucket of tokens: how often something may happen at once, and in the long run. */

/** What a bucket holds. */
export interface BucketRule {
  /** At once. */
  readonly burst: number;
  /** How long it takes until there is one more, in milliseconds. */
  readonly every: number;
}

/** Full at first. Times are milliseconds that only grow. */
export class TokenBucket {
  readonly #rule: BucketRule;
  #left: number;
  #at: number;

  constructor(rule: BucketRule, now: number) {
    this.#rule = rule;
    this.#left = rule.burst;
    this.#at = now;
  }

  /** Takes one. Returns 0, or after how many milliseconds there is one again. */
  take(now: number): number {
    this.#fill(now);
    if (this.#left < 1) return Math.ceil((1 - this.#left) * this.#rule.every);
    this.#left--;
    return 0;
  }

  /** Whether it is as if nothing had ever been taken. */
  isFull(now: number): boolean {
    this.#fill(now);
    return this.#left === this.#rule.burst;
  }

  #fill(now: number): void {
    this.#left = Math.min(this.#rule.burst, this.#left + (now - this.#at) / this.#rule.every);
    this.#at = now;
  }
}
