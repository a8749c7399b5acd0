/** Spans of time as Go, and so Teleport, writes them. */

/**
 * Milliseconds of a text such as `8h`, `1h30m` or `30h0m0s`; undefined when it is none or not above zero.
 *
 * @example
 * ```ts
 * import { parseDuration } from "./duration.ts";
 * console.assert(parseDuration("1h30m") === 5_400_000);
 * ```
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > 64 || !/^(?:[0-9]+(?:\.[0-9]+)?(?:h|m|s|ms))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/([0-9.]+)(ms|h|m|s)/g))
    total += Number(count) * (UNITS[unit ?? ""] ?? 0);
  const rounded = Math.round(total);
  return rounded > 0 && Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** Milliseconds since the epoch of an RFC 3339 instant; undefined when it is none. */
export function parseInstant(text: string): number | undefined {
  if (
    !/^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$/.test(
      text,
    )
  )
    return undefined;
  const time = Date.parse(text.toUpperCase());
  return Number.isNaN(time) ? undefined : time;
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
