/** How many connections to databases a user and an address hold at a time, so that nobody takes the door from the others. */

import { PosternError } from "../base/errors.ts";
import { quoted } from "../identity/names.ts";

/** The most at a time. */
export const MAX_CONNECTIONS = { user: 500, address: 1000 } as const;

/** Counts for one door. */
export class ConnectionCounts {
  readonly #held = new Map<string, number>();

  /** Takes one; returns how to give it back, once. @throws PosternError `connections_limited` */
  take(user: string, address: string): () => void {
    const keys = [
      ["user", user],
      ["address", address],
    ] as const;
    for (const [kind, name] of keys) {
      if ((this.#held.get(`${kind}/${name}`) ?? 0) < MAX_CONNECTIONS[kind]) continue;
      throw new PosternError(
        "connections_limited",
        `Cannot connect: ${kind} ${quoted(name)} holds ${MAX_CONNECTIONS[kind]} connections already`,
        { hint: "close some, or let clients keep and share theirs" },
      );
    }
    for (const [kind, name] of keys) this.#add(`${kind}/${name}`, 1);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      for (const [kind, name] of keys) this.#add(`${kind}/${name}`, -1);
    };
  }

  #add(key: string, count: number): void {
    const next = (this.#held.get(key) ?? 0) + count;
    if (next <= 0) this.#held.delete(key);
    else this.#held.set(key, next);
  }
}
