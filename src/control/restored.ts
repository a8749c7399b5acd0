/** When the cluster was put back from a backup: what was given out before may be what was taken away after the backup. */

import type { BackupLine } from "../store/backup.ts";
import type { Store, Write } from "../store/store.ts";

export const RESTORED = { kind: "restored", name: "cluster" } as const;

/** Notes it, with the last write of a restore. */
export function restoreNoted(now: number): Write {
  return { op: "put", ...RESTORED, value: { at: now } };
}

/** Whether the cluster was put back from a backup at this time (milliseconds since the epoch) or later. */
export async function wasRestoredSince(store: Store, time: number): Promise<boolean> {
  const found = await store.get(RESTORED.kind, RESTORED.name);
  if (found === undefined) return false;
  const { at } = found.value as { readonly at?: unknown };
  // What cannot be read must not bring anybody back.
  return typeof at !== "number" || at >= time;
}

/**
 * Whether a line holds what somebody was given to get in by: links, join tokens that are secrets, and the services that have
 * joined, whose certificates are renewed by it.
 */
export function isGivenOut({ kind, value }: BackupLine): boolean {
  if (kind === "invite" || kind === "host") return true;
  if (kind !== "token") return false;
  const document = (value as { readonly value?: { readonly spec?: { readonly join_method?: unknown } } }).value;
  return (document?.spec?.join_method ?? "token") === "token";
}
