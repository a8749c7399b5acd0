/** Files that only this user may read: refused when others could have read or made them, and written whole or not at all. */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { messageOf, PosternError } from "./errors.ts";
import { syncDirectoryIfCan } from "./sync-directory.ts";
import { makePrivateDirectory } from "./private-directory.ts";

/** Larger than any file of ours. */
const MAX_BYTES = 262_144;

/** How errors speak of the files. */
export interface PrivateFileWords {
  /** Errors are `<code>_insecure`, `<code>_unreadable` and `<code>_unwritable`. */
  readonly code: string;
  /** How to have them elsewhere. */
  readonly place: string;
  /** How to get what was in them anew. */
  readonly again: string;
}

/** Files of one use. */
export class PrivateFiles {
  readonly #words: PrivateFileWords;

  constructor(words: PrivateFileWords) {
    this.#words = words;
  }

  /** Whether the directory is there. @throws PosternError `…_insecure` when it is not this user's alone */
  isDirectory(path: string): boolean {
    const { place } = this.#words;
    const found = this.#attempt(path, "read", () => lstatSync(path, { throwIfNoEntry: false }));
    if (found === undefined) return false;
    if (found.isSymbolicLink()) throw this.#insecure(path, "it is a link", place);
    if (!found.isDirectory()) throw this.#insecure(path, "it is not a directory", place);
    this.#requireOwn(path, found, 0o700);
    return true;
  }

  /** The text of a file; undefined when there is none. @throws PosternError `…_insecure`, `…_unreadable` */
  read(path: string): string | undefined {
    const anew = `remove it, and ${this.#words.again}`;
    let descriptor: number;
    try {
      // Without waiting for somebody to write, should it be a pipe.
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT") return undefined;
      if (code === "ELOOP") throw this.#insecure(path, "it is a link", anew);
      throw this.#failed(path, "read", cause);
    }
    try {
      const found = fstatSync(descriptor);
      if (!found.isFile()) throw this.#insecure(path, "it is not a file", anew);
      this.#requireOwn(path, found, 0o600);
      if (found.size > MAX_BYTES) throw this.#insecure(path, `it has more than ${MAX_BYTES} bytes`, anew);
      return this.#attempt(path, "read", () => readFileSync(descriptor, "utf8"));
    } finally {
      closeSync(descriptor);
    }
  }

  /** Writes a file, and its directory when it is missing. @throws PosternError `…_unwritable` */
  write(path: string, text: string): void {
    const draft = `${path}.${randomBytes(6).toString("hex")}.new`;
    this.#attempt(path, "write", () => {
      makePrivateDirectory(dirname(path));
      try {
        const descriptor = openSync(draft, "wx", 0o600);
        try {
          writeFileSync(descriptor, text);
          fsyncSync(descriptor);
        } finally {
          closeSync(descriptor);
        }
        renameSync(draft, path);
        syncDirectoryIfCan(dirname(path));
      } catch (cause) {
        this.remove(draft);
        throw cause;
      }
    });
  }

  /** Removes a file, or the link that stands in its place. @returns whether there was one */
  remove(path: string): boolean {
    return this.#attempt(path, "remove", () => {
      try {
        unlinkSync(path);
        return true;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
        throw cause;
      }
    });
  }

  #requireOwn(path: string, { mode, uid }: Stats, widest: number): void {
    const self = process.getuid?.();
    // Windows has neither owners nor modes of this kind.
    if (self === undefined) return;
    if (uid !== self) throw this.#insecure(path, `it belongs to user ${uid}, not to ${self}`, this.#words.place);
    if ((mode & 0o7777 & ~widest) === 0) return;
    const shown = (mode & 0o7777).toString(8).padStart(4, "0");
    throw this.#insecure(
      path,
      `its mode is ${shown}, and ${widest.toString(8).padStart(4, "0")} is the widest allowed`,
      `chmod ${widest.toString(8)} '${path}'; whoever could read it may have done so: ${this.#words.again}`,
    );
  }

  #attempt<T>(path: string, what: "read" | "write" | "remove", work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof PosternError) throw cause;
      throw this.#failed(path, what, cause);
    }
  }

  #failed(path: string, what: "read" | "write" | "remove", cause: unknown): PosternError {
    const { code, place } = this.#words;
    return new PosternError(
      what === "read" ? `${code}_unreadable` : `${code}_unwritable`,
      `Cannot ${what} "${path}": ${messageOf(cause)}`,
      { cause, hint: place },
    );
  }

  #insecure(path: string, reason: string, hint: string): PosternError {
    return new PosternError(`${this.#words.code}_insecure`, `Cannot use "${path}": ${reason}`, { hint });
  }
}
