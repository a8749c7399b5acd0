/** `npm run bench:path`: the whole way to a database, hop by hop, beside a gateway in one process and none at all. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPackage, buildTools, PROJECT } from "../load/build.ts";
import { footnote, gatherFacts, quietness, writeResult } from "../load/facts.ts";
import { requireDenial } from "../load/measure.ts";
import { writeBlock } from "../load/pages.ts";
import { endWithChildren } from "../load/processes.ts";
import { USUAL_WORLD } from "../load/roles.ts";
import { Upstream } from "../load/upstream.ts";
import { type ConnectionCost, measureConnections } from "./connections.ts";
import { type CellResult, measureCell, type PathCell, type PathSettings, warmWay } from "./measure.ts";
import {
  connectionsTable,
  costChart,
  foreignShares,
  layersChart,
  layersTable,
  pathTable,
  profileTables,
  rawLines,
} from "./page.ts";
import { whyNoPerf } from "./perf.ts";
import { type HopLayers, type HopProfile, measureLayers, measureProfiles } from "./profiles.ts";
import { startWays } from "./ways.ts";

const BASE: PathCell = {
  title: "GetItem of 200 B",
  shape: { operation: "GetItem", size: 200, items: 1 },
  steady: true,
};
const CELLS: readonly PathCell[] = [
  BASE,
  { title: "PutItem of 200 B", shape: { operation: "PutItem", size: 200, items: 1 }, steady: false },
  { title: "Query of 10", shape: { operation: "Query", size: 200, items: 10 }, steady: false },
  { title: "GetItem of 256 KiB", shape: { operation: "GetItem", size: 262_144, items: 1 }, steady: true },
];
const LOAD = { connections: 16, steadyConnections: 4, steadyPerSecond: 150, intervalUs: 200 };
const WHOLE: PathSettings = {
  ...LOAD,
  baseRounds: 5,
  baseSeconds: 1.5,
  rounds: 3,
  seconds: 1,
  roundWarmUpSeconds: 0.2,
  warmUpRequests: 20_000,
  warmUpSeconds: 5,
  againSeconds: 2,
  steadyRounds: 3,
  steadySeconds: 3,
  connectionRounds: 4,
  connectionsEach: 50,
  perfSeconds: 4,
  profileSeconds: 6,
};
const QUICK: PathSettings = {
  ...LOAD,
  baseRounds: 1,
  baseSeconds: 0.5,
  rounds: 1,
  seconds: 0.4,
  roundWarmUpSeconds: 0.1,
  warmUpRequests: 2_000,
  warmUpSeconds: 1,
  againSeconds: 0.3,
  steadyRounds: 1,
  steadySeconds: 0.5,
  connectionRounds: 1,
  connectionsEach: 10,
  perfSeconds: 1,
  profileSeconds: 1,
};
const PAGE = "the-way-to-a-database.md";

/** What is begun later than this would end later than it should. */
const LATEST_SECONDS = { layers: 290, profiles: 300 };

const quick = process.argv.includes("--quick");
const settings = quick ? QUICK : WHOLE;
/** A part of the titles of the cells that are wanted, of which the first is profiled. */
const only = process.argv.find((word) => word.startsWith("--only="))?.slice("--only=".length);
const wanted = CELLS.filter(({ title }) => title.includes(only ?? ""));
// A quick run shows that everything works, and one of some cells is for who works on them: not for the page.
const isKept = !quick && only === undefined;
const CHARTS = isKept ? "docs/explanation/charts" : "build/bench/charts";
const startedAt = performance.now();
const say = (line: string): void => void process.stderr.write(`postern: bench: ${line} (${seconds()} s)\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

endWithChildren();
await buildTools();
const place = await buildPackage(PROJECT);
const facts = await gatherFacts();
const noPerf = await whyNoPerf();
const upstream = await Upstream.start();
const options = { place, upstream, world: USUAL_WORLD };
const context = { upstream, settings };
const cells: CellResult[] = [];
let connections: ConnectionCost[] = [];
let layers: HopLayers[] = [];
let profiles: HopProfile[] = [];
const [first] = wanted;
if (first === undefined)
  throw new Error(`No cell has ${only} in its title: ${CELLS.map(({ title }) => title).join(", ")}`);

say("starting");
const running = await startWays(options);
try {
  const judging = running.ways.filter(({ hops }) => hops.length > 0);
  for (const way of judging) await requireDenial(way, upstream, way.denied());
  for (const cell of wanted) {
    say(cell.title);
    for (const way of judging) await warmWay(way, cell, context, cell !== first);
    const result = await measureCell(cell, running.ways, context, cell === first);
    cells.push(result);
    print(rawLines(result));
  }
  say("connections");
  connections = await measureConnections(running.ways, first, context);
  print(connectionsTable(connections));
  if (noPerf !== undefined) say(`left out: the layers of each hop: ${noPerf}`);
  else if (isInTime("layers")) {
    // What the other cells have compiled and uncompiled is not the first one's.
    for (const way of judging) await warmWay(way, first, context, true);
    layers = await measureLayers(judging, first, context);
  }
} finally {
  await running.stop();
}
if (isInTime("profiles")) profiles = await measureProfiles(options, first, context);
await upstream.stop();

const quiet = quietness(foreignShares(cells));
const foot = `${quick ? "QUICK FORM · " : ""}${footnote(facts, quiet)}`;
const [base] = cells;
const figures = pathTable(cells, foot);
const byLayer = base === undefined || layers.length === 0 ? undefined : layersTable(layers, base, foot);
const byOwner = base === undefined || profiles.length === 0 ? undefined : profileTables(profiles, base);
mkdirSync(join(PROJECT, CHARTS), { recursive: true });
writeFileSync(join(PROJECT, CHARTS, "path.svg"), costChart(cells, foot));
if (base !== undefined && layers.length > 0)
  writeFileSync(join(PROJECT, CHARTS, "path-layers.svg"), layersChart(layers, base, foot));
if (isKept) {
  writeBlock("path", figures, PAGE);
  writeBlock("path-connections", `${connectionsTable(connections)}\n\n${foot}`, PAGE);
  if (byLayer !== undefined) writeBlock("path-layers", byLayer, PAGE);
  if (byOwner !== undefined) writeBlock("path-profile", byOwner, PAGE);
}
const file = writeResult(isKept ? "path.json" : "path-quick.json", {
  kind: "path",
  ...facts,
  ...quiet,
  settings,
  cells,
  connections,
  layers,
  profiles,
});
for (const text of [figures, byLayer, byOwner]) if (text !== undefined) print(`${text}\n`);
say(`${file}, ${CHARTS}`);
// A round that does not count is a fault: every way here is ours but the direct one.
process.exit(cells.some(({ ways }) => ways.some(({ refused }) => refused.length > 0)) ? 1 : 0);

function isInTime(what: keyof typeof LATEST_SECONDS): boolean {
  const late = performance.now() - startedAt > LATEST_SECONDS[what] * 1000;
  say(late ? `left out for want of time: ${what}` : what);
  return !late;
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1000).toFixed(0);
}
