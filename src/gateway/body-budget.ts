/** The memory that all bodies under way may take together: many large requests at once wait at their senders, not here. */

/** Bytes of request bodies that one process holds at most. A body is held until DynamoDB has answered. */
export const BODY_BUDGET_BYTES: number = 256 * 1024 * 1024;

/** What is left of the budget. */
export class BodyBudget {
  #free: number;

  constructor(bytes: number = BODY_BUDGET_BYTES) {
    this.#free = bytes;
  }

  /** A request's share, empty at first. It must be ended. */
  lease(): BodyLease {
    return new BodyLease(this);
  }

  /** Takes bytes out if they are there. */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#free += bytes;
  }
}

/** What one request has taken. */
export class BodyLease {
  readonly #budget: BodyBudget;
  #taken = 0;

  constructor(budget: BodyBudget) {
    this.#budget = budget;
  }

  /** Takes more; false when there is no room. */
  take(bytes: number): boolean {
    if (!this.#budget.take(bytes)) return false;
    this.#taken += bytes;
    return true;
  }

  /** Gives everything back. */
  end(): void {
    this.#budget.give(this.#taken);
    this.#taken = 0;
  }
}
