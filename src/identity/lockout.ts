/** How often somebody may try to log in: a lock by user, and a bucket of tries by address. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { networkOf } from "../base/network.ts";
import { type BucketRule, TokenBucket } from "../base/token-bucket.ts";

/** When a user is locked out. */
export interface LockoutRule {
  /** So many failures … */
  readonly attempts: number;
  /** … within so many milliseconds … */
  readonly window: number;
  /** … lock for so many. */
  readonly lockFor: number;
}

/** Five failures within 30 minutes lock for 20, as in Teleport: 360 guesses a day, hopeless against 12 characters and a code. */
export const LOCKOUT_RULE: LockoutRule = { attempts: 5, window: 30 * 60_000, lockFor: 20 * 60_000 };

/** What is kept of a user's tries: plain JSON, times in milliseconds since the epoch. */
export interface LockoutState {
  /** The failures that still count, oldest first. */
  readonly failures: readonly number[];
  readonly locked_until: number | null;
}

/** A user without failures. */
export const NO_FAILURES: LockoutState = Object.freeze({ failures: Object.freeze([]), locked_until: null });

/**
 * From one state to the next; whoever keeps states writes what comes back before it answers. A wrong code counts like a
 * wrong password, so both are rate limited together.
 */
export class Lockout {
  readonly #clock: Clock;
  readonly #rule: LockoutRule;

  constructor(clock: Clock, rule: LockoutRule = LOCKOUT_RULE) {
    this.#clock = clock;
    this.#rule = rule;
  }

  /** Until when the user is locked out; undefined when it is not. Ask before the password is checked. */
  lockedUntil({ locked_until }: LockoutState): number | undefined {
    return locked_until !== null && this.#clock.now() < locked_until ? locked_until : undefined;
  }

  /** After a failure. Failures while locked change nothing: nobody can keep somebody else out for ever by trying on. */
  failed(state: LockoutState): LockoutState {
    if (this.lockedUntil(state) !== undefined) return state;
    const now = this.#clock.now();
    // A lock that is over has settled what came before it.
    const before = state.locked_until === null ? state.failures : [];
    const failures = [...before.filter((at) => at > now - this.#rule.window), now];
    if (failures.length < this.#rule.attempts) return { failures, locked_until: null };
    return { failures: [], locked_until: now + this.#rule.lockFor };
  }
}

/**
 * Reads a state that was kept as JSON.
 *
 * @throws PosternError `lockout_state_invalid`: a state that cannot be read must not count as none
 */
export function readLockoutState(value: unknown): LockoutState {
  if (typeof value === "object" && value !== null && "failures" in value && "locked_until" in value) {
    const { failures, locked_until } = value;
    const isTime = (time: unknown): time is number => typeof time === "number" && Number.isFinite(time);
    const isList = Array.isArray(failures) && failures.length <= 1000 && failures.every(isTime);
    if (isList && (locked_until === null || isTime(locked_until))) return { failures, locked_until };
  }
  throw new PosternError("lockout_state_invalid", "Cannot log in: what is kept of earlier tries cannot be read", {
    hint: "reset the user: postern ctl users reset NAME",
  });
}

/** How many tries an address has. */
export interface AddressRule extends BucketRule {
  /** How many addresses are remembered. */
  readonly addresses: number;
}

/** Twenty at once, as an office behind one address may need on a Monday, then one every three seconds. */
export const ADDRESS_RULE: AddressRule = { burst: 20, every: 3000, addresses: 10_000 };

/** Of what is refused, how much an address has written down: strangers must not be able to fill the log. */
export const NOTE_RULE: AddressRule = { burst: 5, every: 60_000, addresses: 10_000 };

/** Tries by address, in this process's memory only: it guards the cost of checks, the lock by user guards the users. */
export class AddressLimiter {
  readonly #clock: Clock;
  readonly #rule: AddressRule;
  // In the order of their last try.
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(clock: Clock, rule: AddressRule = ADDRESS_RULE) {
    this.#clock = clock;
    this.#rule = rule;
  }

  /** Takes one try. Returns 0, or after how many milliseconds there is one again. */
  take(address: string): number {
    const key = networkOf(address);
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rule, now);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#rule.addresses) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return bucket.take(now);
  }
}
