/** What the ctl commands share. */

import process from "node:process";
import { InvalidArgumentError } from "commander";
import type { Config } from "../../config/config.ts";
import type { GivenDocument } from "../../control/documents.ts";
import { parseDuration } from "../../identity/duration.ts";

/** The configuration that `ctl -c` names. @throws CommandError when it names none */
export type ConfigOf = () => Config;

/** Writes a part of the answer. */
export function answer(text: string): void {
  process.stdout.write(text);
}

/** Tells a person something that is no part of the answer. */
export function tell(text: string): void {
  process.stderr.write(`postern: ${text}\n`);
}

/** `a,b` as a list; what is empty does not count, as in `"$ROLES,new"` where there were no roles. */
export function commaList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** A document that nobody wrote: what is wrong with it stands on the command line. */
export function fromCommandLine(value: unknown): GivenDocument {
  return { value, positionOf: () => ({ file: "command line", line: 1, column: 1 }) };
}

/** Milliseconds of an option such as `30m`. */
export function durationOf(text: string): number {
  const duration = parseDuration(text);
  if (duration === undefined) throw new InvalidArgumentError("it is not a duration: write it as 30m or 1h30m");
  return duration;
}
