/** The errors of every store, in one wording. None of them holds a value. */

import { PosternError } from "../base/errors.ts";
import type { Write } from "./store.ts";

/** Why a write was refused, as a PosternError's code. */
export type Refusal = "store_exists" | "store_missing" | "store_conflict";

const REASONS: Readonly<Record<Refusal, { readonly reason: string; readonly hint: string }>> = {
  store_exists: { reason: "there is one already", hint: "change the one that is there, or choose another name" },
  store_missing: { reason: "there is none", hint: "check kind and name" },
  store_conflict: { reason: "it is no longer as it was read", hint: "read it again and repeat the change" },
};

/** A write that what is there does not allow. */
export function refused(code: Refusal, write: Write): PosternError {
  const { reason, hint } = REASONS[code];
  return new PosternError(code, `Cannot ${write.op} ${nameOf(write)}: ${reason}`, { hint });
}

/** Whether a write was refused because of what others wrote meanwhile: then what it was judged by is to be read anew. */
export function isRace(thrown: unknown): boolean {
  return thrown instanceof PosternError && Object.hasOwn(REASONS, thrown.code);
}

/** What the store cannot keep, or cannot be asked. */
export function invalid(attempt: string, reason: string, hint: string): PosternError {
  return new PosternError("store_invalid", `Cannot ${attempt}: ${reason}`, { hint });
}

export function closed(): PosternError {
  return new PosternError("store_closed", "Cannot use the store: it is closed", { hint: "open it again" });
}

export function unavailable(attempt: string, reason: string, hint: string, cause?: unknown): PosternError {
  return new PosternError("store_unavailable", `Cannot ${attempt}: ${reason}`, { hint, cause });
}

/** @param what the file, table or resource that is damaged, as a person would name it */
export function corrupt(what: string, reason: string, cause?: unknown): PosternError {
  return new PosternError("store_corrupt", `Cannot use ${what}: ${reason}`, {
    hint: "keep it for inspection and restore a backup into a new one: nothing was changed",
    cause,
  });
}

/** Whether something is damaged, so that another attempt finds the same. */
export function isCorrupt(thrown: unknown): boolean {
  return thrown instanceof PosternError && thrown.code === "store_corrupt";
}

/** @param known the newest schema that this version can read */
export function newer(place: string, found: number, known: number): PosternError {
  return new PosternError(
    "store_newer",
    `Cannot use the store "${place}": it has schema ${found}, made by a newer Postern; this one knows schemas up to ${known}`,
    { hint: `run the newer Postern, or have it take the store back to schema ${known} first` },
  );
}

/** @param known the schema that this version works with */
export function older(place: string, found: number, known: number): PosternError {
  return new PosternError(
    "store_older",
    `Cannot use the store "${place}": it has schema ${found} by now, and this process works with schema ${known}`,
    { hint: "restart it, which takes the store forward, or run the older Postern that it was taken back for" },
  );
}

/** A resource as errors name it. The name of a join token may be all that it takes to join: its end is enough to find it. */
export function nameOf(resource: Named): string {
  return `${resource.kind} ${JSON.stringify(shownNameOf(resource))}`;
}

interface Named {
  readonly kind: string;
  readonly name: string;
}

/** The name alone, as far as it may be shown. */
export function shownNameOf({ kind, name }: Named): string {
  return kind === "token" ? `…${name.slice(name.length - Math.min(8, Math.floor(name.length / 4)))}` : name;
}
