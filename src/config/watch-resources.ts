/** Keeping a resources directory in force while it changes: a set that reads well replaces the last, a bad one changes nothing. */

import { PosternError } from "../base/errors.ts";
import { lookAt } from "./look.ts";
import { isResourceFile, loadResources, type Resources, type ResourcesOptions } from "./resources.ts";
import { watchPath, type Closer, type WatchOptions } from "./watch-path.ts";

/** What becomes of changes. */
export interface WatchResourcesOptions extends Pick<WatchOptions, "settleMs" | "pollMs">, ResourcesOptions {
  /** The set in force. What changed between its loading and the watch is noticed. */
  readonly current: Resources;
  /** Puts a new set in force; called again with an equal set once an error is over. What it throws goes to `onError`. */
  readonly onChange: (resources: Resources) => void | Promise<void>;
  /** Told when the directory cannot be used, once for each different reason; the last good set stays in force. */
  readonly onError: (error: PosternError) => void;
}

/** Watches a resources directory until it is closed. Pass the `cache` that loading `current` filled, and nothing is parsed twice. */
export function watchResources(directory: string, options: WatchResourcesOptions): Closer {
  const keeper = new ResourcesKeeper(directory, options);
  const watching = keeper.start();
  return {
    async close() {
      keeper.stop();
      await (await watching)?.close();
    },
  };
}

class ResourcesKeeper {
  readonly #directory: string;
  readonly #options: WatchResourcesOptions;
  readonly #loading: ResourcesOptions;
  #current: Resources;
  #failure: string | undefined;
  #stopped = false;

  constructor(directory: string, options: WatchResourcesOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#current = options.current;
    const { validate, clock, cache } = options;
    this.#loading = {
      cache: cache ?? new Map(),
      ...(clock === undefined ? {} : { clock }),
      ...(validate === undefined
        ? {}
        : { validate: (resources) => (this.#isInForce(resources) ? undefined : validate(resources)) }),
    };
  }

  async start(): Promise<Closer | undefined> {
    const { settleMs, pollMs } = this.#options;
    const { print } = await lookAt(this.#directory, isResourceFile);
    await this.#reload();
    if (this.#stopped) return undefined;
    return watchPath(this.#directory, () => this.#reload(), {
      ...(settleMs === undefined ? {} : { settleMs }),
      ...(pollMs === undefined ? {} : { pollMs }),
      counts: isResourceFile,
      since: print,
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** An equal set says nothing new, unless it is the end of an error. */
  #isInForce(resources: Resources): boolean {
    return resources.digest === this.#current.digest && this.#failure === undefined;
  }

  async #reload(): Promise<void> {
    try {
      const next = await this.#loadSettled();
      if (this.#stopped || this.#isInForce(next)) return;
      await this.#options.onChange(next);
      this.#current = next;
      this.#failure = undefined;
    } catch (thrown) {
      const error =
        thrown instanceof PosternError
          ? thrown
          : new PosternError("resources_not_applied", "Cannot apply the resources", { cause: thrown });
      const isNews = error.message !== this.#failure;
      this.#failure = error.message;
      if (isNews && !this.#stopped) this.#options.onError(error);
    }
  }

  /** Loads a set during whose loading nothing changed: files that were swapped half-way must not be mixed. */
  async #loadSettled(): Promise<Resources> {
    for (let attempt = 1; ; attempt++) {
      const before = await lookAt(this.#directory, isResourceFile);
      const [result] = await Promise.allSettled([loadResources(this.#directory, this.#loading)]);
      const after = await lookAt(this.#directory, isResourceFile);
      // A directory that never rests is judged as it is: the watch sees to it that it is looked at again.
      if (attempt < MAX_ATTEMPTS && before.print !== after.print && !this.#stopped) continue;
      if (result.status === "rejected") throw result.reason;
      return result.value;
    }
  }
}

const MAX_ATTEMPTS = 5;
