/** Structured logs on stderr: what happened to the service. What users did is in the audit log. */

import process from "node:process";
import { pino } from "pino";

/** The least that rooms need of a log; fields first, then a sentence. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LogOptions {
  readonly severity: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "text";
  /** Where lines go; stderr when absent. */
  readonly write?: (line: string) => void;
}

/** Keys whose values never leave the process, whatever object they sit in. */
const SECRET_KEYS = [
  "authorization",
  "secretAccessKey",
  "sessionToken",
  "accessKeyId",
  "password",
  "token",
  "auth_token",
  "x-amz-security-token",
];

/** A log that prints JSON lines, or lines for people when asked for `text`. */
export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const paths = SECRET_KEYS.flatMap((key) => {
    const step = /^[a-z_]\w*$/i.test(key) ? `.${key}` : `["${key}"]`;
    return [step.startsWith(".") ? key : step, `*${step}`, `*.*${step}`];
  });
  return pino(
    {
      level: options.severity,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ severity: label }) },
      redact: { paths, censor: "[secret]" },
      messageKey: "message",
    },
    { write: options.format === "json" ? write : (line: string) => write(forPeople(line)) },
  );
}

/** A log that says nothing, for tests and embedding. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function forPeople(line: string): string {
  const { severity, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${String(time)} ${String(severity).toUpperCase().padEnd(5)} ${String(message)}${rest.length === 0 ? "" : `  ${rest.join(" ")}`}\n`;
}
