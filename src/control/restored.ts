/** When the cluster was put back from a backup: what was given out before may be what was taken away after the backup. */

import type { BackupLine } from "../store/backup.ts";
import type { Store, Write } from "../store/store.ts";
import { MARGIN_MS, voidUntil } from "./removed-users.ts";

export const RESTORED = { kind: "restored", name: "cluster" } as const;

/** Notes it, with the last write of a restore; certificates are void with the margin that a reset has. */
export function restoreNoted(now: number): Write {
  return { op: "put", ...RESTORED, value: { at: now, certificates: now + MARGIN_MS } };
}

/** Until when certificates are void by this, in milliseconds since the epoch; undefined: none is. */
export async function restoredUntil(store: Store): Promise<number | undefined> {
  const found = await store.get(RESTORED.kind, RESTORED.name);
  return found === undefined ? undefined : voidUntil(found.value);
}

/** Whether a certificate that was issued at this time (milliseconds since the epoch) is void by this. */
export async function wasRestoredSince(store: Store, issued: number): Promise<boolean> {
  const until = await restoredUntil(store);
  return until !== undefined && until >= issued;
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
