/** When a user was removed: what somebody of that name was given before is not for the next one of that name. */

import type { Store, Write } from "../store/store.ts";

export const REMOVED = "user_removed";
/** Longer than any certificate and any link lasts: after that there is nothing left to void. */
const REMEMBERED_MS = 49 * 3_600_000;

/** Notes a removal, with the write that removes. */
export function removalNoted(user: string, now: number): Write {
  return { op: "put", kind: REMOVED, name: user, value: { at: now }, expiresAt: now + REMEMBERED_MS };
}

/** Whether a user of this name was removed at this time (milliseconds since the epoch) or later. */
export async function wasRemovedSince(store: Store, user: string, time: number): Promise<boolean> {
  const found = await store.get(REMOVED, user);
  if (found === undefined) return false;
  const { at } = found.value as { readonly at?: unknown };
  // What cannot be read must not bring anybody back.
  return typeof at !== "number" || at >= time;
}
