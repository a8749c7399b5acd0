/** The loop of those who watch a store: it looks now and then, and at once when it is woken. */

import { clearTimeout, setTimeout } from "node:timers";
import { PosternError } from "../base/errors.ts";

/** A loop that runs. */
export interface WatchLoop {
  /** Looks now; what another process wrote is seen at the next turn in any case. */
  wake(): void;
  /** Resolves when no look is under way and none will follow. */
  end(): Promise<void>;
}

/** What a look found, as a function that tells the listener. */
export type Finding = (() => void) | undefined;

/**
 * Calls `look` every so many milliseconds, never two at a time. It keeps no process alive. A store that cannot be read is
 * asked again at the next turn: what was written meanwhile comes then.
 */
export function watchByPolling(milliseconds: number, look: () => Promise<Finding>): WatchLoop {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let again = false;
  let running: Promise<void> | undefined;

  const turn = async (): Promise<void> => {
    try {
      do {
        again = false;
        const tell = await look().catch(nothingYet);
        // What a listener throws is a fault of its own, and must be seen.
        if (!ended) tell?.();
      } while (again && !ended);
    } finally {
      running = undefined;
      schedule();
    }
  };
  const start = (): void => {
    running = turn();
  };
  const schedule = (): void => {
    if (ended) return;
    clearTimeout(timer);
    timer = setTimeout(start, milliseconds);
    timer.unref();
  };

  schedule();
  return {
    wake: () => {
      if (running !== undefined) again = true;
      else if (!ended) {
        clearTimeout(timer);
        // Not in the writer's own call: it gets its answer first.
        timer = setTimeout(start, 0);
      }
    },
    end: async () => {
      ended = true;
      clearTimeout(timer);
      await running?.catch(() => undefined);
    },
  };
}

function nothingYet(error: unknown): undefined {
  if (!(error instanceof PosternError)) throw error;
}
