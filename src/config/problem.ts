/** Faults of files that people write, with file, line and column: collected, ordered, bounded, shown together. */

import { messageOf, PosternError, type SourcePosition } from "../base/errors.ts";

/** One fault, and where it stands. */
export interface PositionedProblem extends SourcePosition {
  /** Names the path, the value and the reason. */
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
}

/** A file, or a directory of files, that cannot be used, with everything that is wrong with it. */
export class ConfigError extends PosternError {
  /** In the order of files and lines; at most `MAX_PROBLEMS`. */
  readonly problems: readonly PositionedProblem[];

  constructor(
    code: ConfigErrorCode,
    attempt: string,
    problems: readonly PositionedProblem[],
    options: ConfigErrorOptions = {},
  ) {
    const shown = [...problems].sort(byPlace).slice(0, MAX_PROBLEMS);
    const [first] = shown;
    const total = Math.max(problems.length, options.total ?? 0);
    const count = total === 1 ? "1 problem" : `${total} problems`;
    const more = total > shown.length ? [`and ${total - shown.length} more`] : [];
    super(code, [`${attempt}: ${count}`, ...shown.map(formatProblem), ...more].join("\n"), {
      cause: options.cause,
      ...(first === undefined ? {} : { position: { file: first.file, line: first.line, column: first.column } }),
    });
    this.problems = shown;
  }
}

/** What a `ConfigError` carries besides its problems. */
export interface ConfigErrorOptions {
  readonly cause?: unknown;
  /** How many problems there are when not all of them were given. */
  readonly total?: number;
}

/** The codes that a `ConfigError` can carry. */
export type ConfigErrorCode = "config_invalid" | "config_unreadable" | "resources_invalid" | "resources_unreadable";

/** Most problems that one error shows. */
export const MAX_PROBLEMS = 50;

/** Most problems of one document whose places are looked for: each search walks the document. */
export const MAX_PLACED = 500;

/** `file:line:column: message`, and the hint on a line of its own. */
export function formatProblem({ file, line, column, message, hint }: PositionedProblem): string {
  return `${file}:${line}:${column}: ${message}${hint === undefined ? "" : `\n  hint: ${hint}`}`;
}

/** What the system said, in words. */
export function reasonOf(cause: unknown): string {
  const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return REASONS[String(code)] ?? messageOf(cause);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
  ENOTDIR: "it is not a directory",
  ELOOP: "its links go round in a circle",
};

function byPlace(a: PositionedProblem, b: PositionedProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}
