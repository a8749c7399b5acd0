/** The tunnels of one proxy: which agents serve a database, and which of them to ask first. */

import type { Duplex } from "node:stream";
import { messageOf, PosternError } from "../base/errors.ts";
import { type HostDatabases, mayServe } from "../identity/host-databases.ts";
import { quoted } from "../identity/names.ts";
import { NewsRate } from "./news-rate.ts";
import type { AgentNews, ServedDatabase } from "./protocol.ts";
import { ProxySession, type ProxiedClient, type StreamKind } from "./proxy-session.ts";
import { TUNNEL_TIMING, type TunnelTiming } from "./timing.ts";

export interface TunnelsOptions {
  /** For the order in which agents are tried; between 0 and 1. */
  readonly random: () => number;
  /** Called when an agent comes, changes, or goes. */
  readonly onChange?: () => void;
  /** Called when an agent's tunnel is ended for what it does. */
  readonly onRefused?: (hostId: string, reason: string) => void;
  /** Called once for each tunnel whose agent says that it serves what its certificate does not let it. */
  readonly onOverreach?: (hostId: string, databases: readonly string[]) => void;
  readonly timing?: TunnelTiming;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
}

/** Milliseconds for an agent whose tunnel broke to come back, which pauses for half a minute between tries; and how many are remembered. */
const LATELY_MS = 120_000;
const MAX_LATELY = 10_000;

/** An agent that dials, as its certificate says. */
export interface DiallingAgent {
  readonly hostId: string;
  readonly databases: HostDatabases;
}

/** An agent that holds a tunnel to this proxy. */
export interface ConnectedAgent {
  readonly hostId: string;
  /** Without databases that its certificate does not let it serve. */
  readonly news: AgentNews;
  /** How many client connections are in its tunnels. */
  readonly connections: number;
}

/** How long a tunnel may last, in milliseconds since the epoch: first it takes no more connections, then it ends. */
export interface TunnelLife {
  readonly leave: number;
  readonly end: number;
}

interface Tunnel {
  readonly hostId: string;
  readonly life: TunnelLife;
  readonly session: ProxySession;
  /** Of it what its certificate lets it serve; undefined until the agent has said something of itself. */
  news: AgentNews | undefined;
  /** Those of the news, by name; none when it takes no connections. */
  served: ReadonlyMap<string, ServedDatabase>;
}

