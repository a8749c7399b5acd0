/** Noticing that a file or a directory changed, however it was changed. */

import { watch, type FSWatcher } from "node:fs";
import { lookAt, type Look } from "./look.ts";

/** Ends what was begun. */
export interface Closer {
  /** Resolves when nothing will be called any more. */
  close(): Promise<void>;
}

/** How eagerly to look, and at what. */
export interface WatchOptions {
  /** How long a path must stay as it is before a change counts, in milliseconds; 60 when absent. */
  readonly settleMs?: number;
  /** How often to look without being told, in milliseconds; 2000 when absent, and never more than 5 % of the time. */
  readonly pollMs?: number;
  /** Names of files that count; all when absent. Names that begin with a dot never count. */
  readonly counts?: (name: string) => boolean;
  /** A print (see look.ts) taken earlier: what changed since is a change. */
  readonly since?: string;
}

/**
 * Calls `onChange` once a change of the path, or of anything below it, has settled; one call at a time, and none for how
 * things are at the start. The system's notices make it prompt; looking every now and then makes it sure, for network and
 * container file systems that send none, and for a path that is swapped as a whole. `onChange` must not throw.
 */
export function watchPath(path: string, onChange: () => void | Promise<void>, options: WatchOptions = {}): Closer {
  const watcher = new PathWatcher(path, onChange, options);
  watcher.start();
  return watcher;
}

class PathWatcher implements Closer {
  readonly #path: string;
  readonly #onChange: () => void | Promise<void>;
  readonly #settleMs: number;
  readonly #pollMs: number;
  readonly #counts: (name: string) => boolean;
  /** By identity, not by name: a directory that was swapped for another of its name needs a new watch. */
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #busy = false;
  #nudged = false;
  #closed = false;
  /** The print that was last acted on. */
  #told: string | undefined;
  #seen: string | undefined;
  #restless = 0;

  constructor(path: string, onChange: () => void | Promise<void>, options: WatchOptions) {
    this.#path = path;
    this.#onChange = onChange;
    this.#settleMs = options.settleMs ?? 60;
    this.#pollMs = options.pollMs ?? 2000;
    this.#counts = options.counts ?? (() => true);
    this.#told = options.since;
  }

  start(): void {
    this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#round;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.#look();
    }, delay);
  }

  async #look(): Promise<void> {
    this.#busy = true;
    this.#nudged = false;
    const began = performance.now();
    const { print, directories } = await lookAt(this.#path, this.#counts);
    const cost = performance.now() - began;
    this.#watch(directories);
    this.#told ??= print;
    const changed = print !== this.#told;
    const settled = print === this.#seen || this.#restless >= MAX_RESTLESS;
    this.#seen = print;
    this.#restless = changed && !settled ? this.#restless + 1 : 0;
    if (changed && settled && !this.#closed) {
      this.#told = print;
      await this.#onChange();
    }
    this.#busy = false;
    const soon = this.#nudged || (changed && !settled);
    this.#schedule(soon ? this.#settleMs : Math.max(this.#pollMs, cost * 20));
  }

  #nudge(): void {
    if (this.#nudged) return;
    this.#nudged = true;
    if (!this.#busy) this.#schedule(this.#settleMs);
  }

  #watch(directories: Look["directories"]): void {
    for (const [identity, watcher] of this.#watchers) {
      if (directories.has(identity)) continue;
      watcher.close();
      this.#watchers.delete(identity);
    }
    for (const [identity, directory] of directories) {
      if (this.#closed || this.#watchers.has(identity) || this.#watchers.size >= MAX_WATCHERS) continue;
      try {
        const watcher = watch(directory, () => this.#nudge());
        watcher.on("error", () => watcher.close());
        this.#watchers.set(identity, watcher);
        // What changed between the look and the watch was seen by neither.
        this.#nudge();
      } catch {
        // Out of watches, or gone again: looking every now and then remains.
      }
    }
  }
}

/** The system's watches are few; the rest is found by looking. */
const MAX_WATCHERS = 64;

/** After so many looks, what never rests counts as settled. */
const MAX_RESTLESS = 20;
