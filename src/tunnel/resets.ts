/** How many streams of a session may be reset in a time: what answers HTTP/2 ends the session, with all that is in it, when there are more. */

import { setTimeout } from "node:timers";

/** Somewhat less than what nghttp2 bears (NGHTTP2_DEFAULT_STREAM_RESET_BURST and _RATE: 1000, and 33 a second). */
const BURST = 900;
const PER_SECOND = 30;

/** Lets resets through as the other end bears them, in the order in which they were asked for. */
export class Resets {
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #left = BURST;
  #countedAt: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param now milliseconds that only grow */
  constructor(now: () => number) {
    this.#now = now;
    this.#countedAt = now();
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
    const now = this.#now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#countedAt) / 1000) * PER_SECOND);
    this.#countedAt = now;
    for (; this.#left >= 1 && this.#waiting.length > 0; this.#left--) this.#waiting.shift()?.();
    if (this.#waiting.length === 0) return;
    this.#timer = setTimeout(() => this.#go(), Math.ceil((1000 * (1 - this.#left)) / PER_SECOND));
    this.#timer.unref();
  }
}
