/** `npm run bench`: the ways to DynamoDB side by side, in one run, and whether Postern keeps its goals. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildPackage, buildTools, PROJECT, toolPath } from "./build.ts";
import { BASE, CELLS, QUICK_CELLS, stageOf, titleOf } from "./cells.ts";
import { type Facts, footnote, gatherFacts, quietness, writeResult } from "./facts.ts";
import { judgeGoals, type Measured, type MemoryVerdict } from "./goals.ts";
import { type HalfLoadResult, measureHalfLoad } from "./half-load.ts";
import type { PartsResult } from "./parts-process.ts";
import { cellsPage, goalsPage, writeBlock, halfLoadPage } from "./pages.ts";
import { endWithChildren, message, startScript } from "./processes.ts";
import { cellTable, goalTable, halfLoadTable, medianOf, resultOf, scalingTable, startTable } from "./report.ts";
import { measureScaling, type ScalingResult } from "./scaling.ts";
import { QUICK, WHOLE } from "./settings.ts";
import { measureStarts, type StartResult } from "./starts.ts";
import { median } from "./statistics.ts";
import {
  type CellResult,
  openStage,
  runCell,
  type Stage,
  stagesOf,
  type Surroundings,
  warmStage,
  type WayResult,
} from "./suite.ts";
import { Upstream } from "./upstream.ts";
import { findParts } from "./ways.ts";

const quick = process.argv.includes("--quick");
const settings = quick ? QUICK : WHOLE;
/** A part of the titles of the cells that are wanted, instead of all and the goals. */
const only = process.argv.find((word) => word.startsWith("--only="))?.slice("--only=".length);
const cellsWanted = (quick && only === undefined ? QUICK_CELLS : CELLS).filter((cell) =>
  titleOf(cell).includes(only ?? ""),
);
const startedAt = performance.now();
const say = (line: string): void => void process.stderr.write(`postern: bench: ${line}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

endWithChildren();
await buildTools();
const parts = await findParts(await buildPackage(PROJECT));
for (const line of parts.missing) say(`left out: ${line}`);
const facts = await gatherFacts(parts);
const upstream = await Upstream.start();
const around: Surroundings = { parts, upstream, settings, until: startedAt + settings.budgetSeconds * 1000, say };

const results: CellResult[] = [];
let halfLoad: HalfLoadResult | undefined;
let measuredParts: PartsResult | undefined;
let starts: StartResult[] = [];
let scaling: ScalingResult[] = [];
for (const cells of stagesOf(cellsWanted)) {
  const [first] = cells;
  if (first === undefined || isLate(stageOf(first))) continue;
  const stage = await openStage(first, around);
  try {
    for (const cell of cells) {
      if (isLate(titleOf(cell))) continue;
      say(`${titleOf(cell)} (${seconds()} s)`);
      const result = await runCell(cell, stage, around);
      results.push(result);
      print(cellTable(result));
      // The goals first: should time run out, it is a cell that is missing.
      if (cell === BASE && only === undefined) await measureGoals(stage);
    }
  } finally {
    await stage.close();
  }
}
await upstream.stop();
if (only === undefined) report();
// A round of Postern's that does not count is a fault; one of somebody else's is theirs.
const isFault = ({ way, refused }: WayResult): boolean => way === "Postern on Node" && refused.length > 0;
process.exit(results.some(({ ways }) => ways.some(isFault)) ? 1 : 0);

function report(): void {
  const cpuOf = (way: string): number | undefined => {
    const result = resultOf(results, way);
    return result === undefined ? undefined : medianOf(result.rounds, "cpuUs");
  };
  const measured: Measured = {
    cpuUs: {
      postern: cpuOf("Postern on Node") ?? Number.NaN,
      sigv4Proxy: cpuOf("aws-sigv4-proxy"),
      gluedPair: cpuOf("aws-sigv4-proxy + OPA"),
    },
    halfLoad,
    decisions: measuredParts?.decisions,
    signatureUs: measuredParts?.signature.us,
    memory: lastSoak(facts),
    startMs: median(starts.find(({ runtime }) => runtime === "node")?.readyMs ?? []),
    scaling,
  };
  const goals = judgeGoals(measured);
  const quiet = quietness(
    results.flatMap(({ ways }) => ways.flatMap(({ rounds }) => rounds.map(({ foreignShare }) => foreignShare))),
  );
  print(goalTable(goals));
  print(footnote(facts, quiet));
  const file = writeResult(quick ? "load-quick.json" : "load.json", {
    kind: "load",
    ...facts,
    ...quiet,
    missing: parts.missing,
    settings,
    goals,
    cells: results,
    halfLoad,
    parts: measuredParts,
    starts,
    scaling,
  });
  if (!quick) {
    writeBlock("goals", goalsPage(goals, footnote(facts, quiet)));
    writeBlock("cells", cellsPage(results));
    if (halfLoad !== undefined) writeBlock("half-load", halfLoadPage(halfLoad));
  }
  say(`${file} (${seconds()} s)`);
}

async function measureGoals(stage: Stage): Promise<void> {
  const postern = resultOf(results, "Postern on Node");
  if (postern !== undefined && postern.rounds.length > 0) {
    say(`half load (${seconds()} s)`);
    halfLoad = await measureHalfLoad(stage.ways, medianOf(postern.rounds, "perSecond") / 2, around);
    print(halfLoadTable(halfLoad));
  }
  say(`decisions and signatures (${seconds()} s)`);
  measuredParts = await measureParts();
  say(`starts (${seconds()} s)`);
  starts = await measureStarts(parts, upstream, settings.starts);
  print(startTable(starts));
  say(`workers (${seconds()} s)`);
  scaling = await measureScaling(around);
  print(scalingTable(scaling));
  await warmStage(stage, around);
}

async function measureParts(): Promise<PartsResult> {
  const bundle = join(parts.postern, "dist", "policy", "bundle.tar.gz");
  const child = startScript(toolPath("parts-process"), [bundle, String(settings.partsRounds)]);
  const told = await message<PartsResult>(child);
  await child.stop();
  for (const { roles, us, rounds } of told.decisions)
    print(`decision, ${roles} roles: ${us.toFixed(1)} µs (${rounds.map((round) => round.toFixed(1)).join(" ")})`);
  const { us, rounds } = told.signature;
  print(`signature: ${us.toFixed(1)} µs (${rounds.map((round) => round.toFixed(1)).join(" ")})\n`);
  return told;
}

/** What the last soak of this very revision found. */
function lastSoak({ revision }: Facts): MemoryVerdict | undefined {
  try {
    const text = readFileSync(join(PROJECT, "bench", "results", "soak.json"), "utf8");
    const soak = JSON.parse(text) as { revision: string; memory: MemoryVerdict };
    if (soak.revision === revision) return soak.memory;
  } catch {
    // There was none.
  }
  say("memory: not measured in this run; npm run bench:soak does");
  return undefined;
}

function isLate(what: string): boolean {
  if (performance.now() < around.until) return false;
  say(`left out for want of time: ${what}`);
  return true;
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1000).toFixed(0);
}
