/** `npm run bench:start`: from the start of a process to readiness and to its first answer, with few roles and with many. */

import { setTimeout as sleep } from "node:timers/promises";
import { buildPackage, buildTools, PROJECT } from "./load/build.ts";
import { footnote, gatherFacts, quietness, writeResult } from "./load/facts.ts";
import { LIMITS } from "./load/goals.ts";
import { machineBusyUs } from "./load/proc.ts";
import { endWithChildren } from "./load/processes.ts";
import { startTable } from "./load/report.ts";
import { measureStarts } from "./load/starts.ts";
import { median } from "./load/statistics.ts";
import { Upstream } from "./load/upstream.ts";
import { findParts } from "./load/ways.ts";

const LOOK_MS = 2_000;
const quick = process.argv.includes("--quick");

endWithChildren();
await buildTools();
const parts = await findParts(await buildPackage(PROJECT));
const facts = await gatherFacts(parts);
const upstream = await Upstream.start();
// What starts has ended before it can be told from others: what those take is looked at beforehand.
const before = machineBusyUs();
await sleep(LOOK_MS);
const quiet = quietness([(machineBusyUs() - before) / (LOOK_MS * 1000 * facts.machine.cores)]);
const starts = await measureStarts(parts, upstream, quick ? 3 : 7, quick ? [100] : [100, 1_000, 10_000]);
await upstream.stop();

process.stdout.write(`${startTable(starts)}\n`);
const usual = median(starts.find(({ runtime, roles }) => runtime === "node" && roles === 100)?.readyMs ?? []);
process.stdout.write(
  `start to ready: ${usual.toFixed(0)} ms, ${usual <= LIMITS.startMs ? "met" : "not met"} (≤ ${LIMITS.startMs} ms)\n`,
);
process.stdout.write(`${footnote(facts, quiet)}\n`);
writeResult(quick ? "start-quick.json" : "start.json", { kind: "start", ...facts, ...quiet, starts });
process.exit(0);
