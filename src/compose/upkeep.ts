/** What every auth service does for its cluster while it runs: follows the sealing keys, and takes rotations further. */

import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { EventSink } from "../control/administration.ts";
import { keepRotating } from "../control/rotation.ts";
import type { Log } from "../telemetry/log.ts";
import { followKeys } from "./sealing.ts";
import type { OpenCluster } from "./store.ts";

export interface UpkeepOptions {
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds between two looks at whether a rotation is to go on; half a minute when absent. */
  readonly lookEvery?: number;
}

const LOOK_EVERY_MS = 30_000;

/** Begins, until what is returned ends it. */
export async function keepCluster(opened: OpenCluster, options: UpkeepOptions): Promise<() => Promise<void>> {
  const { events, clock, log, lookEvery = LOOK_EVERY_MS } = options;
  const unfollow = await followKeys(opened, log);
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      for (const { kind, phase } of await keepRotating({ ...opened, events, clock }))
        log.info({ authority: kind, phase }, "The rotation of an authority has come a step further");
    } catch (error) {
      log.error({ error: messageOf(error) }, "Cannot take a rotation further; it is tried again");
    } finally {
      looking = undefined;
    }
  };
  const timer = setInterval(() => {
    looking ??= look();
  }, lookEvery);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await looking;
    await unfollow();
  };
}
