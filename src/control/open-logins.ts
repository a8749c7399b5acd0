/** How many logins may be open at a time, over all doors of a cluster: strangers can begin them. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { networkOf } from "../base/network.ts";
import type { Store } from "../store/store.ts";

/** All that there is room for, and those of one network. */
const MAX_OPEN = 1000;
const MAX_OPEN_OF_NETWORK = 20;

/** @throws PosternError `login_limited` when there are as many as may be of a kind that keeps its `address` */
export async function requireRoom(store: Store, clock: Clock, kind: string, address: string): Promise<void> {
  const kept = await store.list(kind, { limit: MAX_OPEN });
  const open = kept.filter(({ expiresAt = 0 }) => clock.now() < expiresAt);
  const network = networkOf(address);
  const own = open.filter(({ value }) => {
    const { address: other } = value as { readonly address?: unknown };
    return typeof other === "string" && networkOf(other) === network;
  });
  if (open.length >= MAX_OPEN || own.length >= MAX_OPEN_OF_NETWORK) throw limited(60_000);
}

/** @param wait milliseconds */
export function limited(wait: number): PosternError {
  return new PosternError("login_limited", "Cannot log in: there were too many attempts", {
    hint: `try again in ${Math.ceil(wait / 1000)} s`,
  });
}
