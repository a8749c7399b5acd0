/** What `postern doctor` says: one finding a line, with a remedy where there is something to do. */

import { messageOf, PosternError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";

export interface Finding {
  /** `ok`: works; `warn`: works, but look; `fail`: requests will be refused or fail. */
  readonly state: "ok" | "warn" | "fail";
  /** What was looked at: `configuration`, `role ExampleRole`, … */
  readonly subject: string;
  readonly message: string;
  readonly remedy?: string;
}

export const ok = (subject: string, message: string): Finding => ({ state: "ok", subject, message });

export const warn = (subject: string, message: string, remedy: string): Finding => ({
  state: "warn",
  subject,
  message,
  remedy,
});

export const fail = (subject: string, message: string, remedy: string): Finding => ({
  state: "fail",
  subject,
  message,
  remedy,
});

/** A failure as a finding: its own place and remedy where it has them, else `remedy`. Lists of problems hold their remedies. */
export function failed(subject: string, error: unknown, remedy?: string): Finding {
  const { position, hint } = error instanceof PosternError ? error : { position: undefined, hint: undefined };
  const message = messageOf(error);
  // A list of problems says of each where it is.
  const where =
    position === undefined || message.includes("\n") ? "" : `${position.file}:${position.line}:${position.column}: `;
  const told = hint ?? remedy;
  return { state: "fail", subject, message: `${where}${message}`, ...(told === undefined ? {} : { remedy: told }) };
}

/** The finding as text for people. */
export function formatFinding({ state, subject, message, remedy }: Finding, color: boolean): string {
  const mark = color ? `\x1b[${{ ok: 32, warn: 33, fail: 31 }[state]}m${state.padEnd(4)}\x1b[0m` : state.padEnd(4);
  const lines = [`${subject}: ${message}`, ...(remedy === undefined ? [] : [remedy])].join("\n").split("\n");
  return lines.map((line, at) => `${at === 0 ? `${mark}  ` : MARGIN}${printable(line)}\n`).join("");
}

const MARGIN = " ".repeat(6);
