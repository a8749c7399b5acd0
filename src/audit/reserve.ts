/** A little disk space kept back, so that requests already sent on can still have their outcome recorded when the disk is full. */

import { randomBytes } from "node:crypto";
import { closeSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

/** The space that a reserve holds: outcomes of some three hundred requests. */
export const RESERVE_BYTES: number = 256 * 1024;

/** One stream's reserve: a file of noise that is removed when space runs out. */
export class Reserve {
  readonly #path: string;

  constructor(directory: string, stream: string) {
    this.#path = join(directory, `${stream}.reserve`);
  }

  /** Takes the space again. Returns whether it is held; throws only that the disk is full. */
  restore(): boolean {
    if (this.#isHeld()) return true;
    try {
      const descriptor = openSync(this.#path, "w", 0o600);
      try {
        // Noise: a file system that compresses would keep nothing back for zeros.
        const noise = randomBytes(RESERVE_BYTES);
        for (let at = 0; at < noise.length;) at += writeSync(descriptor, noise, at);
      } finally {
        closeSync(descriptor);
      }
      return true;
    } catch (cause) {
      this.release();
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOSPC" || code === "EDQUOT") throw cause;
      return false;
    }
  }

  /** Frees the space; returns whether there was any. */
  release(): boolean {
    try {
      unlinkSync(this.#path);
      return true;
    } catch {
      return false;
    }
  }

  #isHeld(): boolean {
    try {
      return statSync(this.#path).size === RESERVE_BYTES;
    } catch {
      return false;
    }
  }
}
