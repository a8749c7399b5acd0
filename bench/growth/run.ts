/** `npm run bench:growth`: what a request costs as everything around it grows, as JSON, as charts, and judged. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPackage, buildTools, PROJECT } from "../load/build.ts";
import { footnote, gatherFacts, quietness, writeResult } from "../load/facts.ts";
import { medianOf } from "../load/report.ts";
import { writeBlock } from "../load/pages.ts";
import { endWithChildren } from "../load/processes.ts";
import type { Point } from "../load/statistics.ts";
import { Upstream } from "../load/upstream.ts";
import { findParts } from "../load/ways.ts";
import { AXES, type Axis } from "./axes.ts";
import { type GrowthVerdict, judgeGrowth } from "./judge.ts";
import { type GrowthSeries, type GrowthSettings, measureAxis } from "./measure.ts";
import { type Series, svgOf } from "./svg.ts";

const quick = process.argv.includes("--quick");
const only = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const settings: GrowthSettings = quick
  ? { rounds: 1, seconds: 0.3, roundWarmUpSeconds: 0.1, warmUpRequests: 2_000, warmUpSeconds: 1 }
  : { rounds: 3, seconds: 0.8, roundWarmUpSeconds: 0.25, warmUpRequests: 20_000, warmUpSeconds: 10 };
// A quick run shows that everything works; its figures are not for the page.
const CHARTS = quick ? "build/bench/charts" : "docs/explanation/charts";
const startedAt = performance.now();
const say = (line: string): void => void process.stderr.write(`postern: bench: ${line}\n`);

endWithChildren();
await buildTools();
const parts = await findParts(await buildPackage(PROJECT));
const facts = await gatherFacts(parts);
const upstream = await Upstream.start();
const axes = AXES.filter(({ name }) => only.length === 0 || only.includes(name));
const measured: { axis: Axis; series: GrowthSeries[]; verdict: GrowthVerdict }[] = [];
for (const axis of axes) {
  say(`${axis.title} (${seconds()} s)`);
  const series = await measureAxis(axis, { parts, upstream, settings, say });
  const verdict = judgeGrowth(mediansOf(series[0]), axis.asked);
  measured.push({ axis, series, verdict });
  process.stdout.write(`${told(axis, series, verdict)}\n`);
}
await upstream.stop();

const quiet = quietness(
  measured.flatMap(({ series }) =>
    series.flatMap(({ points }) => points.flatMap(({ rounds }) => rounds.map(({ foreignShare }) => foreignShare))),
  ),
);
const foot = `${quick ? "QUICK FORM · " : ""}${footnote(facts, quiet)}`;
mkdirSync(join(PROJECT, CHARTS), { recursive: true });
for (const { axis, series, verdict } of measured)
  writeFileSync(join(PROJECT, CHARTS, `${axis.name}.svg`), chartOf(axis, series, verdict));
if (only.length === 0) {
  if (!quick) writeBlock("growth", page());
  const file = writeResult(quick ? "growth-quick.json" : "growth.json", {
    kind: "growth",
    ...facts,
    ...quiet,
    settings,
    axes: measured.map(({ axis: { name, title, unit, asked }, series, verdict }) => ({
      name,
      title,
      unit,
      asked,
      ...verdict,
      series,
    })),
  });
  say(`${file}, ${CHARTS} (${seconds()} s)`);
}
process.stdout.write(`${foot}\n`);
process.exit(0);

function mediansOf(series: GrowthSeries | undefined): Point[] {
  return (series?.points ?? [])
    .filter(({ rounds }) => rounds.length > 0)
    .map(({ x, rounds }) => ({ x, y: medianOf(rounds, "cpuUs") }));
}

function told(axis: Axis, series: readonly GrowthSeries[], verdict: GrowthVerdict): string {
  const lines = series.map(({ way, points }) => {
    const cells = points.map(
      ({ x, rounds }) =>
        `${axis.label(x)}: ${medianOf(rounds, "cpuUs").toFixed(1)} (${rounds.map(({ cpuUs }) => cpuUs.toFixed(1)).join(" ")})`,
    );
    return `  ${way}, CPU µs: ${cells.join(", ")}`;
  });
  const rss = (series[0]?.points ?? []).map(({ rounds }) => medianOf(rounds, "rssMiB").toFixed(0)).join(" ");
  return `${axis.title}: ${summary(verdict)}\n${lines.join("\n")}\n  Postern on Node, RSS MiB: ${rss}`;
}

function summary({ allowed, verdict, growth, exponent }: GrowthVerdict): string {
  return `${allowed} ${verdict}: ${growth.toFixed(2)} × from first to last, steepest power ${exponent.toFixed(2)}`;
}

function chartOf(axis: Axis, series: readonly GrowthSeries[], verdict: GrowthVerdict): string {
  const last = mediansOf(series[0]).at(-1) ?? { x: 1, y: 1 };
  const guide: Series = {
    name: "in proportion",
    guide: true,
    points: axis.points.map((x) => ({ x, y: (last.y * x) / last.x })),
  };
  const may = axis.asked ? "may grow in proportion" : "may not grow";
  return svgOf({
    title: axis.title,
    subtitle: `The cost of a request ${may}: ${verdict.growth.toFixed(2)} × from first to last, ${verdict.verdict}.`,
    xLabel: axis.unit,
    yLabel: "CPU of a request, µs",
    xScale: "log",
    // What may grow in proportion is shown so that proportion is a straight line; what may not, from zero on.
    yScale: axis.asked ? "log" : "linear",
    xTicks: axis.points.map((at) => ({ at, label: axis.label(at) })),
    series: [
      ...series.map(({ way, points }) => ({
        name: way,
        points: mediansOf({ way, points }),
        raw: points.flatMap(({ x, rounds }) => rounds.map(({ cpuUs }) => ({ x, y: cpuUs }))),
      })),
      ...(axis.asked ? [guide] : []),
    ],
    foot,
  });
}

function page(): string {
  const rows = measured.map(({ axis, series, verdict }) => {
    const points = mediansOf(series[0]);
    const range = points.map(({ x, y }) => `${axis.label(x)}: ${y.toFixed(0)}`).join(", ");
    return `| ${axis.title} | ${verdict.allowed} | ${range} | ${verdict.growth.toFixed(2)} × | ${verdict.exponent.toFixed(2)} | ${verdict.verdict} |`;
  });
  const charts = measured.map(({ axis }) => `![${axis.title}: ${axis.unit}](charts/${axis.name}.svg)`);
  return [
    "| what grows | cost may be | CPU of a request, µs | last to first | steepest power | |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
    foot,
    "",
    charts.join("\n\n"),
  ].join("\n");
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1000).toFixed(0);
}
