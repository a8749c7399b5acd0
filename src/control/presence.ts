/** Proxies and agents that are there: each proxy says in the store that it lives, and whose tunnels it holds. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import type { Store, StoredValue, Write } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";

export interface PresenceOptions {
  readonly store: Pick<Store, "list" | "write" | "watch">;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the program. */
  readonly version: string;
}

/** An agent that holds a tunnel to this proxy, as it says of itself. */
export interface PresentAgent {
  readonly hostId: string;
  readonly news: {
    readonly node_name: string;
    readonly version: string;
    readonly draining: boolean;
    readonly databases: readonly PresentDatabase[];
  };
}

/** A database as its agent tells of it. */
export interface PresentDatabase {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly uri: string;
  readonly region: string;
  readonly account_id: string;
  readonly fault: string | null;
}

/** What stands in the store of an agent, once for each proxy that holds a tunnel of it. */
export interface DatabaseServer {
  readonly host_id: string;
  readonly proxy: string;
  readonly node_name: string;
  readonly version: string;
  readonly draining: boolean;
  readonly databases: readonly PresentDatabase[];
  /** Milliseconds since the epoch. */
  readonly heard: number;
}

/** Kinds in the store. */
export const PROXY = "proxy";
export const DATABASE_SERVER = "db_server";

/** Milliseconds between two notes of a proxy that it lives, and after which it counts as dead. */
const PROXY_BEAT_MS = 10_000;
const PROXY_LIFE_MS = 40_000;
/** The same of agents. */
const AGENT_BEAT_MS = 60_000;
const AGENT_LIFE_MS = 600_000;
/** Milliseconds between two looks at least. */
const LOOK_AT_MOST_MS = 500;
/** As much of one agent's databases as is noted, in characters of JSON: a value in the store has a bound. */
const MAX_DATABASES_LENGTH = 200_000;
/** As many writes as go at a time. */
const BATCH = 10;

/** One proxy's view of who is there. */
export class Presence {
  readonly id: string = newId();
  readonly #options: PresenceOptions;
  readonly #noted = new Map<string, { readonly text: string; readonly at: number }>();
  #agents: readonly PresentAgent[] = [];
  #proxies: readonly string[];
  #elsewhere: readonly PresentDatabase[] = [];
  #timer: NodeJS.Timeout | undefined;
  #unwatch: (() => Promise<void>) | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #ended = false;
  #beatAt = -Infinity;
  #failure: string | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#proxies = [this.id];
  }

  /** Says that this proxy lives, and goes on saying so until the end. */
  async begin(): Promise<void> {
    this.#unwatch = await this.#options.store.watch(
      (changes) => {
        // A proxy that came or went, and what others serve; not what was written here.
        const isOthers = changes.some(
          ({ kind, name }) =>
            (kind === PROXY && name !== this.id) || (kind === DATABASE_SERVER && !name.endsWith(`.${this.id}`)),
        );
        if (isOthers) this.#look();
      },
      () => this.#look(),
    );
    this.#timer = setInterval(() => this.#look(), PROXY_BEAT_MS);
    this.#timer.unref();
    this.#look();
    await this.#running;
  }

  /** Ids of the proxies that live, this one among them, in order. */
  proxies(): readonly string[] {
    return this.#proxies;
  }

  /** Databases that agents serve through other proxies. */
  servedElsewhere(): readonly PresentDatabase[] {
    return this.#elsewhere;
  }

  /** Notes which agents hold a tunnel to this proxy now. */
  report(agents: readonly PresentAgent[]): void {
    this.#agents = agents;
    this.#look();
  }

  /** Takes back all that was noted. */
  async end(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    await this.#unwatch?.();
    await this.#running;
    const names = [...this.#noted.keys()].map((name) => ({ kind: DATABASE_SERVER, name }));
    // What stays expires by itself.
    for (const one of [{ kind: PROXY, name: this.id }, ...names])
      await this.#write([{ op: "delete", ...one }]).catch(() => undefined);
  }

  /** One after another; who asks meanwhile is heard afterwards. */
  #look(): void {
    if (this.#ended) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    while (this.#again && !this.#ended) {
      this.#again = false;
      try {
        await this.#note();
        await this.#read();
        this.#failure = undefined;
      } catch (error) {
        const reason = messageOf(error);
        if (reason !== this.#failure) log.warn({ error: reason }, "Cannot note in the store who is there");
        this.#failure = reason;
      }
      // Who is called often hears of all at once.
      if (this.#again) await sleep(LOOK_AT_MOST_MS, undefined, { ref: false });
    }
  }

  async #note(): Promise<void> {
    const { clock, version } = this.#options;
    const now = clock.now();
    if (now - this.#beatAt >= PROXY_BEAT_MS / 2) {
      const value = { version, heard: now };
      await this.#write([{ op: "put", kind: PROXY, name: this.id, value, expiresAt: now + PROXY_LIFE_MS }]);
      this.#beatAt = now;
    }
    const writes: Write[] = [];
    const noted = new Map<string, { text: string; at: number }>();
    for (const { hostId, news } of this.#agents) {
      const name = `${hostId}.${this.id}`;
      const { node_name, version: own, draining } = news;
      const stated = { node_name, version: own, draining, databases: fitting(news.databases) };
      const text = JSON.stringify(stated);
      const before = this.#noted.get(name);
      if (before?.text === text && now - before.at < AGENT_BEAT_MS) continue;
      const value = { host_id: hostId, proxy: this.id, ...stated, heard: now } as unknown as StoredValue;
      writes.push({ op: "put", kind: DATABASE_SERVER, name, value, expiresAt: now + AGENT_LIFE_MS });
      noted.set(name, { text, at: now });
    }
    const here = new Set(this.#agents.map(({ hostId }) => `${hostId}.${this.id}`));
    const gone = [...this.#noted.keys()].filter((name) => !here.has(name));
    await this.#write(writes);
    for (const [name, entry] of noted) this.#noted.set(name, entry);
    for (const name of gone) {
      await this.#write([{ op: "delete", kind: DATABASE_SERVER, name }]).catch(ifThere);
      this.#noted.delete(name);
    }
  }

  async #read(): Promise<void> {
    const { store } = this.#options;
    const [proxies, servers] = await Promise.all([store.list(PROXY), store.list(DATABASE_SERVER)]);
    this.#proxies = [...new Set([...proxies.map(({ name }) => name), this.id])].toSorted();
    const living = new Set(this.#proxies);
    this.#elsewhere = servers
      .map(({ value }) => value as unknown as DatabaseServer)
      .filter(({ proxy }) => proxy !== this.id && living.has(proxy))
      .flatMap(({ databases }) => databases);
  }

  async #write(writes: readonly Write[]): Promise<void> {
    for (let at = 0; at < writes.length; at += BATCH) await this.#options.store.write(writes.slice(at, at + BATCH));
  }
}

/** What another has taken away, or time, need not be. */
function ifThere(error: unknown): void {
  if ((error as { readonly code?: unknown }).code !== "store_missing") throw error;
}

function fitting(databases: readonly PresentDatabase[]): readonly PresentDatabase[] {
  let length = 0;
  return databases.filter((database) => (length += JSON.stringify(database).length) <= MAX_DATABASES_LENGTH);
}
