/** What an agent decides by: listened to at its cluster's door, for as long as it runs. */

import { setTimeout as sleep } from "node:timers/promises";
import { asMember } from "../agent/join-cluster.ts";
import type { Member } from "../agent/membership.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { listenToDoor } from "../client/ask-door.ts";
import type { ProxyAddress } from "../client/tls.ts";
import { FEED_PULSE_MS } from "../control/agent-feed.ts";
import type { Log } from "../telemetry/log.ts";
import { pauseBefore } from "../tunnel/timing.ts";
import { FedStore } from "./fed-store.ts";

export interface AgentResourcesOptions {
  readonly membership: Pick<Member, "identity">;
  readonly proxies: readonly ProxyAddress[];
  readonly clock: Clock;
  readonly log: Log;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** Milliseconds without word of the cluster after which nothing is decided any more. */
  readonly longestSilence?: number;
}

/** As design has it: five minutes. */
const LONGEST_SILENCE_MS = 5 * 60_000;
const LONGEST_PAUSE_MS = 10_000;

/** Listens from its making until closed. */
export class AgentResources {
  readonly store: FedStore;
  readonly #options: AgentResourcesOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #failure: string | undefined;

  constructor(options: AgentResourcesOptions) {
    this.#options = options;
    this.store = new FedStore(options.clock);
    this.#running = this.#run();
  }

  /** Resolves when there is something to decide by, or after so many milliseconds. */
  async first(patienceMs: number): Promise<void> {
    const { clock } = this.#options;
    for (const end = clock.monotonic() + patienceMs; !this.store.isFilled && clock.monotonic() < end;) await sleep(20);
  }

  /** How many milliseconds ago the cluster was last heard of, when that is too long ago to decide; else undefined. */
  readonly lostFor = (): number | undefined => {
    const { silence, isFilled } = this.store;
    return isFilled && silence <= (this.#options.longestSilence ?? LONGEST_SILENCE_MS) ? undefined : silence;
  };

  /** Why what is decided by may be old; `null` when it is of now. */
  get readiness(): string | null {
    if (!this.store.isFilled) return `the cluster's resources have not come yet${this.#why()}`;
    const { silence } = this.store;
    if (this.lostFor() !== undefined)
      return `all is denied, as the cluster was last heard of ${Math.round(silence / 1000)} s ago${this.#why()}`;
    return silence <= 3 * FEED_PULSE_MS
      ? null
      : `the cluster was last heard of ${Math.round(silence / 1000)} s ago${this.#why()}`;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  #why(): string {
    return this.#failure === undefined ? "" : `: ${this.#failure}`;
  }

  async #run(): Promise<void> {
    const { membership, proxies, clock, log, random } = this.#options;
    const { signal } = this.#closing;
    for (let attempt = 1; !signal.aborted; attempt++) {
      const { identity } = membership;
      const proxy = proxies[attempt % proxies.length];
      if (identity !== undefined && proxy !== undefined) {
        try {
          this.store.beginAnew();
          await listenToDoor(asMember(proxy, identity, clock), {
            path: "/v1/agent/resources",
            signal,
            silenceMs: 3 * FEED_PULSE_MS,
            onLine: (line) => {
              this.store.take(line);
              attempt = 1;
              if (this.#failure !== undefined) log.info({}, "The cluster's resources come again");
              this.#failure = undefined;
            },
          });
        } catch (error) {
          const reason = messageOf(error);
          if (reason !== this.#failure)
            log.warn({ error: reason }, "The cluster's resources do not come; those at hand decide for a while");
          this.#failure = reason;
        }
      }
      const pause = identity === undefined ? 200 : pauseBefore(attempt, LONGEST_PAUSE_MS, random);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}
