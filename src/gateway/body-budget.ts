/** The memory that all bodies under way may take together: many large requests at once wait at their senders, not here. */

/** Bytes of request bodies that one process holds at most. A body is held until DynamoDB has answered. */
export const BODY_BUDGET_BYTES: number = 256 * 1024 * 1024;

/** Whose a body is. */
export interface BodyHolder {
  readonly user: string;
  /** Whether it is only said to be the user's, so far. */
  readonly unproven?: boolean;
}

/** What is left of the budget. */
export class BodyBudget {
  readonly #all: Pot;
  /** Part of it: all bodies together of which nobody has proven that they are theirs. */
  readonly #unproven: Pot;

  constructor(bytes: number = BODY_BUDGET_BYTES) {
    this.#all = new Pot(bytes);
    this.#unproven = new Pot(bytes / 2);
  }

  /**
   * A request's share, empty at first. It must be ended. A user's requests have a share together; those of nobody in particular
   * are bound by what there is.
   */
  lease(holder?: BodyHolder): BodyLease {
    const pots = holder?.unproven === true ? [this.#all, this.#unproven] : [this.#all];
    return new BodyLease(pots, holder?.user);
  }
}

/**
 * For each byte that a user holds, so many must be free for others. So one user alone has a quarter, many together each as much
 * as the next, and whoever comes after them finds room: a fixed share would let a few users together take all of it.
 */
const FREE_FOR_EACH = 3;

/** Bytes that are taken and given back. */
class Pot {
  #free: number;
  readonly #held = new Map<string, number>();

  constructor(bytes: number) {
    this.#free = bytes;
  }

  has(bytes: number, user: string | undefined): boolean {
    const left = this.#free - bytes;
    if (user === undefined || bytes === 0) return left >= 0;
    return ((this.#held.get(user) ?? 0) + bytes) * FREE_FOR_EACH <= left;
  }

  /** Takes bytes, or gives them back where they are negative. */
  take(bytes: number, user: string | undefined): void {
    this.#free -= bytes;
    if (user === undefined) return;
    const held = (this.#held.get(user) ?? 0) + bytes;
    if (held > 0) this.#held.set(user, held);
    else this.#held.delete(user);
  }
}

/** What one request has taken. */
export class BodyLease {
  #pots: readonly Pot[];
  readonly #user: string | undefined;
  #taken = 0;

  constructor(pots: readonly Pot[], user: string | undefined) {
    this.#pots = pots;
    this.#user = user;
  }

  /** Takes more; false when there is no room. */
  take(bytes: number): boolean {
    if (!this.#pots.every((pot) => pot.has(bytes, this.#user))) return false;
    this.#take(bytes);
    return true;
  }

  /** Gives back what turned out not to be needed. */
  give(bytes: number): void {
    this.#take(-bytes);
  }

  /** Whose it is said to be has proven it. */
  prove(): void {
    const [all, unproven] = this.#pots;
    if (all === undefined || unproven === undefined) return;
    unproven.take(-this.#taken, this.#user);
    this.#pots = [all];
  }

  /** Gives everything back. */
  end(): void {
    if (this.#taken > 0) this.#take(-this.#taken);
  }

  #take(bytes: number): void {
    for (const pot of this.#pots) pot.take(bytes, this.#user);
    this.#taken += bytes;
  }
}
