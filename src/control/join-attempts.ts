/** What all ways of joining share: how often an address may try, what a stranger is told, and that each attempt goes on record. */

import type { ClusterEvent } from "../audit/cluster-event.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { AddressLimiter, type AddressRule, NOTE_RULE } from "../identity/lockout.ts";
import type { EventSink } from "./administration.ts";
import { requireAudit } from "./audit-health.ts";

export interface JoinAttemptsOptions {
  readonly events: EventSink;
  readonly clock: Clock;
}

export type JoinEvent = Extract<ClusterEvent, { event: "instance.join" | "bot.join" }>;

/** A fleet behind one address starts at once. */
const TRIES: AddressRule = { burst: 60, every: 1000, addresses: 10_000 };

/** Why a token does not count, for the event: who is refused is told the same for each. */
const REASONS: Readonly<Record<string, string>> = {
  join_token_unknown: "there is no such token",
  join_token_expired: "the token has expired",
  join_token_used_up: "the token is used up",
  join_token_unfit: "the token is for another role or method",
};

/** Attempts to join one cluster. */
export class JoinAttempts {
  readonly #options: JoinAttemptsOptions;
  readonly #limiter: AddressLimiter;
  readonly #noted: AddressLimiter;

  constructor(options: JoinAttemptsOptions) {
    this.#options = options;
    this.#limiter = new AddressLimiter(options.clock, TRIES);
    this.#noted = new AddressLimiter(options.clock, NOTE_RULE);
  }

  /** Takes one try of an address. @throws PosternError `join_limited`, `audit_unavailable` */
  take(address: string): void {
    requireAudit(this.#options.events, "join");
    const wait = this.#limiter.take(address);
    if (wait === 0) return;
    throw new PosternError("join_limited", "Cannot join: there were too many attempts from this address", {
      hint: `try again in ${Math.ceil(wait / 1000)} s`,
    });
  }

  /**
   * Lets somebody try, and records how it went; `eventOf` gets the reason of a refusal.
   *
   * @throws PosternError as a stranger may know it
   */
  async run<T>(
    address: string,
    work: () => Promise<T>,
    eventOf: (error: string | null) => Promise<JoinEvent>,
  ): Promise<T> {
    const { events } = this.#options;
    try {
      this.take(address);
      const result = await work();
      await events.record(await eventOf(null));
      return result;
    } catch (thrown) {
      const isLimited = thrown instanceof PosternError && thrown.code === "join_limited";
      if (isLimited && this.#noted.take(address) > 0) throw thrown;
      // What is refused stays refused, whether or not that can be recorded.
      await eventOf(reasonOf(thrown))
        .then((event) => events.record(event))
        .catch(() => undefined);
      throw asTold(thrown);
    }
  }
}

function reasonOf(thrown: unknown): string {
  const known = thrown instanceof PosternError ? REASONS[thrown.code] : undefined;
  return known ?? messageOf(thrown);
}

function asTold(thrown: unknown): unknown {
  if (!(thrown instanceof PosternError) || !Object.hasOwn(REASONS, thrown.code)) return thrown;
  const { message, hint } = thrown;
  return new PosternError("join_refused", message, hint === undefined ? {} : { hint });
}
