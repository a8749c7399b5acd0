/** How many streams of a session may be reset in a time: what answers HTTP/2 ends the session, with all that is in it, when there are more. */

import { setTimeout } from "node:timers";
import { type BucketRule, TokenBucket } from "../base/token-bucket.ts";

/** Somewhat less than what nghttp2 bears (NGHTTP2_DEFAULT_STREAM_RESET_BURST and _RATE: 1000, and 33 a second). */
const RULE: BucketRule = { burst: 900, every: 1000 / 30 };

/** Lets resets through as the other end bears them, in the order in which they were asked for. */
export class Resets {
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  readonly #bucket: TokenBucket;
  #timer: NodeJS.Timeout | undefined;

  /** @param now milliseconds that only grow */
  constructor(now: () => number) {
    this.#now = now;
    this.#bucket = new TokenBucket(RULE, now());
  }

  /** Calls it now, or when there is room for one more. */
  whenBorne(reset: () => void): void {
    this.#waiting.push(reset);
    if (this.#timer === undefined) this.#go();
  }

  /** Calls all that wait: the session has ended. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const reset of this.#waiting.splice(0)) reset();
  }

  #go(): void {
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const wait = this.#bucket.take(this.#now());
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#go(), wait);
        this.#timer.unref();
        return;
      }
      this.#waiting.shift()?.();
    }
  }
}
