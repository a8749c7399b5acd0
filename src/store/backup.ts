/** Backups of a store: lines of JSON with a header and a trailer, checked whole before any of it is put back. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import * as z from "zod";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { checkWrites } from "./checks.ts";
import { GuardedStore, UNGUARDED } from "./guarded-store.ts";
import { nameOf } from "./store-errors.ts";
import type { Store, StoredResource, StoredValue, Write } from "./store.ts";

/** The first line. */
export interface BackupHeader {
  readonly format: "postern-backup";
  readonly format_version: number;
  /** Of the Postern that made it. */
  readonly version: string;
  readonly created_at: string;
  readonly resources: number;
  /** Which cluster it is of. */
  readonly cluster?: string | undefined;
  /** Ids of the sealing keys without which nothing of it opens. */
  readonly sealing_keys?: readonly string[] | undefined;
}

/** A backup that was read whole and whose digest is right. Who made it is not known yet. */
export interface ReadBackup {
  readonly header: BackupHeader;
  readonly lines: readonly BackupLine[];
  readonly digest: string;
  readonly seal: string | undefined;
}

export interface RestoreOptions {
  /** Puts it in the place of what is there. */
  readonly replace?: boolean;
  /** What of it is left out. */
  readonly without?: (line: BackupLine) => boolean;
  /** What is written with the last of it. */
  readonly also?: readonly Write[];
}

/** The last line: the digest of all bytes before it and, of a guarded store, a seal of it. */
interface Trailer {
  readonly sha256: string;
  readonly seal?: string;
}

/** A resource in a backup, with its seal. */
export type BackupLine = Pick<StoredResource, "kind" | "name" | "value" | "expiresAt">;

const FORMAT_VERSION = 1;
/** Marks a store into which a backup is being put back, with the backup's digest: that can be gone on with. */
const MARK = { kind: "restore", name: "pending" } as const;
const BATCH = 49;
const BATCH_BYTES = 1_000_000;

/**
 * The store at one moment as lines, each with its end. What a guarded store holds keeps its seals: it can be put back only
 * where the key is the same.
 *
 * @throws PosternError `store_tampered`, `restore_unfinished`
 */
export async function* backup(
  store: Store,
  about: {
    readonly clock: Clock;
    readonly version: string;
    /** What else the first line says. */
    readonly describe?: (lines: readonly BackupLine[]) => Pick<BackupHeader, "cluster" | "sealing_keys">;
  },
): AsyncGenerator<string> {
  const lines: string[] = [];
  const resources: BackupLine[] = [];
  for await (const resource of bare(store).snapshot()) {
    if (store instanceof GuardedStore && !UNGUARDED.has(resource.kind)) store.open(resource);
    const { kind, name, value, expiresAt } = resource;
    if (kind === MARK.kind && name === MARK.name) {
      throw unfinished("back up this store");
    }
    resources.push(resource);
    lines.push(`${JSON.stringify({ kind, name, value, expiresAt })}\n`);
  }
  const header: BackupHeader = {
    format: "postern-backup",
    format_version: FORMAT_VERSION,
    version: about.version,
    created_at: new Date(about.clock.now()).toISOString(),
    resources: lines.length,
    ...about.describe?.(resources),
  };
  const hash = createHash("sha256");
  for (const line of [`${JSON.stringify(header)}\n`, ...lines]) {
    hash.update(line);
    yield line;
  }
  const sha256 = hash.digest("hex");
  const trailer: Trailer = { sha256, ...(store instanceof GuardedStore && { seal: store.sealBackup(sha256) }) };
  yield `${JSON.stringify(trailer)}\n`;
}

/**
 * Refuses a store into which a backup was put in part: what is there is neither the old nor the new.
 *
 * @throws PosternError `restore_unfinished`
 */
export async function requireWhole(store: Pick<Store, "get">, attempt: string): Promise<void> {
  const inner = store instanceof GuardedStore ? store.inner : store;
  if ((await inner.get(MARK.kind, MARK.name)) !== undefined) throw unfinished(attempt);
}

