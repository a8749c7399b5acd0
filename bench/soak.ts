/** `npm run bench:soak`: a million requests through one process, and whether its memory stays flat. */

import { BASE, shapeOf } from "./load/cells.ts";
import { buildPackage, buildTools, PROJECT } from "./load/build.ts";
import { Load } from "./load/driver.ts";
import { footnote, gatherFacts, quietness, writeResult } from "./load/facts.ts";
import { judgeMemory, type MemorySample } from "./load/memory.ts";
import { requestBytes } from "./load/operations.ts";
import { completeGoals } from "./load/pages.ts";
import { startPostern } from "./load/postern.ts";
import { ask, endWithChildren } from "./load/processes.ts";
import { machineBusyUs, ProcessReading } from "./load/proc.ts";
import { USUAL_WORLD } from "./load/roles.ts";
import { Upstream } from "./load/upstream.ts";

const quick = process.argv.includes("--quick");
const TOTAL = quick ? 40_000 : 1_000_000;
const SAMPLES = 50;
/** Nothing takes longer than this, whatever the machine. */
const BUDGET_MS = quick ? 120_000 : 30 * 60_000;
const startedAt = performance.now();

endWithChildren();
await buildTools();
const place = await buildPackage(PROJECT);
const facts = await gatherFacts();
const upstream = await Upstream.start();
const postern = await startPostern({
  place,
  runtime: "node",
  upstream,
  world: USUAL_WORLD,
  tls: false,
  probe: true,
});
const answerBytes = await upstream.answerWith(shapeOf(BASE));
const load = await Load.open({ ports: postern.ports }, BASE.connections, requestBytes(shapeOf(BASE)), answerBytes);
const samples: MemorySample[] = [];
const foreign: number[] = [];
let requests = 0;
while (requests < TOTAL && performance.now() - startedAt < BUDGET_MS) {
  const before = { busy: machineBusyUs(), reading: new ProcessReading([postern.child.pid]), at: performance.now() };
  const servedBefore = await upstream.counts();
  const result = await load.run(60, TOTAL / SAMPLES);
  const reading = new ProcessReading([postern.child.pid]);
  const served = await upstream.counts();
  const sent = result.requests;
  if (result.bad > 0 || served.signed - servedBefore.signed !== sent)
    throw new Error(
      `${sent} sent, ${served.signed - servedBefore.signed} reached the upstream, ${result.bad} were bad`,
    );
  requests += sent;
  const elapsedUs = result.seconds * 1_000_000;
  const upstreamUs = served.cpu.user + served.cpu.system - servedBefore.cpu.user - servedBefore.cpu.system;
  const ours = reading.cpuUsSince(before.reading) + upstreamUs + result.driverShare * elapsedUs;
  foreign.push(Math.max(0, machineBusyUs() - before.busy - ours) / (elapsedUs * facts.machine.cores));
  // The resident set as it is under load; the heap after a collection, or it would tell of garbage.
  const { heapUsed } = await ask<{ heapUsed: number }>(postern.child, "heap");
  samples.push({ requests, rssBytes: reading.rssBytes, heapBytes: heapUsed });
  const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
  if (samples.length % 5 === 0)
    process.stderr.write(
      `postern: bench: ${requests.toLocaleString("en")} requests, RSS ${mib(reading.rssBytes)} MiB, heap ${mib(heapUsed)} MiB\n`,
    );
}
load.close();
await postern.stop();
await upstream.stop();

const memory = judgeMemory(samples);
const quiet = quietness(foreign);
const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
process.stdout.write(
  `memory over ${requests.toLocaleString("en")} requests: ${memory.flat ? "flat" : "not flat"} ` +
    `(regression lines over the last ${Math.round(memory.judged * 100)} %: heap ${percent(memory.heapGrowth)}, RSS ${percent(memory.rssGrowth)})\n`,
);
process.stdout.write(`${footnote(facts, quiet)}\n`);
writeResult(quick ? "soak-quick.json" : "soak.json", { kind: "soak", ...facts, ...quiet, memory, samples });
if (!quick && completeGoals(facts, memory))
  process.stderr.write("postern: bench: the goals of the last whole run know it now\n");
process.exit(memory.flat || quick ? 0 : 1);
