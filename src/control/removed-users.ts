/** When a user was removed or reset: what somebody of that name was given before does not count any more. */

import type { Store, Write } from "../store/store.ts";

/** What ended everything before it. */
export type Ending = "removed" | "reset";

const KINDS: Readonly<Record<Ending, string>> = { removed: "user_removed", reset: "user_reset" };
/** Longer than any certificate and any link lasts: after that there is nothing left to void. */
const REMEMBERED_MS = 49 * 3_600_000;

/** Notes a removal or a reset, with the write that makes it so. */
export function endingNoted(ending: Ending, user: string, now: number): Write {
  return { op: "put", kind: KINDS[ending], name: user, value: { at: now }, expiresAt: now + REMEMBERED_MS };
}

/** What ended a login of this user that began at this time, in milliseconds since the epoch; undefined: nothing. */
export async function endedSince(store: Store, user: string, time: number): Promise<Ending | undefined> {
  for (const ending of ["removed", "reset"] as const) if (await wasSince(store, ending, user, time)) return ending;
  return undefined;
}

/** Whether a user of this name was removed at this time (milliseconds since the epoch) or later. */
export function wasRemovedSince(store: Store, user: string, time: number): Promise<boolean> {
  return wasSince(store, "removed", user, time);
}

async function wasSince(store: Store, ending: Ending, user: string, time: number): Promise<boolean> {
  const found = await store.get(KINDS[ending], user);
  if (found === undefined) return false;
  const { at } = found.value as { readonly at?: unknown };
  // What cannot be read must not bring anybody back.
  return typeof at !== "number" || at >= time;
}
