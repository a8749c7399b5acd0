/** A cluster as one file, and back: whichever store it was in, into the store that the configuration names. */

import { closeSync, createReadStream, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { syncDirectory } from "../base/sync-directory.ts";
import type { Config } from "../config/config.ts";
import { openGuardKey } from "../control/cluster.ts";
import { isGivenOut, restoreNoted } from "../control/restored.ts";
import { keysSealing } from "../control/sealed-values.ts";
import { quoted } from "../identity/names.ts";
import type { KeyRing } from "../identity/sealing.ts";
import { backup, type BackupHeader, type BackupLine, readBackup, restore, type ReadBackup } from "../store/backup.ts";
import { GUARD_KEY, GuardedStore } from "../store/guarded-store.ts";
import { ringOfBackup } from "./sealing.ts";
import { type OpenCluster, openStore, type OpenStoreOptions } from "./store.ts";

/** How many resources of each kind. */
export type Counts = Readonly<Record<string, number>>;

export interface BackupReport {
  readonly resources: number;
  readonly counts: Counts;
  /** Ids of the sealing keys without which it cannot be put back. */
  readonly keys: readonly string[];
}

/**
 * Writes a backup to a file that is not there yet, for this user alone. Broken off, it leaves no file of that name.
 *
 * @throws PosternError `backup_exists`, `backup_unwritable`, and what the store throws
 */
export async function backUp(
  { cluster }: OpenCluster,
  file: string,
  {
    clock,
    version,
    progress,
  }: { readonly clock: Clock; readonly version: string; readonly progress: (lines: number) => void },
): Promise<BackupReport> {
  let report: BackupReport = { resources: 0, counts: {}, keys: [] };
  const describe = (lines: readonly BackupLine[]): Pick<BackupHeader, "cluster" | "sealing_keys"> => {
    const keys = [...new Set(lines.flatMap(keysSealing))];
    report = { resources: lines.length, counts: countsOf(lines), keys };
    return { cluster: cluster.name, sealing_keys: keys };
  };
  const draft = `${file}.partial`;
  const descriptor = attempted(file, () => openSync(draft, "wx", 0o600));
  try {
    let count = 0;
    for await (const line of backup(cluster.store, { clock, version, describe })) {
      attempted(file, () => writeFileSync(descriptor, line));
      count += 1;
      if (count % 1000 === 0) progress(count);
    }
    attempted(file, () => fsyncSync(descriptor));
    attempted(file, () => linkSync(draft, file));
    syncDirectory(dirname(file));
    return report;
  } finally {
    closeSync(descriptor);
    rmSync(draft, { force: true });
  }
}

export interface RestoreReport {
  readonly header: BackupHeader;
  readonly counts: Counts;
  /** Links, join tokens and services that were left out. */
  readonly leftOut: number;
}

/**
 * Puts a backup into the store of a configuration, which must be empty unless `force` is given.
 *
 * @param options `keepIssued`: certificates, links, join tokens and services from before stay good, as nothing was changed since
 * @throws PosternError what is wrong with backup, key or store; nothing was written then, or the restore can be gone on with
 */
export async function restoreFile(
  config: Config,
  file: string,
  { force, keepIssued, ...options }: OpenStoreOptions & { readonly force: boolean; readonly keepIssued: boolean },
): Promise<RestoreReport> {
  const read = await readBackup(createReadStream(file)).catch((error: unknown) => {
    if (error instanceof PosternError) throw error;
    throw new PosternError("backup_invalid", `Cannot read the backup ${quoted(file)}: ${messageOf(error)}`, {
      cause: error,
    });
  });
  const ring = await ringFor(config, read);
  const guard = guardKeyIn(read, ring);
  const store = await openStore(config, options);
  try {
    const guarded = new GuardedStore(store, guard);
    requireCluster(config, read, guarded);
    const without = keepIssued ? (): boolean => false : isGivenOut;
    const also = keepIssued ? [] : [restoreNoted(options.clock.now())];
    const header = await restore(guarded, read, { replace: force, without, also });
    const kept = read.lines.filter((line) => !without(line));
    return { header, counts: countsOf(kept), leftOut: read.lines.length - kept.length };
  } finally {
    await store.close();
  }
}

/** What to hand in for a backup is known only when it was read: errors say which key. */
async function ringFor(config: Config, { lines, header }: ReadBackup): Promise<KeyRing> {
  const wrapped = lines.filter(({ kind }) => kind === "sealing_key").map(({ value }) => value);
  try {
    return await ringOfBackup(config, wrapped);
  } catch (cause) {
    throw needsKey(header, messageOf(cause), cause);
  }
}

function guardKeyIn({ lines, header }: ReadBackup, ring: KeyRing): Uint8Array {
  const line = lines.find(({ kind, name }) => kind === GUARD_KEY.kind && name === GUARD_KEY.name);
  if (line === undefined) {
    throw new PosternError("backup_invalid", "Cannot restore the backup: it is not one of a cluster", {
      hint: "take a backup with postern ctl backup: nothing was written",
    });
  }
  try {
    return openGuardKey(line.value, ring);
  } catch (cause) {
    // Another key would not help with what was altered.
    if (cause instanceof PosternError && cause.code !== "sealing_key_lost") throw altered(cause);
    throw needsKey(header, messageOf(cause), cause);
  }
}

/** Certificates name the cluster: under another name none of its authorities could be used. */
function requireCluster(config: Config, { lines }: ReadBackup, guarded: GuardedStore): void {
  const line = lines.find(({ kind }) => kind === "cluster");
  const { name } = (line === undefined ? {} : guarded.open({ ...line, revision: "" }).value) as { name?: unknown };
  const own = config.auth_service?.cluster_name ?? config.postern.nodename;
  if (name === own) return;
  throw new PosternError(
    "cluster_name_changed",
    `Cannot restore the backup: it is of cluster ${quoted(String(name))}, and this is ${quoted(own)}`,
    { hint: "set auth_service.cluster_name to that name: nothing was written" },
  );
}

function altered(cause: PosternError): PosternError {
  return new PosternError("store_tampered", `Cannot restore the backup: ${cause.message}`, {
    cause,
    hint: "take another copy of it, or an older backup: nothing was written",
  });
}

function needsKey({ sealing_keys: keys = [] }: BackupHeader, reason: string, cause: unknown): PosternError {
  return new PosternError("sealing_key_lost", `Cannot restore the backup: ${reason}`, {
    cause,
    hint: `it needs sealing key ${keys.join(", ") || "of its cluster"}: put the key file of its cluster in place, or set auth_service.sealing as it was there; nothing was written`,
  });
}

function countsOf(lines: readonly BackupLine[]): Counts {
  const counts: Record<string, number> = {};
  for (const { kind } of lines) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function attempted<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === "EEXIST";
    throw new PosternError(
      isThere ? "backup_exists" : "backup_unwritable",
      `Cannot write the backup ${quoted(file)}: ${isThere ? "it, or its draft, is there already" : messageOf(cause)}`,
      {
        cause,
        hint: isThere ? "name another file: backups are never overwritten" : "name a file in another directory",
      },
    );
  }
}
