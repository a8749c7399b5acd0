/** Opens a way again while a client waits: what is away for a moment need not become an error in its program. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";

/** What may be over in a moment: a proxy or an agent that is started again, or another that is asked next time. */
const PASSING: ReadonlySet<string> = new Set([
  "agent_unreachable",
  "agents_unreachable",
  "database_without_agent",
  "door_unavailable",
  "proxy_refused",
  "proxy_unreachable",
  "store_unavailable",
]);

/** The first pause and the longest, in milliseconds; each is half chance, so that waiting clients do not all come back at once. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 800;

export interface PatienceOptions {
  /** How long it is tried again, in milliseconds. */
  readonly patience: number;
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** Whether anybody still waits. */
  readonly isWanted: () => boolean;
}

/**
 * What `open` resolves to, at the first try that succeeds. For ways only, before anything of the client's has been sent: what
 * was sent is tried again by nobody but the client.
 *
 * @throws what `open` last threw, when that does not pass by itself, when the time is over, or when nobody waits any more
 */
export async function openPatiently<T>(open: () => Promise<T>, options: PatienceOptions): Promise<T> {
  const { patience, clock, random, isWanted } = options;
  const end = clock.monotonic() + patience;
  for (let longest = FIRST_PAUSE_MS; ; longest = Math.min(2 * longest, LONGEST_PAUSE_MS)) {
    try {
      return await open();
    } catch (error) {
      const pause = (longest * (1 + random())) / 2;
      const passes = error instanceof PosternError && PASSING.has(error.code);
      if (!passes || clock.monotonic() + pause > end) throw error;
      await sleep(pause);
      if (!isWanted()) throw error;
    }
  }
}
