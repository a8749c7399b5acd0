/** How often an agent may tell news of itself: each line is read by the thread that carries everybody's bytes. */

/** Lines at once: of all that changes while an agent starts, is renewed, or drains, or that waited behind data. */
const BURST = 40;

/** More than agents ever tell: they look twice a second whether there is something to tell. */
const PER_SECOND = 3;

/** Counts the lines of one host, by whichever tunnels they come: who is ended for it could come again at once. */
export class NewsRate {
  readonly #now: () => number;
  #left = BURST;
  #countedAt: number;

  /** @param now milliseconds that only grow */
  constructor(now: () => number) {
    this.#now = now;
    this.#countedAt = now();
  }

  /** Whether it is as if there had been none. */
  get isForgotten(): boolean {
    this.#count();
    return this.#left === BURST;
  }

  /** Counts one line; false when it is one too many. */
  take(): boolean {
    this.#count();
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  #count(): void {
    const now = this.#now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#countedAt) / 1000) * PER_SECOND);
    this.#countedAt = now;
  }
}
