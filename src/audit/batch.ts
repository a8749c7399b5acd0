/** Records waiting for one write, and the promises of those who wait for them. */

import type { OpenRequest } from "./open-requests.ts";
import { MAX_APPEND_BYTES, spaceOf } from "./journal.ts";

/** Lines that go to the disk together. `outcomes` may use the reserve when the disk is full, `fresh` may not. */
export class Batch {
  readonly fresh = new Ticket();
  readonly outcomes = new Ticket();
  #space = 0;

  /** Whether `text` fits in beside what is here. */
  hasRoomFor(text: string): boolean {
    return this.#space + spaceOf(text) <= MAX_APPEND_BYTES;
  }

  /** How many records wait here. */
  get size(): number {
    return this.fresh.texts.length + this.outcomes.texts.length;
  }

  /** Adds a record; the promise is shared by all of its kind in this batch. */
  add(text: string, ended: OpenRequest | undefined): Promise<void> {
    this.#space += spaceOf(text);
    const ticket = ended === undefined ? this.fresh : this.outcomes;
    ticket.texts.push(text);
    if (ended !== undefined) ticket.ended.push(ended);
    return ticket.promise;
  }

  /** Takes the oldest record out; returns whether there was one. */
  dropOldest(): boolean {
    const { outcomes, fresh } = this;
    if (outcomes.texts.shift() === undefined) return fresh.texts.shift() !== undefined;
    outcomes.ended.shift();
    return true;
  }
}

/** The records of one kind in a batch. */
export class Ticket {
  readonly texts: string[] = [];
  /** Which requests the texts end, in their order; empty for other records. */
  readonly ended: OpenRequest[] = [];
  readonly promise: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (reason: Error) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who records without waiting still must not end the process; `onFault` tells of it.
    this.promise.catch(() => undefined);
  }

  resolve(): void {
    this.#resolve();
  }

  reject(reason: Error): void {
    this.#reject(reason);
  }
}
