/** Options that several audit commands share, and how their values are read. */

import { type Command, InvalidArgumentError, Option } from "commander";

/** How a list is printed. */
export type ListFormat = "text" | "json" | "yaml";

/** Adds the options that say where the log is. */
export function withWhere(command: Command): Command {
  return command
    .option("-c, --config <file>", "configuration file whose data_dir holds the log")
    .option(
      "--data-dir <dir>",
      "data directory that holds the log (default: $POSTERN_DATA_DIR, else /var/lib/postern, else that of postern start without a file)",
    );
}

/** Adds `-f, --format`. */
export function withFormat(command: Command, formats: readonly ListFormat[]): Command {
  return command.addOption(new Option("-f, --format <format>", "how to print").choices(formats).default("text"));
}

/** Reads a moment: `30s`, `15m`, `1h`, `7d` ago, or RFC 3339. Returns milliseconds since the epoch. */
export function parseMoment(text: string, now: number): number {
  const [, digits = "", unit = ""] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const scale = UNITS.get(unit);
  if (scale !== undefined) return now - Number(digits) * scale;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new InvalidArgumentError("give a duration such as 30m, 1h or 7d, or a time such as 2026-11-22T14:00:00Z");
}

/** Reads a positive whole number. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count > 0) return count;
  throw new InvalidArgumentError("give a whole number above 0");
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 604_800_000],
]);
