/** When a user was removed or reset: what somebody of that name was given before counts no more, and not for the next one. */

import type { Store, Write } from "../store/store.ts";

export const REMOVED = "user_removed";
/** Longer than any certificate and any link lasts: after that there is nothing left to void. */
const REMEMBERED_MS = 49 * 3_600_000;
/** Certificates say in whole seconds when they were issued: the next one after what is void. */
export const SECOND_MS = 1000;
/**
 * So far may a certificate be issued after the instant that is noted and before the note is in the store, or by a node whose
 * clock is ahead. Less than what is allowed for clocks everywhere: the next login says that it was issued this much later.
 */
export const MARGIN_MS = 30_000;

/** Why what was given before an instant counts no more. */
export type Ending = "removed" | "reset";

interface Noted {
  /** Milliseconds since the epoch: links from then or before are void … */
  readonly at: number;
  /** … and certificates that say that they were issued then or before. */
  readonly certificates: number;
  readonly why: Ending;
}

/** Notes a removal, with the write that removes. */
export function removalNoted(store: Store, user: string, now: number): Promise<Write> {
  return noted(store, user, now, "removed");
}

/** Notes a reset: who was in is out, and links that were made before end. */
export function resetNoted(store: Store, user: string, now: number): Promise<Write> {
  return noted(store, user, now, "reset");
}

async function noted(store: Store, user: string, at: number, why: Ending): Promise<Write> {
  const before = await lastOf(store, user);
  // What was issued after the one before may say that it is of the second after it.
  const certificates = Math.max(at + MARGIN_MS, (before?.certificates ?? 0) + SECOND_MS);
  const value = { at, certificates, why } satisfies Noted;
  return { op: "put", kind: REMOVED, name: user, value, expiresAt: at + REMEMBERED_MS };
}

/** Until when certificates are void, as what was noted says it; of a restore too. What cannot be read voids all. */
export function voidUntil(value: unknown): number {
  const { at, certificates } = (value ?? {}) as { readonly at?: unknown; readonly certificates?: unknown };
  const time = certificates ?? at;
  return typeof time === "number" ? time : Infinity;
}

/** Why a certificate that was issued at this time (milliseconds since the epoch) counts no more; undefined when it does. */
export async function endingSince(store: Store, user: string, issued: number): Promise<Ending | undefined> {
  const found = await lastOf(store, user);
  return found !== undefined && found.certificates >= issued ? found.why : undefined;
}

/** Whether a link that was made at this time (milliseconds since the epoch) counts no more. */
export async function wasRemovedSince(store: Store, user: string, made: number): Promise<boolean> {
  const found = await lastOf(store, user);
  return found !== undefined && found.at >= made;
}

/** Until when certificates of this user are void, in milliseconds since the epoch; undefined: none is by this. */
export async function endedUntil(store: Store, user: string): Promise<number | undefined> {
  return (await lastOf(store, user))?.certificates;
}

async function lastOf(store: Store, user: string): Promise<Noted | undefined> {
  const found = await store.get(REMOVED, user);
  if (found === undefined) return undefined;
  const { at, certificates, why } = found.value as { readonly [K in keyof Noted]?: unknown };
  // What cannot be read must not bring anybody back.
  const time = (value: unknown): number => (typeof value === "number" ? value : Infinity);
  return { at: time(at), certificates: time(certificates), why: why === "reset" ? "reset" : "removed" };
}
