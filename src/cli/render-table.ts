/** Tables for people. */

import { printable } from "../base/printable.ts";

/** A table with its headings underlined. What a name could do to a terminal is shown as `?`. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = headings.map((heading, at) => Math.max(heading.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const lines = [headings, widths.map((width) => "-".repeat(width)), ...cells];
  return lines
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join(" ")
          .trimEnd()}\n`,
    )
    .join("");
}