/** All tunnels of a proxy. */
export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #timing: TunnelTiming;
  readonly #tunnels = new Set<Tunnel>();
  /** By host. */
  readonly #rates = new Map<string, NewsRate>();
  /** Whose tunnels broke, and until when that is remembered. */
  readonly #lately = new Map<string, { readonly database: ServedDatabase; readonly until: number }>();
  readonly #now: () => number;
  /** Those that take no more connections. */
  readonly #ending = new Set<Tunnel>();
  #isDraining = false;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#timing = options.timing ?? TUNNEL_TIMING;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Takes a connection of an agent, known by its certificate, for as long as it and its life last. */
  accept(socket: Duplex, { hostId, databases }: DiallingAgent, life: TunnelLife = FOR_EVER): void {
    if (this.#isDraining) {
      socket.destroy();
      return;
    }
    let hasOverreached = false;
    const tunnel: Tunnel = {
      hostId,
      life,
      news: undefined,
      served: new Map(),
      session: new ProxySession(socket, {
        timing: this.#timing,
        rate: this.#rateOf(hostId),
        onRefused: (reason) => this.#options.onRefused?.(hostId, reason),
        onNews: (told) => {
          // Whoever could claim any database would be sent its users.
          const news = { ...told, databases: told.databases.filter(({ name }) => mayServe(databases, name)) };
          if (news.databases.length < told.databases.length && !hasOverreached) {
            hasOverreached = true;
            const names = told.databases.flatMap(({ name }) => (mayServe(databases, name) ? [] : [name]));
            this.#options.onOverreach?.(hostId, names);
          }
          tunnel.news = news;
          tunnel.served = new Map(news.draining ? [] : news.databases.map((database) => [database.name, database]));
          this.#options.onChange?.();
        },
      }),
    };
    this.#tunnels.add(tunnel);
    void tunnel.session.closed.then(() => {
      this.#tunnels.delete(tunnel);
      this.#ending.delete(tunnel);
      this.#remember(tunnel);
      this.#options.onChange?.();
    });
  }

  /**
   * Opens a client's connection to a database by one of its agents: the healthy first, among equals by chance. Another is asked
   * only when the one before it did not take the connection: nothing of the client's has been sent then.
   *
   * @throws PosternError `database_without_agent` when none serves it, `agents_unreachable` when none takes the connection
   */
  async open(database: string, client: ProxiedClient): Promise<Duplex> {
    return await this.#open(database, client, "connection", this.#candidates(database));
  }

  /**
   * Opens the way for one request of an SDK, by an agent that holds one of these keys; otherwise as `open()`.
   *
   * @throws PosternError `agent_keys_unknown` when the database has agents, but none with such a key; and as `open()`
   */
  async openRequest(database: string, keyIds: readonly string[], client: ProxiedClient): Promise<Duplex> {
    const all = this.#candidates(database);
    const holders = all.filter(({ news }) => news?.sdk?.key_ids.some((id) => keyIds.includes(id)) === true);
    if (all.length > 0 && holders.length === 0) {
      throw new PosternError(
        "agent_keys_unknown",
        `Cannot reach database ${quoted(database)}: no agent that serves it now can read these credentials`,
        { hint: "ask for new ones: postern credentials" },
      );
    }
    return await this.#open(database, client, "request", holders);
  }

  /** PEM of the certificates of the agents that serve a database and take requests of SDKs, as they tell them. */
  sdkAgents(database: string): readonly string[] {
    return [...new Set(this.#candidates(database).flatMap(({ news }) => news?.sdk?.certificate ?? []))];
  }

  async #open(
    database: string,
    client: ProxiedClient,
    kind: StreamKind,
    candidates: readonly Tunnel[],
  ): Promise<Duplex> {
    if (candidates.length === 0) {
      throw new PosternError(
        "database_without_agent",
        `Cannot reach database ${quoted(database)}: no agent serves it`,
        {
          hint: "see that its database service runs and has joined: postern ctl db ls",
        },
      );
    }
    const reasons: string[] = [];
    for (const { hostId, session } of candidates) {
      try {
        return await session.open(database, client, kind);
      } catch (error) {
        reasons.push(`${hostId}: ${messageOf(error)}`);
      }
    }
    throw new PosternError(
      "agents_unreachable",
      `Cannot reach database ${quoted(database)}: none of its agents takes the connection (${reasons.join("; ")})`,
      { hint: "try again; the logs of the database service say more" },
    );
  }

  /** Databases that can be had, each once, by name. */
  databases(): readonly ServedDatabase[] {
    const found = new Map<string, ServedDatabase>();
    for (const { news } of this.#tunnels) {
      for (const database of news?.databases ?? []) {
        const known = found.get(database.name);
        if (known === undefined || (known.fault !== null && database.fault === null))
          found.set(database.name, database);
      }
    }
    return [...found.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  /**
   * Databases that cannot be had now, as the tunnels of all their agents broke a moment ago: they are there still.
   */
  lately(): readonly ServedDatabase[] {
    const now = this.#now();
    for (const [name, { until }] of this.#lately) if (now >= until) this.#lately.delete(name);
    if (this.#lately.size === 0) return [];
    const here = new Set(this.databases().map(({ name }) => name));
    return [...this.#lately.values()].flatMap(({ database }) => (here.has(database.name) ? [] : [database]));
  }

  /** Of an agent that has said that it leaves there is nothing to remember. */
  #remember({ news }: Tunnel): void {
    if (news === undefined || news.draining || this.#isDraining) return;
    const until = this.#now() + LATELY_MS;
    for (const database of news.databases)
      if (this.#lately.size < MAX_LATELY || this.#lately.has(database.name))
        this.#lately.set(database.name, { database, until });
  }

  /** Agents that hold a tunnel, each once however many it holds. */
  agents(): readonly ConnectedAgent[] {
    const found = new Map<string, ConnectedAgent>();
    for (const { hostId, news, session } of this.#tunnels) {
      if (news === undefined) continue;
      const before = found.get(hostId)?.connections ?? 0;
      found.set(hostId, { hostId, news, connections: before + session.connections });
    }
    return [...found.values()].toSorted((one, other) => (one.hostId < other.hostId ? -1 : 1));
  }

  /** Those that hold a tunnel, though they have said nothing yet. */
  hostIds(): readonly string[] {
    return [...new Set([...this.#tunnels].map(({ hostId }) => hostId))];
  }

  /**
   * Ends tunnels whose lives have ended, and leaves those that soon will be: their agents open others at once, and what is in
   * them has until then to end.
   */
  age(now: number): void {
    for (const tunnel of this.#tunnels) {
      if (now >= tunnel.life.end) tunnel.session.destroy();
      else if (now >= tunnel.life.leave && !this.#ending.has(tunnel)) {
        this.#ending.add(tunnel);
        tunnel.session.drain();
      }
    }
  }

  /** Ends the tunnels of a host at once, such as one that is locked. */
  end(hostId: string): void {
    for (const tunnel of this.#tunnels) if (tunnel.hostId === hostId) tunnel.session.destroy();
  }

  /** Lets the connections end, and ends those that are left after a while. */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    const sessions = [...this.#tunnels].map(({ session }) => session);
    for (const session of sessions) session.drain();
    const giveUp = setTimeout(() => {
      for (const session of sessions) session.destroy();
    }, timeoutMs);
    await Promise.all(sessions.map(({ closed }) => closed));
    clearTimeout(giveUp);
  }

  #rateOf(hostId: string): NewsRate {
    for (const [one, rate] of this.#rates) {
      if (rate.isForgotten && ![...this.#tunnels].some((tunnel) => tunnel.hostId === one)) this.#rates.delete(one);
    }
    const rate = this.#rates.get(hostId) ?? new NewsRate(this.#now);
    this.#rates.set(hostId, rate);
    return rate;
  }

  #candidates(database: string): Tunnel[] {
    const found: { readonly tunnel: Tunnel; readonly rank: number }[] = [];
    for (const tunnel of this.#tunnels) {
      const served = this.#ending.has(tunnel) ? undefined : tunnel.served.get(database);
      if (served !== undefined) found.push({ tunnel, rank: (served.fault === null ? 0 : 1) + this.#options.random() });
    }
    return found.sort((one, other) => one.rank - other.rank).map(({ tunnel }) => tunnel);
  }
}

const FOR_EVER: TunnelLife = { leave: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY };
