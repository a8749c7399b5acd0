/** A process under Node's own profiler: how it is started and ended, and what its profile says of a span of its life. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mainThreadTimes, type ThreadTimes } from "../load/proc.ts";
import type { Child } from "../load/processes.ts";
import { placeStacks, type PlacedStack } from "./attribution.ts";
import { type CpuProfile, samplesBetween } from "./cpu-profile.ts";
import type { Modules } from "./modules.ts";

/** To write the profile takes longer than an orderly end otherwise may. */
const WRITING_MS = 20_000;

/** Options of Node for a process that writes its profile to a directory of its own when it ends. */
export function profilerOptions(directory: string, intervalUs: number): string[] {
  return ["--cpu-prof", `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${intervalUs}`];
}

/** A part of a process's life, on the clock of the profiler, which is the machine's. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** How much of it the main thread did not want a core; undefined when nobody knows. */
  readonly blockedShare: number | undefined;
}

/** Begins a span; what it gives ends it. */
export function beginSpan(pid: number): () => Span {
  const before = mainThreadTimes(pid);
  const from = nowUs();
  return () => {
    const to = nowUs();
    const main = since(before, mainThreadTimes(pid));
    // What it neither ran nor waited for a core it waited for events.
    const blockedShare = main === undefined ? undefined : Math.max(0, 1 - (main.cpuUs + main.queuedUs) / (to - from));
    return { from, to, blockedShare };
  };
}

/** Ends a process so that Node writes the profile. */
export async function endOrderly({ process: child }: Pick<Child, "process">): Promise<void> {
  const ended = new Promise<boolean>((resolve) => child.once("exit", () => resolve(true)));
  child.kill("SIGTERM");
  if (!(await Promise.race([ended, sleep(WRITING_MS, false, { ref: false })])))
    throw new Error("Postern did not end in time to write its profile");
}

/** The profile of the main thread. @throws Error when there is none */
export function readProfile(directory: string): CpuProfile {
  // The profile of another thread has another number in its name.
  const file = readdirSync(directory).find((name) => /\.0\.\d+\.cpuprofile$/.test(name));
  if (file === undefined) throw new Error("Node wrote no profile");
  return JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile;
}

/** The stacks of a span. */
export function stacksOf(
  profile: CpuProfile,
  { from, to, blockedShare }: Span,
  modules: Modules,
): { readonly stacks: PlacedStack[]; readonly idle: number } {
  const sampled = samplesBetween(profile, from, to);
  return { stacks: placeStacks(sampled, modules, blockedShare), idle: sampled.idle };
}

/** What a thread used between two readings. */
export function since(before: ThreadTimes | undefined, after: ThreadTimes | undefined): ThreadTimes | undefined {
  return before === undefined || after === undefined
    ? undefined
    : { cpuUs: after.cpuUs - before.cpuUs, queuedUs: after.queuedUs - before.queuedUs };
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
