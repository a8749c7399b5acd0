/** What an agent was told of its cluster's resources, in the shape of a store that can be read and watched. */

import * as z from "zod";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { type ClusterNews, FEED_KINDS, type FeedLine } from "../control/agent-feed.ts";
import type { Change, Store, StoredResource } from "../store/store.ts";

/** The part of a store that followers need. */
export type ReadableStore = Pick<Store, "get" | "list" | "snapshot" | "watch" | "close">;

/** Two clocks that differ by less are not said to have slept. */
const LEAST_SLEEP_MS = 1000;

/** After that much sleep a connection that was open before is not believed any more: what it tells may be as old. */
const LONGEST_SLEEP_MS = 15_000;

/** Fed line by line; shows only states that were settled. */
export class FedStore implements ReadableStore {
  readonly #clock: Clock;
  #settled: ReadonlyMap<string, StoredResource> | undefined;
  #next = new Map<string, StoredResource>();
  readonly #watchers = new Set<() => void>();
  /** Whether a whole state is being told. */
  #telling = true;
  #about: ClusterNews | undefined;
  readonly #listeners = new Set<(about: ClusterNews) => void>();
  #heardAt: number;
  /** How far the wall clock was before the monotonic one when both were last looked at. */
  #ahead: number;
  /** Milliseconds that the machine slept: since the cluster was heard of, and under the connection that tells. */
  #slept = { unheard: 0, connected: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heardAt = clock.monotonic();
    this.#ahead = clock.now() - this.#heardAt;
  }

  /** Milliseconds since the cluster was heard of, those among them in which the machine slept. */
  get silence(): number {
    return this.#look() - this.#heardAt + this.#slept.unheard;
  }

  /**
   * The monotonic clock stands still while a machine is suspended; the wall clock shows afterwards how long that was. So one that is
   * set forward counts as sleep, which is forgotten with the next word; one that is set back is no reason to have slept less.
   *
   * @returns the monotonic clock
   */
  #look(): number {
    const now = this.#clock.monotonic();
    const ahead = this.#clock.now() - now;
    const leap = ahead - this.#ahead;
    // Readings of two clocks always differ a little, and would add up.
    if (leap > LEAST_SLEEP_MS)
      this.#slept = { unheard: this.#slept.unheard + leap, connected: this.#slept.connected + leap };
    if (leap < 0 || leap > LEAST_SLEEP_MS) this.#ahead = ahead;
    return now;
  }

  /** Whether there has been a state to show. */
  get isFilled(): boolean {
    return this.#settled !== undefined;
  }

  /** What was last told of the cluster itself. */
  get about(): ClusterNews | undefined {
    return this.#about;
  }

  /** Calls `listener` whenever something is told of the cluster itself, and now when something was. */
  onAbout(listener: (about: ClusterNews) => void): void {
    this.#listeners.add(listener);
    if (this.#about !== undefined) listener(this.#about);
  }

  /**
   * What comes next comes by another connection: nothing of it is word of how things are before a state was told to its end,
   * and none of it adds to what the last connection left half told.
   */
  beginAnew(): void {
    this.#look();
    this.#slept = { ...this.#slept, connected: 0 };
    this.#begin();
  }

  #begin(): void {
    this.#next = new Map();
    this.#telling = true;
  }

  /**
   * Takes a line.
   *
   * @throws PosternError `feed_invalid` for what is none, `feed_late` where it may have lain here while the machine slept
   */
  take(line: unknown): void {
    const now = this.#look();
    if (this.#slept.connected > LONGEST_SLEEP_MS) throw late();
    const read = line as FeedLine;
    switch (read.type) {
      case "begin":
        this.#begin();
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
        this.#telling = false;
        this.#settled = new Map(this.#next);
        for (const tell of this.#watchers) tell();
        break;
      case "alive":
        break;
      case "cluster":
        this.#about = ABOUT.parse(read);
        for (const tell of this.#listeners) tell(this.#about);
        break;
      default:
        // What is not understood may have been a denial, unless whoever tells it knows that it is none.
        if ((read as { readonly ignorable?: unknown }).ignorable !== true) throw invalid();
    }
    // A state that is begun again and again and never settles is no word of how things are.
    if (this.#telling) return;
    this.#heardAt = now;
    this.#slept = { ...this.#slept, unheard: 0 };
  }

  get(kind: string, name: string): Promise<StoredResource | undefined> {
    const found = this.#settled?.get(keyOf(kind, name));
    return Promise.resolve(found === undefined || this.#isOver(found) ? undefined : found);
  }

  list(kind: string): Promise<StoredResource[]> {
    return Promise.resolve(this.#now().filter((one) => one.kind === kind));
  }

  /** Nothing, before anything was settled. */
  async *snapshot(): AsyncIterable<StoredResource> {
    yield* this.#now();
  }

  #now(): StoredResource[] {
    return [...(this.#settled?.values() ?? [])].filter((one) => !this.#isOver(one));
  }

  #isOver({ expiresAt }: StoredResource): boolean {
    return expiresAt !== undefined && this.#clock.now() >= expiresAt;
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

const ABOUT: z.ZodType<ClusterNews> = z.object({
  proxies: z.array(z.string().max(64)).max(1000),
  authorities: z.object({ host: z.array(z.string().max(128)).max(4), user: z.array(z.string().max(128)).max(4) }),
});

function keyOf(kind: string, name: string): string {
  return `${kind}/${name}`;
}

function late(): PosternError {
  return new PosternError(
    "feed_late",
    "Cannot tell how old the cluster's news is: this machine slept, or its clock was set",
  );
}

function invalid(): PosternError {
  return new PosternError("feed_invalid", "Cannot use what the cluster tells of its resources", {
    hint: "bring agent and proxy within one version of each other",
  });
}
