/** Writes what runs find into the pages about performance, between marks that name the block. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT } from "./build.ts";
import { titleOf } from "./cells.ts";
import { type Facts, footnote } from "./facts.ts";
import { type MemoryVerdict, memoryVerdict, type Verdict } from "./goals.ts";
import type { HalfLoadResult } from "./half-load.ts";
import { medianOf } from "./report.ts";
import { median } from "./statistics.ts";
import type { CellResult } from "./suite.ts";

const LOAD_REPORT = join(PROJECT, "bench", "results", "load.json");
const EXPLANATION = join(PROJECT, "docs", "explanation");

/** The page with another text in one of its blocks. @throws Error when it has no such block */
export function withBlock(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`The page has no block ${name}`);
  return `${page.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${page.slice(to)}`;
}

export function writeBlock(name: string, text: string, page = "performance.md"): void {
  const file = join(EXPLANATION, page);
  writeFileSync(file, withBlock(readFileSync(file, "utf8"), name, text));
}

export function goalsPage(verdicts: readonly Verdict[], foot: string): string {
  const rows = verdicts.map(({ goal, limit, figure, verdict }) => `| ${goal} | ${limit} | ${figure} | ${verdict} |`);
  return `| goal | limit | figure | |\n|---|---|---|---|\n${rows.join("\n")}\n\n${foot}`;
}

/** CPU of a request and p99 under full load, of every way in every cell. */
export function cellsPage(results: readonly CellResult[]): string {
  const ways = results[0]?.ways.map(({ way }) => way).filter((way) => way !== "direct") ?? [];
  const rows = results.map((result) => {
    const cells = ways.map((way) => {
      const rounds = result.ways.find((one) => one.way === way)?.rounds ?? [];
      if (rounds.length === 0) return "–";
      return `${medianOf(rounds, "cpuUs").toFixed(0)} µs, ${medianOf(rounds, "p99").toFixed(0)} µs`;
    });
    return `| ${titleOf(result.cell)} | ${cells.join(" | ")} |`;
  });
  return `| CPU of a request, p99 | ${ways.join(" | ")} |\n|---|${ways.map(() => "---|").join("")}\n${rows.join("\n")}`;
}

/** What every way adds to the latency of a request past it, at one rate. */
export function halfLoadPage({ perSecond, ways }: HalfLoadResult): string {
  const figures = ways.map(({ way, rounds }) => ({
    way,
    p50: median(rounds.map(({ p50 }) => p50)),
    p99: median(rounds.map(({ p99 }) => p99)),
  }));
  const direct = figures.find(({ way }) => way === "direct");
  const rows = figures
    .filter((one) => one !== direct)
    .map(({ way, p50, p99 }) => {
      const added = (figure: number, past = 0): string => `${(figure - past).toFixed(0)} µs`;
      return `| ${way} | ${added(p50, direct?.p50)} | ${added(p99, direct?.p99)} |`;
    });
  return `| added at ${perSecond.toFixed(0)} requests a second | median | 99 of 100 |\n|---|---|---|\n${rows.join("\n")}`;
}

/** Gives the goals of the last whole run of the same revision, and the page, what a soak after it found. @returns whether there was one */
export function completeGoals({ revision }: Facts, memory: MemoryVerdict): boolean {
  if (!existsSync(LOAD_REPORT)) return false;
  const report = JSON.parse(readFileSync(LOAD_REPORT, "utf8")) as Facts & {
    readonly goals: readonly Verdict[];
    readonly quiet: boolean;
    readonly foreignShare: number;
  };
  if (report.revision !== revision) return false;
  const verdict = memoryVerdict(memory);
  const goals = report.goals.map((one) => (one.goal === verdict.goal ? verdict : one));
  writeFileSync(LOAD_REPORT, `${JSON.stringify({ ...report, goals }, null, 1)}\n`);
  writeBlock("goals", goalsPage(goals, footnote(report, report)));
  return true;
}
