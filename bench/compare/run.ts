/** `npm run bench:compare [-- --base REV]`: this checkout against another revision, with fresh processes in every round. */

import { checkOutBase } from "./base.ts";
import { judgeComparison } from "./judge.ts";
import { buildPackage, buildTools, PROJECT } from "../load/build.ts";
import { BASE, type Cell, shapeOf, titleOf } from "../load/cells.ts";
import { CORES, footnote, gatherFacts, quietness, writeResult } from "../load/facts.ts";
import { measureRound, requireDenial, type Round, warmUp } from "../load/measure.ts";
import { usualItems } from "../load/operations.ts";
import { startPostern } from "../load/postern.ts";
import { endWithChildren } from "../load/processes.ts";
import { medianOf } from "../load/report.ts";
import { USUAL_WORLD } from "../load/roles.ts";
import { Upstream } from "../load/upstream.ts";
import { posternWay } from "../load/ways.ts";

const quick = process.argv.includes("--quick");
const at = process.argv.indexOf("--base");
const baseName = at < 0 ? "main" : (process.argv[at + 1] ?? "main");
const SETTINGS = quick
  ? { rounds: 2, seconds: 0.4, roundWarmUpSeconds: 0.2, warmUpRequests: 4_000, warmUpSeconds: 1.5 }
  : { rounds: 8, seconds: 1.2, roundWarmUpSeconds: 0.4, warmUpRequests: 20_000, warmUpSeconds: 12 };
const CELLS: readonly Cell[] = [
  BASE,
  { ...BASE, size: 4_096 },
  ...(["Query", "BatchWriteItem", "TransactWriteItems", "ExecuteStatement"] as const).map((operation): Cell => ({
    ...BASE,
    operation,
    items: usualItems(operation),
  })),
];
type Variant = "base" | "head";
const startedAt = performance.now();
const say = (line: string): void => void process.stderr.write(`postern: bench: ${line}\n`);

endWithChildren();
await buildTools();
const base = await checkOutBase(baseName, say);
const places: Readonly<Record<Variant, string>> = { base: base.place, head: await buildPackage(PROJECT) };
const facts = await gatherFacts();
say(
  `base is ${base.name} (${base.revision}), head is this checkout (${facts.revision}${facts.changed ? " with changes" : ""})`,
);
const upstream = await Upstream.start();
const rounds = new Map<Cell, Record<Variant, Round[]>>(CELLS.map((cell) => [cell, { base: [], head: [] }]));
for (let round = 0; round < SETTINGS.rounds; round++) {
  say(`round ${round + 1} of ${SETTINGS.rounds} (${seconds()} s)`);
  for (const variant of round % 2 === 0 ? (["base", "head"] as const) : (["head", "base"] as const))
    await measureVariant(variant);
}
await upstream.stop();

const verdicts = [...rounds].map(([cell, { base: before, head: after }]) => ({
  cell,
  title: titleOf(cell),
  ...judgeComparison(
    before.map(({ cpuUs }) => cpuUs),
    after.map(({ cpuUs }) => cpuUs),
  ),
  rounds: { base: before, head: after },
}));
const quiet = quietness(
  [...rounds.values()].flatMap(({ base: one, head: other }) =>
    [...one, ...other].map(({ foreignShare }) => foreignShare),
  ),
);
for (const { title, base: before, head: after, ratio, verdict, rounds: raw } of verdicts) {
  const costs = (of: readonly Round[]): string => of.map(({ cpuUs }) => cpuUs.toFixed(1)).join(" ");
  process.stdout.write(
    `${title}: ${verdict}, CPU µs ${before.toFixed(1)} → ${after.toFixed(1)} (${ratio.toFixed(3)} ×)\n` +
      `  base: CPU ${costs(raw.base)} · p99 ${medianOf(raw.base, "p99").toFixed(0)} · RSS ${medianOf(raw.base, "rssMiB").toFixed(0)}\n` +
      `  head: CPU ${costs(raw.head)} · p99 ${medianOf(raw.head, "p99").toFixed(0)} · RSS ${medianOf(raw.head, "rssMiB").toFixed(0)}\n`,
  );
}
process.stdout.write(`${footnote(facts, quiet)}\n`);
const file = writeResult(quick ? "compare-quick.json" : "compare.json", {
  kind: "compare",
  ...facts,
  ...quiet,
  base: { name: base.name, revision: base.revision },
  settings: SETTINGS,
  cells: verdicts,
});
say(`${file} (${seconds()} s)`);
const slower = verdicts.filter(({ verdict }) => verdict === "slower");
if (slower.length > 0) say(`slower than ${base.name}: ${slower.map(({ title }) => title).join("; ")}`);
// Neither passed nor failed: on a machine that does something else these figures say nothing.
if (!quiet.quiet) say("the machine was busy: nothing is judged");
process.exit(quiet.quiet ? (slower.length > 0 ? 1 : 0) : 2);

async function measureVariant(variant: Variant): Promise<void> {
  const options = { runtime: "node", upstream, world: USUAL_WORLD, tls: false } as const;
  const way = posternWay(await startPostern({ ...options, place: places[variant] }));
  try {
    await requireDenial(way, upstream);
    const { warmUpRequests: requests, warmUpSeconds: atMostSeconds, roundWarmUpSeconds, seconds: length } = SETTINGS;
    await warmUp(way, { upstream, shape: shapeOf(BASE), connections: BASE.connections, requests, atMostSeconds });
    for (const cell of CELLS) {
      const round = await measureRound(way, {
        upstream,
        shape: shapeOf(cell),
        connections: cell.connections,
        warmUpSeconds: roundWarmUpSeconds,
        seconds: length,
        cores: CORES,
      });
      rounds.get(cell)?.[variant].push(round);
    }
  } finally {
    await way.stop();
  }
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1000).toFixed(0);
}
