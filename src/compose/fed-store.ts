/** What an agent was told of its cluster's resources, in the shape of a store that can be read and watched. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { FEED_KINDS, type FeedLine } from "../control/agent-feed.ts";
import type { Change, Store, StoredResource } from "../store/store.ts";

/** The part of a store that followers need. */
export type ReadableStore = Pick<Store, "get" | "list" | "snapshot" | "watch" | "close">;

/** Fed line by line; shows only states that were settled. */
export class FedStore implements ReadableStore {
  readonly #clock: Clock;
  #settled: ReadonlyMap<string, StoredResource> | undefined;
  #next = new Map<string, StoredResource>();
  readonly #watchers = new Set<() => void>();
  #heardAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heardAt = clock.monotonic();
  }

  /** Milliseconds since the cluster was heard of. */
  get silence(): number {
    return this.#clock.monotonic() - this.#heardAt;
  }

  /** Whether there has been a state to show. */
  get isFilled(): boolean {
    return this.#settled !== undefined;
  }

  /** Takes a line. @throws PosternError `feed_invalid` for what is none */
  take(line: unknown): void {
    const read = line as FeedLine;
    switch (read.type) {
      case "begin":
        this.#next = new Map();
        break;
      case "resource": {
        const { kind, name, revision, value, expires_at: expiresAt } = read;
        if (typeof name !== "string" || typeof revision !== "string" || !FEED_KINDS.has(kind)) throw invalid();
        const expiry = expiresAt === undefined ? {} : { expiresAt };
        this.#next.set(keyOf(kind, name), { kind, name, revision, value, ...expiry });
        break;
      }
      case "gone":
        this.#next.delete(keyOf(read.kind, read.name));
        break;
      case "settled":
        this.#settled = new Map(this.#next);
        for (const tell of this.#watchers) tell();
        break;
      case "alive":
        break;
      default:
        // What is not understood may have been a denial.
        throw invalid();
    }
    this.#heardAt = this.#clock.monotonic();
  }

  get(kind: string, name: string): Promise<StoredResource | undefined> {
    return Promise.resolve(this.#now().find((one) => one.kind === kind && one.name === name));
  }

  list(kind: string): Promise<StoredResource[]> {
    return Promise.resolve(this.#now().filter((one) => one.kind === kind));
  }

  /** Nothing, before anything was settled. */
  async *snapshot(): AsyncIterable<StoredResource> {
    yield* this.#now();
  }

  #now(): StoredResource[] {
    const now = this.#clock.now();
    const settled = [...(this.#settled?.values() ?? [])];
    return settled.filter(({ expiresAt }) => expiresAt === undefined || now < expiresAt);
  }

  watch(_onChange: (changes: readonly Change[]) => void, onGap: () => void): Promise<() => Promise<void>> {
    this.#watchers.add(onGap);
    return Promise.resolve(async () => void this.#watchers.delete(onGap));
  }

  close(): Promise<void> {
    this.#watchers.clear();
    return Promise.resolve();
  }
}

function keyOf(kind: string, name: string): string {
  return `${kind}/${name}`;
}

function invalid(): PosternError {
  return new PosternError("feed_invalid", "Cannot use what the cluster tells of its resources", {
    hint: "bring agent and proxy within one version of each other",
  });
}
