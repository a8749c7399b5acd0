/** What a run tells people: a table for each cell with medians, the raw rounds below it, and the goals. */

import { BASE, titleOf } from "./cells.ts";
import type { Verdict } from "./goals.ts";
import type { HalfLoadResult } from "./half-load.ts";
import type { Round } from "./measure.ts";
import type { ScalingResult } from "./scaling.ts";
import type { StartResult } from "./starts.ts";
import { median } from "./statistics.ts";
import type { CellResult, WayResult } from "./suite.ts";

/** Above this share of its core a process that all ways need may have held them back. */
const BOUND = 0.85;

/** The median of one reading over the rounds that count. */
export function medianOf(rounds: readonly Round[], key: keyof Round): number {
  return median(rounds.map((round) => round[key]));
}

/** The result of a way in the base cell, or in another. */
export function resultOf(results: readonly CellResult[], way: string, cell = BASE): WayResult | undefined {
  return results.find((result) => result.cell === cell)?.ways.find((result) => result.way === way);
}

export function cellTable({ cell, ways }: CellResult): string {
  const postern = ways.find(({ way }) => way === "Postern on Node");
  const yardstick = postern === undefined ? Number.NaN : medianOf(postern.rounds, "cpuUs");
  const rows = ways.map(({ way, rounds }) => {
    const cpuUs = medianOf(rounds, "cpuUs");
    const told = [
      number(medianOf(rounds, "perSecond"), 0),
      number(medianOf(rounds, "p50"), 0),
      number(medianOf(rounds, "p99"), 0),
      number(medianOf(rounds, "p999"), 0),
      way === "direct" ? "–" : number(cpuUs, 1),
      way === "direct" ? "–" : number(cpuUs / yardstick, 2),
      way === "direct" ? "–" : number(medianOf(rounds, "rssMiB"), 0),
    ];
    return [way, ...told, notesOf(rounds)];
  });
  const head = ["", "req/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs/req", "× Postern", "RSS MiB", ""];
  const lines = [titleOf(cell), aligned([head, ...rows])];
  for (const { way, rounds, refused } of ways) {
    const raw = (key: keyof Round, digits: number): string =>
      rounds.map((round) => number(round[key], digits)).join(" ");
    if (rounds.length > 0)
      lines.push(`  ${way}: CPU ${raw("cpuUs", 1)} · req/s ${raw("perSecond", 0)} · p99 ${raw("p99", 0)}`);
    for (const why of refused) lines.push(`  ${way}: a round does not count: ${why.split("\n", 1)[0]}`);
  }
  return `${lines.join("\n")}\n`;
}

export function goalTable(verdicts: readonly Verdict[]): string {
  return `goals\n${aligned([["", "", "figure", "limit"], ...verdicts.map(({ goal, verdict, figure, limit }) => [goal, verdict, figure, limit])])}\n`;
}

export function halfLoadTable({ perSecond, ways, addedP50, addedP99 }: HalfLoadResult): string {
  const rows = ways.map(({ way, rounds }) => [
    way,
    ...(["p50", "p99", "p999", "driverLateP99"] as const).map((key) =>
      number(median(rounds.map((round) => round[key])), 0),
    ),
    rounds.map(({ p50, p99 }) => `${number(p50, 0)}/${number(p99, 0)}`).join(" "),
  ]);
  const head = ["", "p50 µs", "p99 µs", "p99.9 µs", "driver late", "rounds p50/p99"];
  return (
    `half load: ${perSecond.toFixed(0)} requests a second at a constant rate, ${BASE.connections} connections\n` +
    `${aligned([head, ...rows])}\n  added by Postern on Node: p50 ${number(addedP50, 0)} µs, p99 ${number(addedP99, 0)} µs\n`
  );
}

export function scalingTable(results: readonly ScalingResult[]): string {
  const rows = results.map(({ workers, perSecond, expected, rounds }) => [
    String(workers),
    number(perSecond, 0),
    number(expected, 0),
    number(perSecond / expected, 2),
    number(medianOf(rounds, "cpuUs"), 1),
  ]);
  return `workers, 64 connections\n${aligned([["", "req/s", "cores allow", "share", "CPU µs/req"], ...rows])}\n`;
}

export function startTable(results: readonly StartResult[]): string {
  const rows = results.map(({ runtime, roles, readyMs, cpuMs, answeredMs }) => [
    `Postern on ${runtime}, ${roles} roles`,
    number(median(readyMs), 0),
    number(median(cpuMs), 0),
    number(median(answeredMs), 0),
    readyMs.map((ms) => number(ms, 0)).join(" "),
  ]);
  return `start\n${aligned([["", "ready ms", "its CPU ms", "first answer ms", "rounds, ready"], ...rows])}\n`;
}

/** Rows with the first column to the left and the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((text, column) =>
          column === 0 ? `  ${text.padEnd(widths[0] ?? 0)}` : text.padStart((widths[column] ?? 0) + 2),
        )
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

function notesOf(rounds: readonly Round[]): string {
  const notes: string[] = [];
  if (medianOf(rounds, "driverShare") > BOUND) notes.push("driver at its limit");
  if (medianOf(rounds, "upstreamShare") > BOUND) notes.push("upstream at its limit");
  const closed = medianOf(rounds, "closedShare");
  if (closed > 0.01) notes.push(`${(closed * 100).toFixed(0)} % of answers closed their connection`);
  return notes.join(", ");
}

function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}
