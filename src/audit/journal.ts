/** A stream on the disk: its chain, its current file, rotation, syncing and its head record. */

import { Buffer } from "node:buffer";
import { syncDirectoryIfCan } from "../base/sync-directory.ts";
import { type ChainPosition, SEAL_BYTES, sealLine } from "./chain.ts";
import { auditFileOf } from "./files.ts";
import { type HeadRecord, writeHead, writeHeadSync } from "./head.ts";
import { LogFile } from "./log-file.ts";

/** What a journal needs to go on where a stream ends. */
export interface JournalOptions {
  readonly directory: string;
  readonly stream: string;
  readonly position: ChainPosition;
  /** The sequence number in the name of the file to go on with; `undefined` to start one. */
  readonly first: number | undefined;
  readonly maxFileBytes: number;
}

/** The most bytes of lines that one append may hold. */
export const MAX_APPEND_BYTES: number = 1024 * 1024;

/** How many bytes of an append a text may need at most. */
export function spaceOf(text: string): number {
  return text.length * 3 + SEAL_BYTES;
}

/** One writer's stream. Methods throw, or reject with, what the operating system said; then nothing was appended. */
export class Journal {
  readonly #directory: string;
  readonly #stream: string;
  readonly #maxFileBytes: number;
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_APPEND_BYTES);
  #position: ChainPosition;
  #file: LogFile | undefined;
  // Full files that still need their last sync.
  #full: LogFile[] = [];
  #named = false;

  constructor(options: JournalOptions) {
    this.#directory = options.directory;
    this.#stream = options.stream;
    this.#maxFileBytes = options.maxFileBytes;
    this.#position = options.position;
    if (options.first !== undefined)
      this.#file = new LogFile(auditFileOf(options.directory, options.stream, options.first));
  }

  /** The last line's place. */
  get position(): ChainPosition {
    return this.#position;
  }

  /** The sequence number in the name of the file that the next line goes to, or of one before it. */
  get first(): number {
    return this.#file?.file.first ?? this.#position.seq + 1;
  }

  /** Appends a line for each text, in one write; together they need at most `MAX_APPEND_BYTES` by `spaceOf()`. Returns the bytes. */
  appendSync(texts: readonly string[], more: readonly string[]): number {
    const sealed = this.#seal(texts, more);
    this.#fileFor(sealed.length).appendSync(this.#buffer, sealed.length);
    this.#position = sealed.position;
    return sealed.length;
  }

  /** `appendSync()` without holding up the loop; one at a time. */
  async append(texts: readonly string[], more: readonly string[]): Promise<number> {
    const sealed = this.#seal(texts, more);
    await this.#fileFor(sealed.length).append(this.#buffer, sealed.length);
    this.#position = sealed.position;
    return sealed.length;
  }

  /** Resolves when every line appended before the call is on the disk. */
  async sync(): Promise<void> {
    const full = this.#full;
    this.#full = [];
    const named = this.#named;
    this.#named = false;
    try {
      for (const file of full) await file.sync();
      await this.#file?.sync();
      if (named) syncDirectoryIfCan(this.#directory);
    } catch (cause) {
      this.#full.unshift(...full);
      this.#named ||= named;
      throw cause;
    }
    for (const file of full) await file.close();
  }

  /** Replaces the head record. The caller has synced the lines that it names. */
  writeHead(head: Omit<HeadRecord, "stream">): Promise<void> {
    return writeHead(this.#directory, { stream: this.#stream, ...head });
  }

  /** Makes good what a failed append left, syncs, and replaces the head record, in this turn of the loop. */
  mendNow(head: Omit<HeadRecord, "stream">): void {
    for (const file of this.#full) file.syncNow();
    this.#file?.syncNow();
    writeHeadSync(this.#directory, { stream: this.#stream, ...head });
  }

  /** Closes the files. */
  async close(): Promise<void> {
    for (const file of this.#full) await file.close();
    await this.#file?.close();
    this.#file = undefined;
  }

  #seal(texts: readonly string[], more: readonly string[]): { position: ChainPosition; length: number } {
    let position = this.#position;
    let length = 0;
    for (const part of [texts, more]) {
      for (const text of part) {
        const { end, hash } = sealLine(text, position, this.#buffer, length);
        position = { seq: position.seq + 1, hash };
        length = end;
      }
    }
    return { position, length };
  }

  #fileFor(length: number): LogFile {
    const file = this.#file;
    if (file !== undefined && (file.size === 0 || file.size + length <= this.#maxFileBytes)) return file;
    const next = new LogFile(auditFileOf(this.#directory, this.#stream, this.#position.seq + 1));
    if (file !== undefined) this.#full.push(file);
    this.#file = next;
    this.#named = true;
    return next;
  }
}
