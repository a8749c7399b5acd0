/** The voice of a failed command: what was attempted and why it failed, then what to do about it, on stderr. */

import { messageOf, PosternError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { CommandError } from "./command-error.ts";

/** An error in one line, with its hint. */
export function lineOf(error: unknown): string {
  const hint = error instanceof PosternError && error.hint !== undefined ? `: ${error.hint}` : "";
  return printable(`${messageOf(error)}${hint}`);
}

/** Prints an error for a person and says which exit code it means. */
export function reportError(
  error: unknown,
  write: (text: string) => void = (text) => void process.stderr.write(text),
): number {
  if (error instanceof AggregateError) {
    for (const each of error.errors) reportError(each, write);
    return 1;
  }
  const position = error instanceof PosternError ? error.position : undefined;
  const where = position === undefined ? "" : `${position.file}:${position.line}:${position.column}: `;
  // Whoever made it may have put in what a server or a file says.
  for (const [at, line] of `${where}${messageOf(error)}`.split("\n").entries()) {
    write(at === 0 ? `postern: error: ${printable(line)}\n` : `  ${printable(line)}\n`);
  }
  if (error instanceof PosternError && error.hint !== undefined) write(`postern: hint: ${printable(error.hint)}\n`);
  if (!(error instanceof PosternError) && error instanceof Error && process.env["POSTERN_DEBUG"] === "1")
    write(`${error.stack}\n`);
  return error instanceof CommandError ? error.exitCode : 1;
}
