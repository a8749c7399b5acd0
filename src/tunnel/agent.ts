/** Keeps an agent's tunnels up: one to each proxy, dialled anew when it ends. */

import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import { AgentSession, type AgentOptions } from "./agent-session.ts";
import { pauseBefore } from "./timing.ts";

export interface AgentEndOptions extends AgentOptions {
  /** The proxies, as the configuration names them. */
  readonly proxies: readonly string[];
  /** Dials one and asks for the upgrade; rejects with why it cannot. */
  readonly dial: (proxy: string, signal: AbortSignal) => Promise<Duplex>;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly log: Log;
}

/** How one of an agent's tunnels is. */
export interface TunnelState {
  readonly proxy: string;
  /** Why there is none now; null when there is. */
  readonly fault: string | null;
}

/** The agent's end of all its tunnels. */
export class AgentEnd {
  readonly #options: AgentEndOptions;
  readonly #sessions = new Map<string, AgentSession>();
  readonly #faults = new Map<string, string>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  /** Dials at once. */
  constructor(options: AgentEndOptions) {
    this.#options = options;
    for (const proxy of options.proxies) this.#faults.set(proxy, "it has not been reached yet");
    this.#running = Promise.all(options.proxies.map((proxy) => this.#keep(proxy)));
  }

  /** How each tunnel is. */
  states(): readonly TunnelState[] {
    return this.#options.proxies.map((proxy) => ({ proxy, fault: this.#faults.get(proxy) ?? null }));
  }

  /** Tells every proxy the news as it is now. */
  tell(): void {
    for (const session of this.#sessions.values()) session.tell();
  }

  /** Takes no more connections, lets those that are there end, and ends what is left after a while. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping.abort();
    const sessions = [...this.#sessions.values()];
    for (const session of sessions) session.drain();
    const giveUp = setTimeout(() => {
      for (const session of sessions) session.destroy();
    }, timeoutMs);
    await this.#running;
    clearTimeout(giveUp);
  }

  async #keep(proxy: string): Promise<void> {
    const { dial, log, random, timing, clock } = this.#options;
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const socket = await dial(proxy, signal);
        const session = new AgentSession(socket, this.#options);
        this.#sessions.set(proxy, session);
        this.#faults.delete(proxy);
        log.info({ proxy }, "A tunnel is open");
        const opened = clock.monotonic();
        if (signal.aborted) session.drain();
        await session.closed;
        this.#sessions.delete(proxy);
        this.#faults.set(proxy, "the tunnel has ended");
        if (!signal.aborted) log.warn({ proxy }, "A tunnel has ended; it is opened anew");
        // One that held for a while was no failure.
        if (clock.monotonic() - opened > timing.longestPause) attempt = 0;
      } catch (error) {
        const fault = messageOf(error);
        // The same reason once.
        if (this.#faults.get(proxy) !== fault && !signal.aborted)
          log.warn({ proxy, error: fault }, "Cannot open a tunnel; it is tried again until it opens");
        this.#faults.set(proxy, fault);
      }
      await pause(pauseBefore(Math.max(attempt, 1), timing.longestPause, random), signal);
    }
  }
}

/** Resolves when the time is over or the signal comes. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
