/** What Linux says of processes, ours and others', in one and the same way: CPU time and memory, from /proc. */

import { readdirSync, readFileSync } from "node:fs";

const TICK_US = 10_000;
const PAGE_BYTES = 4096;

/** A reading of a set of processes, to be compared with a later one. */
export class ProcessReading {
  readonly #processes: ReadonlyMap<number, ProcessTimes>;

  constructor(pids: readonly number[]) {
    this.#processes = new Map(pids.map((pid) => [pid, timesOf(pid)]));
  }

  get rssBytes(): number {
    return [...this.#processes.values()].reduce((total, { rssBytes }) => total + rssBytes, 0);
  }

  /** CPU time since they began, in steps of 10 ms. */
  get cpuUs(): number {
    return [...this.#processes.values()].reduce((total, { ticksUs }) => total + ticksUs, 0);
  }

  /** CPU time that these processes have used since an earlier reading of them. */
  cpuUsSince(earlier: ProcessReading): number {
    let total = 0;
    for (const [pid, now] of this.#processes) {
      const before = earlier.#processes.get(pid);
      if (before === undefined) throw new Error(`Process ${pid} is not in the earlier reading`);
      // Threads are counted in nanoseconds; what a thread that has ended used is only in the process's count of ticks.
      const lost = [...before.threads.keys()].some((thread) => !now.threads.has(thread));
      const ticks = now.ticksUs - before.ticksUs;
      total += lost || now.threads.size === 0 ? ticks : threadsUs(now) - threadsUs(before);
    }
    return total;
  }
}

/** A process and all that descend from it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (let at = 0; at < tree.length; at++) tree.push(...(children.get(tree[at] ?? 0) ?? []));
  return tree;
}

/** What the kernel tells of the first thread of a process since it began, in microseconds. */
export interface ThreadTimes {
  readonly cpuUs: number;
  /** That it could have run and had no core. */
  readonly queuedUs: number;
}

/** Undefined where the kernel keeps no such books. */
export function mainThreadTimes(pid: number): ThreadTimes | undefined {
  const [cpu, queued] = readOrUndefined(`/proc/${pid}/task/${pid}/schedstat`)?.split(" ").map(Number) ?? [];
  return cpu === undefined || queued === undefined ? undefined : { cpuUs: cpu / 1000, queuedUs: queued / 1000 };
}

/** Microseconds that all cores together have been busy since the machine started. */
export function machineBusyUs(): number {
  const fields = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.trim().split(/ +/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) * TICK_US;
}

interface ProcessTimes {
  /** Microseconds of each thread. */
  readonly threads: ReadonlyMap<string, number>;
  readonly ticksUs: number;
  readonly rssBytes: number;
}

function timesOf(pid: number): ProcessTimes {
  const fields = statFields(pid);
  if (fields === undefined) throw new Error(`Process ${pid} of the bench is no more`);
  const threads = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readOrUndefined(`/proc/${pid}/task/${thread}/schedstat`);
    // A kernel without it counts in ticks only.
    if (text !== undefined) threads.set(thread, Number(text.split(" ", 1)[0]) / 1000);
  }
  const field = (at: number): number => Number(fields[at] ?? 0);
  return { threads, ticksUs: (field(11) + field(12)) * TICK_US, rssBytes: field(21) * PAGE_BYTES };
}

function threadsUs({ threads }: ProcessTimes): number {
  return [...threads.values()].reduce((total, value) => total + value, 0);
}

/** The fields after the name, which may hold anything: state, parent, … */
function statFields(pid: number): string[] | undefined {
  return readOrUndefined(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
