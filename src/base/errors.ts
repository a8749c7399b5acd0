/** Errors that programs can match by code and people can act on. */

/** What an error may carry besides its message. */
export interface PosternErrorOptions {
  /** The underlying failure: kept for our own log, never shown to a client. */
  readonly cause?: unknown;
  /** What the reader can do about it, as one sentence without a full stop. */
  readonly hint?: string;
  /** Where the offending text stands. */
  readonly position?: SourcePosition;
}

/** A place in a file that a person wrote. Lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The one base class of Postern's own errors. `code` is a stable snake_case word; `message` says what was attempted,
 * the value and the reason, in sentence case without a full stop.
 *
 * @example
 * ```ts
 * import { PosternError } from "./errors.ts";
 * const error = new PosternError("role_name_invalid", 'Cannot load role "": the name is empty', { hint: "set metadata.name" });
 * console.assert(error.code === "role_name_invalid");
 * ```
 */
export class PosternError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly position: SourcePosition | undefined;

  constructor(code: string, message: string, options: PosternErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
    this.position = options.position;
  }
}

/** The message of anything that was thrown, for a log line; never for a client. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
}
