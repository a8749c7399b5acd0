/** Keeps an agent's tunnels up: one to each proxy that lives, whichever address leads there. */

import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import { AgentSession, type AgentOptions } from "./agent-session.ts";
import { pauseBefore } from "./timing.ts";
import { TunnelHeld } from "./tunnel-held.ts";

/** A tunnel's connection, and which proxy is at its other end; an address of its own where that does not say. */
export interface Dialled {
  readonly socket: Duplex;
  readonly proxy: string | undefined;
}

export interface AgentEndOptions extends AgentOptions {
  /** Addresses of proxies, as the configuration names them. Behind each may be several: a balancer. */
  readonly proxies: readonly string[];
  /** Ids of the proxies that live, as far as that is known: there is to be a tunnel to each. */
  readonly living?: () => readonly string[];
  /** Dials an address and asks for the upgrade, unless it leads to a proxy that is held. @throws TunnelHeld, or why it cannot */
  readonly dial: (address: string, signal: AbortSignal, held: readonly string[]) => Promise<Dialled>;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly log: Log;
}

/** How one of the addresses is. */
export interface TunnelState {
  readonly proxy: string;
  /** Why there is no tunnel through it now; null when there is. */
  readonly fault: string | null;
}

/** What its proxy said, told as no more than that. */
function reasonOf({ reason }: AgentSession): { readonly reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** After so many times that a balancer led to a proxy that is held, the pause grows no more. */
const MOST_DOUBLINGS = 3;
/** Dials without a pause between them, at most. */
const MOST_IN_A_ROW = 8;

type Outcome = "opened" | "held" | "failed";

/** The agent's end of all its tunnels. */
export class AgentEnd {
  readonly #options: AgentEndOptions;
  /** By the id of the proxy. */
  readonly #sessions = new Map<string, AgentSession>();
  /** Those too that proxies have left, and in which connections are still to end. */
  readonly #open = new Set<AgentSession>();
  /** Which proxy last answered at an address. */
  readonly #answered = new Map<string, string>();
  readonly #faults = new Map<string, string>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;
  #next = 0;
  #wake: () => void = () => undefined;

  /** Dials at once. */
  constructor(options: AgentEndOptions) {
    this.#options = options;
    for (const proxy of options.proxies) this.#faults.set(proxy, "it has not been reached yet");
    this.#running = this.#run();
  }

  /** How many proxies there is a tunnel to. */
  get tunnels(): number {
    return this.#sessions.size;
  }

  /** How each address is. */
  states(): readonly TunnelState[] {
    return this.#options.proxies.map((proxy) => ({
      proxy,
      fault: this.#isHeld(proxy) ? null : (this.#faults.get(proxy) ?? "the tunnel has ended"),
    }));
  }

  /** Tells every proxy the news as it is now. */
  tell(): void {
    for (const session of this.#sessions.values()) session.tell();
  }

  /** Looks anew at which proxies live. */
  look(): void {
    this.#wake();
  }

  /** Takes no more connections, lets those that are there end, and ends what is left after a while. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping.abort();
    const sessions = [...this.#open];
    for (const session of sessions) session.drain();
    const giveUp = setTimeout(() => {
      for (const session of sessions) session.destroy();
    }, timeoutMs);
    await Promise.all([this.#running, ...sessions.map(({ closed }) => closed)]);
    clearTimeout(giveUp);
  }

  #isHeld(address: string): boolean {
    return this.#sessions.has(this.#answered.get(address) ?? "");
  }

  /** The address to dial now: one that leads to no tunnel, or any when a proxy is missing; undefined when none is. */
  #wanted(): string | undefined {
    const { proxies, living } = this.#options;
    const start = this.#next++;
    const inTurn = proxies.map((_, at) => proxies[(start + at) % proxies.length] ?? "");
    const open = inTurn.find((address) => !this.#isHeld(address));
    if (open !== undefined) return open;
    return (living?.() ?? []).some((proxy) => !this.#sessions.has(proxy)) ? inTurn[0] : undefined;
  }

  async #run(): Promise<void> {
    const { random, timing, clock, living } = this.#options;
    const { signal } = this.#stopping;
    let attempt = 0;
    let inARow = 0;
    while (!signal.aborted) {
      const address = this.#wanted();
      if (address === undefined) {
        const since = clock.monotonic();
        await this.#changed();
        // Tunnels that held for a while were no failure.
        if (clock.monotonic() - since > timing.longestPause) attempt = 1;
        continue;
      }
      if (attempt > 0 && inARow === 0) {
        // The signal ends it early.
        await sleep(pauseBefore(attempt, timing.longestPause, random), undefined, { signal }).catch(() => undefined);
      }
      if (signal.aborted) return;
      const outcome = await this.#dial(address);
      // A balancer that takes turns may give every other turn to somebody who dials as often: then it is always the same proxy.
      inARow = outcome === "held" ? inARow + 1 : 0;
      if (inARow > 0 && inARow < Math.min(living?.().length ?? 1, MOST_IN_A_ROW)) continue;
      inARow = 0;
      attempt = outcome === "failed" ? attempt + 1 : Math.min(attempt + 1, MOST_DOUBLINGS);
    }
  }

  async #dial(address: string): Promise<Outcome> {
    const { dial, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      const { socket, proxy = address } = await dial(address, signal, [...this.#sessions.keys()]);
      // What was opened twice is of no use, and neither is one that would have to be drained at once.
      if (signal.aborted || this.#sessions.has(proxy)) {
        socket.destroy();
        this.#answered.set(address, proxy);
        return "held";
      }
      const session = new AgentSession(socket, this.#options);
      this.#sessions.set(proxy, session);
      this.#open.add(session);
      this.#answered.set(address, proxy);
      this.#faults.delete(address);
      log.info({ address, proxy }, "A tunnel is open");
      void session.closed.then(() => this.#open.delete(session));
      // A proxy that leaves a tunnel wants another, or has gone; what is in this one may last an hour.
      void session.left.then(() => {
        this.#sessions.delete(proxy);
        if (!signal.aborted)
          log.warn(
            { address, proxy, ...reasonOf(session) },
            "A tunnel has ended; it is opened anew while its proxy lives",
          );
        this.#wake();
      });
      return "opened";
    } catch (error) {
      if (error instanceof TunnelHeld) {
        this.#answered.set(address, error.proxy);
        return "held";
      }
      const fault = messageOf(error);
      // The same reason once.
      if (this.#faults.get(address) !== fault && !signal.aborted)
        log.warn({ proxy: address, error: fault }, "Cannot open a tunnel; it is tried again until it opens");
      this.#faults.set(address, fault);
      return "failed";
    }
  }

  /** Resolves when a tunnel has ended, when it is to be looked anew, or when it stops. */
  #changed(): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      signal.addEventListener("abort", done, { once: true });
    });
  }
}
