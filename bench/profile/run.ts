/** `npm run bench:profile [-- OPERATION …]`: where the CPU time of a request goes in Postern on Node, told and drawn. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPackage, buildTools, PROJECT } from "../load/build.ts";
import { BASE, type Cell } from "../load/cells.ts";
import { footnote, gatherFacts, quietness, writeResult } from "../load/facts.ts";
import { OPERATIONS, usualItems } from "../load/operations.ts";
import { writeBlock } from "../load/pages.ts";
import { endWithChildren } from "../load/processes.ts";
import { Upstream } from "../load/upstream.ts";
import { flameSvg } from "./flame.ts";
import { type CellProfile, profileCell, type ProfileSettings } from "./measure.ts";
import { chartName, ownerTable, profilePage } from "./page.ts";

const quick = process.argv.includes("--quick");
const settings: ProfileSettings = quick
  ? { rounds: 1, roundSeconds: 0.4, seconds: 1, warmUpRequests: 5_000, warmUpSeconds: 1.2, intervalUs: 200 }
  : { rounds: 5, roundSeconds: 1.6, seconds: 10, warmUpRequests: 20_000, warmUpSeconds: 8, intervalUs: 200 };
// A quick run shows that everything works; its figures are not for the page.
const CHARTS = quick ? "build/bench/charts" : "docs/explanation/charts";
const startedAt = performance.now();
const say = (line: string): void => void process.stderr.write(`postern: bench: ${line}\n`);

endWithChildren();
const cells = cellsWanted(process.argv.slice(2).filter((word) => !word.startsWith("--")));
await buildTools();
const place = await buildPackage(PROJECT);
const facts = await gatherFacts();
const upstream = await Upstream.start();
const profiles: CellProfile[] = [];
const drawings: ((foot: string) => void)[] = [];
for (const cell of cells) {
  say(`${cell.operation} (${seconds()} s)`);
  const { told, stacks } = await profileCell(cell, { place, upstream, settings });
  profiles.push(told);
  drawings.push((foot) => {
    const svg = flameSvg(stacks, {
      title: `Where the time of a request goes: ${told.title.replace(/^base: /, "")}`,
      subtitle: `The main thread of Postern on Node, ${told.mainThreadUs.toFixed(0)} µs of a request; callers above, what they call below`,
      foot,
      wholeUs: told.mainThreadUs,
    });
    writeFileSync(join(PROJECT, CHARTS, chartName(told)), svg);
  });
}
await upstream.stop();

const quiet = quietness(
  profiles.flatMap(({ rounds, profiled }) => [...rounds, profiled].map(({ foreignShare }) => foreignShare)),
);
const foot = `${quick ? "QUICK FORM · " : ""}${footnote(facts, quiet)}`;
mkdirSync(join(PROJECT, CHARTS), { recursive: true });
for (const draw of drawings) draw(foot);
if (!quick) writeBlock("profile", profilePage(profiles, foot));
const file = writeResult(quick ? "profile-quick.json" : "profile.json", {
  kind: "profile",
  ...facts,
  ...quiet,
  settings,
  cells: profiles,
});
process.stdout.write(`${ownerTable(profiles)}\n${foot}\n`);
say(`${file}, ${CHARTS} (${seconds()} s)`);
process.exit(0);

/** The base, and it with other operations. */
function cellsWanted(names: readonly string[]): Cell[] {
  const others = names.map((name): Cell => {
    const operation = OPERATIONS.find((known) => known === name);
    if (operation === undefined)
      throw new Error(`There is no operation ${name} in the bench: ${OPERATIONS.join(", ")}`);
    return { ...BASE, operation, items: usualItems(operation) };
  });
  return [BASE, ...others.filter(({ operation }) => operation !== BASE.operation)];
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1000).toFixed(0);
}
