/** How long is waited at most: a time, or until the client for whom it is waited has gone. */

import { type Departure, type DepartureListener, STAYING } from "./ports.ts";

/** Over once; to be ended when nobody waits any more, or its timer stays. */
export class Patience implements Departure, DepartureListener {
  gone = false;
  /** Resolves when it is over. */
  readonly over: Promise<void>;
  readonly #listeners: DepartureListener[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(milliseconds: number, client: Departure = STAYING) {
    this.over = new Promise((resolve) => {
      this.#listeners.push({ clientGone: resolve });
    });
    this.#timer = setTimeout(() => this.clientGone(), milliseconds);
    if (client.gone) this.clientGone();
    else client.onGone(this);
  }

  onGone(listener: DepartureListener): void {
    this.#listeners.push(listener);
  }

  clientGone(): void {
    if (this.gone) return;
    this.gone = true;
    clearTimeout(this.#timer);
    for (const listener of this.#listeners) listener.clientGone();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
