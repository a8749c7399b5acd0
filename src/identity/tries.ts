/** Tries of a user to log in: those from where the user got in before are counted apart from everybody else's. */

import type { Clock } from "../base/clock.ts";
import { networkOf } from "../base/network.ts";
import {
  Lockout,
  LOCKOUT_RULE,
  type LockoutRule,
  type LockoutState,
  NO_FAILURES,
  readLockoutState,
} from "./lockout.ts";

/** What is kept of a user's tries: plain JSON. */
export interface Tries {
  /** Of everywhere that is not familiar, together. */
  readonly lockout: LockoutState;
  /** Where the user got in, the newest first. */
  readonly familiar: readonly FamiliarNetwork[];
}

export interface FamiliarNetwork {
  /** An IPv4 address, or the first 64 bits of an IPv6 one. */
  readonly network: string;
  readonly lockout: LockoutState;
}

/** A user whom nobody has tried to be yet. */
export const NO_TRIES: Tries = Object.freeze({ lockout: NO_FAILURES, familiar: Object.freeze([]) });

/** More make guessing cheaper: each has failures of its own. */
const MAX_FAMILIAR = 8;

/**
 * From one state to the next; whoever keeps states writes what comes back before it answers. Strangers share one lock, so
 * that many addresses give no more guesses than one, and cannot shut a user out where the user has been before.
 */
export class TryCounter {
  readonly #lockout: Lockout;

  constructor(clock: Clock, rule: LockoutRule = LOCKOUT_RULE) {
    this.#lockout = new Lockout(clock, rule);
  }

  /** Until when nobody at this address can log in as this user; undefined when somebody can. */
  lockedUntil(tries: Tries, address: string): number | undefined {
    return this.#lockout.lockedUntil(stateAt(tries, networkOf(address)));
  }

  failed(tries: Tries, address: string): Tries {
    const network = networkOf(address);
    return withState(tries, network, this.#lockout.failed(stateAt(tries, network)));
  }

  /** The same object when there is nothing to keep. */
  succeeded(tries: Tries, address: string): Tries {
    const network = networkOf(address);
    if (isFamiliar(tries, network)) {
      const { failures, locked_until } = stateAt(tries, network);
      // A user who gets in at home does not give strangers their guesses back.
      return failures.length === 0 && locked_until === null ? tries : withState(tries, network, NO_FAILURES);
    }
    const familiar = [{ network, lockout: NO_FAILURES }, ...tries.familiar].slice(0, MAX_FAMILIAR);
    return { lockout: NO_FAILURES, familiar };
  }
}

/** Reads what was kept as JSON. @throws PosternError `lockout_state_invalid`: what cannot be read must not count as none */
export function readTries(lockout: unknown, familiar: readonly { network: string; lockout?: unknown }[]): Tries {
  return {
    lockout: readLockoutState(lockout),
    familiar: familiar.map((one) => ({ network: one.network, lockout: readLockoutState(one.lockout) })),
  };
}

function isFamiliar({ familiar }: Tries, network: string): boolean {
  return familiar.some((one) => one.network === network);
}

function stateAt({ lockout, familiar }: Tries, network: string): LockoutState {
  return familiar.find((one) => one.network === network)?.lockout ?? lockout;
}

function withState(tries: Tries, network: string, lockout: LockoutState): Tries {
  if (!isFamiliar(tries, network)) return { ...tries, lockout };
  return { ...tries, familiar: tries.familiar.map((one) => (one.network === network ? { network, lockout } : one)) };
}
