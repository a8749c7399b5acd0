/** Ends tunnels of services that the cluster no longer lets in: locked, removed, or with a certificate that has ended. */

import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Members } from "../control/members.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { TunnelLife, Tunnels } from "../tunnel/tunnels.ts";

export interface TunnelEndsOptions {
  readonly tunnels: Pick<Tunnels, "hostIds" | "end" | "age">;
  readonly members: Pick<Members, "requireKnown">;
  readonly store: Pick<Store, "watch">;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds. */
  readonly lookEvery?: number | undefined;
}

/** Looks at all of them. */
export interface TunnelEnds {
  look(): void;
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 60_000;
/** After a store that could not be read. */
const RETRY_MS = 1_000;
/** Before a certificate ends, its tunnel takes no more connections: those of users last no longer, as theirs do not. */
const LEAVE_MS = 3_600_000;

/** How long the tunnel of a certificate lasts. One by the last hour of a certificate that could not be renewed is used to its end. */
export function lifeBy(expires: number, now: number): TunnelLife {
  const leave = expires - LEAVE_MS;
  return { leave: now < leave ? leave : expires, end: expires };
}

/** Looks whenever a lock or a host changes, and every minute: a change may have been missed. */
export async function endTunnels(options: TunnelEndsOptions): Promise<TunnelEnds> {
  const { tunnels, members, store, clock, log, lookEvery = LOOK_EVERY_MS } = options;
  let retry: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    clearTimeout(retry);
    tunnels.age(clock.now());
    for (const hostId of tunnels.hostIds()) {
      try {
        await members.requireKnown(hostId);
      } catch (error) {
        const code = error instanceof PosternError ? error.code : "";
        if (code === "host_locked" || code === "certificate_revoked") {
          log.warn({ host_id: hostId, reason: messageOf(error) }, "A database service's tunnels are ended");
          tunnels.end(hostId);
          continue;
        }
        // A store that cannot be read says nothing of anybody; it is asked again, as it may have something to say.
        clearTimeout(retry);
        retry = setTimeout(lookNow, RETRY_MS);
        retry.unref();
      }
    }
  };
  const lookNow = (): void => void look();
  const timer = setInterval(lookNow, lookEvery);
  timer.unref();
  const unwatch = await store.watch((changes) => {
    if (changes.some(({ kind }) => kind === "lock" || kind === "host")) lookNow();
  }, lookNow);
  return {
    look: lookNow,
    async close() {
      clearInterval(timer);
      clearTimeout(retry);
      await unwatch();
    },
  };
}