/**
 * Puts a backup into an empty store, or goes on with one that was broken off. Nothing is written before all of it is found
 * to be what the store's key sealed.
 *
 * @throws PosternError `backup_invalid` with what is wrong and where, `store_not_empty`, `store_tampered`
 */
export async function restore(
  store: Store,
  { header, lines, digest, seal }: ReadBackup,
  { replace = false, without = () => false, also = [] }: RestoreOptions = {},
): Promise<BackupHeader> {
  check(store, lines, digest, seal);
  const inner = bare(store);
  const mark = await inner.get(MARK.kind, MARK.name);
  if (mark === undefined) {
    if (!replace) await requireEmpty(inner);
    await inner.write([{ op: "create", ...MARK, value: digest }]);
  } else if (mark.value !== digest) {
    if (!replace) {
      throw notEmpty("another backup was put into it in part", "go on with that backup, or restore into a new store");
    }
    await inner.write([{ op: "update", ...MARK, value: digest, revision: mark.revision }]);
  }
  const kept = lines.filter((line) => !without(line));
  if (replace) await removeAllBut(inner, new Set(kept.map(keyOf)));
  for (const batch of batches(kept)) await inner.write(batch);
  await store.write([{ op: "delete", ...MARK }, ...also]);
  return header;
}

async function requireEmpty(inner: Store): Promise<void> {
  for await (const { kind, name } of inner.snapshot()) {
    throw notEmpty(
      `it has ${nameOf({ kind, name })}`,
      "restore into a new store, and keep this one until you have looked at it",
    );
  }
}

async function removeAllBut(inner: Store, kept: ReadonlySet<string>): Promise<void> {
  const gone: Write[] = [];
  for await (const { kind, name, revision } of inner.snapshot()) {
    if (kind === MARK.kind || kept.has(keyOf({ kind, name }))) continue;
    gone.push({ op: "delete", kind, name, revision });
  }
  for (let at = 0; at < gone.length; at += BATCH) await inner.write(gone.slice(at, at + BATCH));
}

function keyOf({ kind, name }: Pick<BackupLine, "kind" | "name">): string {
  return `${kind}/${name}`;
}

/**
 * Reads a backup to its end.
 *
 * @throws PosternError `backup_invalid` with what is wrong and where, `store_newer`
 */
export async function readBackup(text: AsyncIterable<Uint8Array | string>): Promise<ReadBackup> {
  const hash = createHash("sha256");
  let header: BackupHeader | undefined;
  let trailer: Trailer | undefined;
  const lines: BackupLine[] = [];
  let number = 0;
  for await (const line of linesOf(text)) {
    number += 1;
    if (trailer !== undefined) throw broken(`line ${number} comes behind its end`);
    const read = parse(line, number);
    if (header === undefined) {
      header = headerOf(read);
    } else if (typeof read["sha256"] === "string") {
      trailer = { sha256: read["sha256"], ...(typeof read["seal"] === "string" && { seal: read["seal"] }) };
      continue;
    } else {
      lines.push(read as unknown as BackupLine);
    }
    hash.update(line);
  }
  if (header === undefined) throw broken("it is empty");
  if (trailer === undefined) throw broken(`it ends after line ${number}, without its last one`);
  const digest = hash.digest("hex");
  if (trailer.sha256 !== digest) throw broken("its digest is not that of its lines: it was changed");
  if (header.resources !== lines.length) throw broken(`it has ${lines.length} resources and says ${header.resources}`);
  return { header, lines, digest, seal: trailer.seal };
}

