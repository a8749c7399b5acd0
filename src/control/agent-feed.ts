/** What agents decide by, as it is now and as it changes: lines of JSON for as long as an agent listens. */

import { setTimeout } from "node:timers";
import type { Store, StoredResource, StoredValue } from "../store/store.ts";
import { requireWhole } from "../store/backup.ts";
import { REMOVED } from "./removed-users.ts";
import { RESTORED } from "./restored.ts";

/** Kinds that agents are told of: no secret is among them. */
export const FEED_KINDS: ReadonlySet<string> = new Set(["user", "role", "lock", "db", "oidc", REMOVED, RESTORED.kind]);

/** What agents are told of the cluster itself. */
export interface ClusterNews {
  /** Ids of the proxies that live: an agent needs a tunnel to each. */
  readonly proxies: readonly string[];
  /** Pins of those who vouch for hosts and users: who knows others must ask anew. */
  readonly authorities: { readonly host: readonly string[]; readonly user: readonly string[] };
}

/** One line. Lines of types that are not known end the listening, save those that say that they are `ignorable`. */
export type FeedLine =
  /** Everything comes anew; what was told before counts until it is settled. */
  | { readonly type: "begin" }
  | {
      readonly type: "resource";
      readonly kind: string;
      readonly name: string;
      readonly revision: string;
      readonly value: StoredValue;
      readonly expires_at?: number;
    }
  | { readonly type: "gone"; readonly kind: string; readonly name: string }
  /** What was told so far is one consistent state. */
  | { readonly type: "settled" }
  /** Of the cluster itself; by what is not known of it nobody is let in. */
  | ({ readonly type: "cluster"; readonly ignorable: true } & ClusterNews)
  /** Nothing has changed; whoever hears nothing for long has lost the cluster. */
  | { readonly type: "alive" };

/** Milliseconds between two lines at most. */
export const FEED_PULSE_MS = 5000;
/** As many changes as may wait for a slow listener; then everything comes anew. */
const MAX_WAITING = 10_000;

export interface FeedOptions {
  readonly signal: AbortSignal;
  readonly pulse?: number;
  /** What is to be told of the cluster itself; asked with every pulse, and when an authority or a proxy changes. */
  readonly about?: () => Promise<ClusterNews>;
}

/** Tells everything, then what changes, until the signal. @throws what keeps the store from being read */
export async function* agentFeed(
  store: Pick<Store, "get" | "snapshot" | "watch">,
  { signal, pulse = FEED_PULSE_MS, about }: FeedOptions,
): AsyncGenerator<FeedLine, void, undefined> {
  let waiting: FeedLine[] = [];
  let anew = true;
  let look = true;
  let told = "";
  let wake: () => void = () => undefined;
  // First the watch: what is written between the two must not go unseen.
  const unwatch = await store.watch(
    (changes) => {
      for (const { kind, name, resource } of changes) {
        if (kind === "authority" || kind === "proxy") look = true;
        if (FEED_KINDS.has(kind))
          waiting.push(resource === undefined ? { type: "gone", kind, name } : lineOf(resource));
      }
      if (waiting.length > MAX_WAITING) anew = true;
      if (anew) waiting = [];
      wake();
    },
    () => {
      anew = true;
      waiting = [];
      wake();
    },
  );
  const stop = (): void => wake();
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      if (look && about !== undefined) {
        look = false;
        const news = await about();
        const text = JSON.stringify(news);
        if (text !== told) yield { type: "cluster", ignorable: true, ...news };
        told = text;
      }
      if (anew) {
        anew = false;
        // What was told before is in what is read now.
        waiting = [];
        yield { type: "begin" };
        for await (const resource of store.snapshot()) {
          if (signal.aborted) return;
          if (FEED_KINDS.has(resource.kind)) yield lineOf(resource);
        }
        // What was found may be half of a backup that is being put back.
        await requireWhole(store, "tell agents what is in this store");
        yield { type: "settled" };
      } else if (waiting.length > 0) {
        const lines = waiting;
        waiting = [];
        yield* lines;
        yield { type: "settled" };
      } else {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pulse);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        look ||= waiting.length === 0;
        if (!signal.aborted && waiting.length === 0 && !anew) yield { type: "alive" };
      }
    }
  } finally {
    signal.removeEventListener("abort", stop);
    await unwatch();
  }
}

function lineOf({ kind, name, revision, value, expiresAt }: StoredResource): FeedLine {
  return {
    type: "resource",
    kind,
    name,
    revision,
    value: kind === "oidc" ? withoutSecret(value) : value,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
}

/** Of a connector agents need to know that there is one; its secret is sealed, and still nobody else's. */
function withoutSecret(document: StoredValue): StoredValue {
  const { spec, ...rest } = document as { readonly spec?: { readonly [name: string]: StoredValue } };
  const { client_secret: _, ...shown } = spec ?? {};
  return { ...rest, spec: shown };
}
