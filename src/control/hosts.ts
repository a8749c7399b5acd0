/** Services that have joined: what the cluster keeps of each, so that it can refuse to renew what it gave. */

import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import type { HostRole } from "../identity/certificate-claims.ts";
import type { HostDatabases } from "../identity/host-databases.ts";
import type { JoinMethod } from "../identity/join-tokens.ts";
import { type Lock, lockMessage, lockOfHost, parseLock } from "../identity/lock.ts";
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
  /** The AWS identity that it proved, for method `iam`. */
  readonly aws_arn?: string | undefined;
  /** As its token said when it joined; absent: any database. */
  readonly databases?: HostDatabases;
}

/** As it was read: a write fails when somebody else wrote it meanwhile. */
export interface ReadHost {
  readonly record: HostRecord;
  readonly revision: string;
}

const KIND = "host";
/** By which identities hosts joined that were locked. Kept for good: hosts are forgotten with their certificates, locks are not. */
const LOCKED = "locked_host";
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
  const { aws_arn: arn, databases, ...rest } = record;
  const value = {
    ...rest,
    ...(arn === undefined ? {} : { aws_arn: arn }),
    ...(databases === undefined ? {} : { databases }),
  };
  const where = { kind: KIND, name: hostId, value, expiresAt: expires + KEPT_MS };
  return revision === undefined ? { op: "create", ...where } : { op: "update", ...where, revision };
}

/** @throws PosternError `host_locked`; and what a lock is that cannot be read, for it may be the very one */
export async function requireUnlocked(store: Store, hostId: string, now: number): Promise<void> {
  const lock = lockOfHost(hostId, await locksIn(store), now);
  if (lock === undefined) return;
  throw new PosternError("host_locked", `Cannot certify service ${quoted(hostId)}: it is locked${lockMessage(lock)}`);
}

/**
 * Notes by which AWS identities those hosts joined on which these locks are, with the write of the locks: such a one could join again
 * as another host.
 */
export async function hostLocksNoted(store: Store, locks: readonly Lock[]): Promise<Write[]> {
  const hostIds = new Set(locks.flatMap(({ target }) => ("server_id" in target ? [target.server_id] : [])));
  const writes: Write[] = [];
  for (const hostId of hostIds) {
    const arn = await readHost(store, hostId).then(
      (found) => found?.record.aws_arn,
      (error: unknown) => {
        // The lock is to be written, whatever somebody put there.
        if (error instanceof PosternError && UNREADABLE.has(error.code)) return undefined;
        throw error;
      },
    );
    if (arn !== undefined) writes.push({ op: "put", kind: LOCKED, name: hostId, value: { aws_arn: arn } });
  }
  return writes;
}

const UNREADABLE: ReadonlySet<string> = new Set(["host_invalid", "store_tampered", "store_corrupt"]);

/** @throws PosternError `host_locked` while a host is locked that joined by this AWS identity; as `requireUnlocked()` */
export async function requireIdentityUnlocked(store: Store, arn: string, now: number): Promise<void> {
  const locks = await locksIn(store);
  const locked = new Set(locks.flatMap(({ target }) => ("server_id" in target ? [target.server_id] : [])));
  for (const hostId of locked) {
    const lock = lockOfHost(hostId, locks, now);
    const noted = await store.get(LOCKED, hostId);
    if (lock === undefined || noted === undefined) continue;
    const { aws_arn: by } = Object(noted.value) as { readonly aws_arn?: unknown };
    // What cannot be read may be this one.
    if (typeof by === "string" && by !== arn) continue;
    const which = `service ${quoted(hostId)}, which joined by it, is locked${lockMessage(lock)}`;
    throw new PosternError("host_locked", `Cannot certify ${quoted(arn)}: ${which}`);
  }
}

async function locksIn(store: Store): Promise<Lock[]> {
  return (await store.list("lock")).map(({ value }) => parseLock(value).value);
}

const RECORD: z.ZodType<HostRecord> = z.strictObject({
  role: z.enum(["auth", "proxy", "db"]),
  node_name: z.string(),
  method: z.enum(["token", "iam", "github", "kubernetes"]),
  token: z.string(),
  joined: z.number(),
  aws_arn: z.string().optional(),
  databases: z.array(z.string()).optional(),
});