/** Every line must be one that the store takes and, in a guarded one, that the key sealed. */
function check(store: Store, lines: readonly BackupLine[], digest: string, seal: string | undefined): void {
  if (store instanceof GuardedStore && (seal === undefined || !store.isSealOfBackup(digest, seal))) {
    throw foreign("its last line is not sealed with the key of this cluster");
  }
  const names = new Set<string>();
  for (const [index, line] of lines.entries()) {
    try {
      checkWrites([toWrite(line)]);
      if (store instanceof GuardedStore && !UNGUARDED.has(line.kind)) store.open({ ...line, revision: "" });
    } catch (error) {
      if (error instanceof PosternError && error.code === "store_tampered") throw foreign(error.message);
      throw broken(`line ${index + 2}: ${messageOf(error)}`);
    }
    const key = keyOf(line);
    if (names.has(key)) throw broken(`line ${index + 2} has ${nameOf(line)} again`);
    names.add(key);
  }
}

const VERSION = z.string().regex(/^[\w.+-]{1,64}$/);

/** Read before anybody knows who wrote it, and shown where it is refused. */
const HEADER: z.ZodType<BackupHeader> = z.strictObject({
  format: z.literal("postern-backup"),
  format_version: z.literal(FORMAT_VERSION),
  version: VERSION,
  created_at: z.iso.datetime(),
  resources: z.number().int().nonnegative(),
  cluster: z.string().optional(),
  sealing_keys: z.array(z.string().regex(/^[0-9a-f]{16}$/)).optional(),
});

const LATER = z.object({
  format: z.literal("postern-backup"),
  format_version: z.number().int().gt(FORMAT_VERSION),
  version: VERSION,
});

function headerOf(read: Readonly<Record<string, unknown>>): BackupHeader {
  const header = HEADER.safeParse(read);
  if (header.success) return header.data;
  const later = LATER.safeParse(read);
  if (!later.success) throw broken("its first line is not that of a Postern backup");
  throw new PosternError(
    "store_newer",
    `Cannot restore the backup: it has format ${later.data.format_version}, this version reads ${FORMAT_VERSION}`,
    { hint: `restore it with Postern ${later.data.version}` },
  );
}

function parse(line: string, number: number): Readonly<Record<string, unknown>> {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    // The parser's own words would quote a value.
    throw broken(`line ${number} is no JSON`);
  }
  if (!line.endsWith("\n")) throw broken(`line ${number} has no end`);
  if (typeof read === "object" && read !== null) return read as Record<string, unknown>;
  throw broken(`line ${number} is no object`);
}

/** Lines with their ends; the last may lack it. */
async function* linesOf(text: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw broken("it is not UTF-8");
    }
  };
  let rest = "";
  for await (const chunk of text) {
    rest += typeof chunk === "string" ? chunk : decode(chunk);
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) yield `${part}\n`;
  }
  rest += decode();
  if (rest !== "") yield rest;
}

function* batches(lines: readonly BackupLine[]): Generator<Write[]> {
  let batch: Write[] = [];
  let bytes = 0;
  for (const line of lines) {
    const size = Buffer.byteLength(JSON.stringify(line.value));
    if (batch.length > 0 && (batch.length === BATCH || bytes + size > BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(toWrite(line));
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function toWrite({ kind, name, value, expiresAt }: BackupLine): Write {
  return { op: "put", kind, name, value: value as StoredValue, ...(expiresAt !== undefined && { expiresAt }) };
}

function bare(store: Store): Store {
  return store instanceof GuardedStore ? store.inner : store;
}

function unfinished(attempt: string): PosternError {
  return new PosternError("restore_unfinished", `Cannot ${attempt}: a backup was put into it in part`, {
    hint: "finish the restore first: run it again with the same backup",
  });
}

function notEmpty(reason: string, hint: string): PosternError {
  return new PosternError("store_not_empty", `Cannot restore into this store: ${reason}`, { hint });
}

function broken(reason: string): PosternError {
  return new PosternError("backup_invalid", `Cannot restore the backup: ${reason}`, {
    hint: "take another copy of it, or an older backup: nothing was written",
  });
}

function foreign(reason: string): PosternError {
  return new PosternError("store_tampered", `Cannot restore the backup: ${reason}`, {
    hint: "restore it with the key file of the cluster that it was made of: nothing was written",
  });
}
