/** Services that have joined: what the cluster keeps of each, so that it can refuse to renew what it gave. */

import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import type { HostRole } from "../identity/certificate-claims.ts";
import type { JoinMethod } from "../identity/join-tokens.ts";
import { lockMessage, lockOfHost, parseLock } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import type { Store, Write } from "../store/store.ts";

/** A service that has joined. */
export interface HostRecord {
  readonly role: HostRole;
  /** What it calls itself. */
  readonly node_name: string;
  readonly method: JoinMethod;
  /** The token that it joined by, as events name it. */
  readonly token: string;
  /** When, in milliseconds since the epoch. */
  readonly joined: number;
}

/** As it was read: a write fails when somebody else wrote it meanwhile. */
export interface ReadHost {
  readonly record: HostRecord;
  readonly revision: string;
}

const KIND = "host";
/** Beyond its certificate's end, in which clocks may differ. */
const KEPT_MS = 3_600_000;

/** What is kept of a service; undefined when it did not join, was removed, or has not renewed in time. */
export async function readHost(store: Store, hostId: string): Promise<ReadHost | undefined> {
  const found = await store.get(KIND, hostId);
  if (found === undefined) return undefined;
  const read = RECORD.safeParse(found.value);
  if (read.success) return { record: read.data, revision: found.revision };
  throw new PosternError("host_invalid", `Cannot use what is kept of service ${quoted(hostId)}`, {
    hint: "let it join again, with its own part of data_dir removed",
  });
}

/** Keeps a service until its certificate has ended; `expires` in milliseconds since the epoch. */
export function hostWrite(hostId: string, record: HostRecord, expires: number, revision: string | undefined): Write {
  const where = { kind: KIND, name: hostId, value: { ...record }, expiresAt: expires + KEPT_MS };
  return revision === undefined ? { op: "create", ...where } : { op: "update", ...where, revision };
}

/** @throws PosternError `host_locked`; and what a lock is that cannot be read, for it may be the very one */
export async function requireUnlocked(store: Store, hostId: string, now: number): Promise<void> {
  const locks = (await store.list("lock")).map(({ value }) => parseLock(value).value);
  const lock = lockOfHost(hostId, locks, now);
  if (lock === undefined) return;
  throw new PosternError("host_locked", `Cannot certify service ${quoted(hostId)}: it is locked${lockMessage(lock)}`);
}

const RECORD: z.ZodType<HostRecord> = z.strictObject({
  role: z.enum(["auth", "proxy", "db"]),
  node_name: z.string(),
  method: z.enum(["token", "iam", "github", "kubernetes"]),
  token: z.string(),
  joined: z.number(),
});
