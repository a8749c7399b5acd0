/** One open audit file: appending whole lines to it, or nothing. */

import { close, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, write, writeSync } from "node:fs";
import type { AuditFile } from "./files.ts";

/** An open file that only grows by whole appends. Methods throw what the operating system said. */
export class LogFile {
  readonly file: AuditFile;
  readonly #descriptor: number;
  #size: number;
  // Bytes of a failed append may stand behind #size until a cut succeeds.
  #torn = false;

  constructor(file: AuditFile) {
    this.file = file;
    this.#descriptor = openSync(file.path, "a", 0o600);
    this.#size = fstatSync(this.#descriptor).size;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends the first `length` bytes of `buffer` in this turn of the loop. */
  appendSync(buffer: Buffer, length: number): void {
    this.mend();
    try {
      for (let at = 0; at < length;) at += writeSync(this.#descriptor, buffer, at, length - at, null);
      this.#size += length;
    } catch (cause) {
      this.#cut();
      throw cause;
    }
  }

  /** Appends without holding up the loop. One append at a time; `buffer` stays untouched until it ends. */
  async append(buffer: Buffer, length: number): Promise<void> {
    this.mend();
    try {
      for (let at = 0; at < length;) at += await this.#write(buffer, at, length - at);
      this.#size += length;
    } catch (cause) {
      this.#cut();
      throw cause;
    }
  }

  /** Cuts off what a failed append left behind, if anything. */
  mend(): void {
    if (!this.#torn) return;
    ftruncateSync(this.#descriptor, this.#size);
    this.#torn = false;
  }

  /** Resolves when everything appended so far is on the disk. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** `sync()` for the moments when nothing else may happen in between. */
  syncNow(): void {
    this.mend();
    fdatasyncSync(this.#descriptor);
  }

  /** Gives the descriptor back. */
  close(): Promise<void> {
    return new Promise((resolve) => close(this.#descriptor, () => resolve()));
  }

  #write(buffer: Buffer, offset: number, length: number): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.#descriptor, buffer, offset, length, null, (error, written) => {
        if (error === null) resolve(written);
        else reject(error);
      });
    });
  }

  #cut(): void {
    this.#torn = true;
    try {
      this.mend();
    } catch {
      // The disk refuses even that: the next append tries again first.
    }
  }
}
