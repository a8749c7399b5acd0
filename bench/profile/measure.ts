/** One cell profiled: what a request costs without the profiler, and then, in a process of its own, where the time goes. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cell, shapeOf, titleOf } from "../load/cells.ts";
import { CORES } from "../load/facts.ts";
import { measureRound, requireDenial, type Round, warmUp } from "../load/measure.ts";
import { type RunningPostern, startPostern } from "../load/postern.ts";
import { mainThreadTimes, ProcessReading, type ThreadTimes } from "../load/proc.ts";
import { type Child, temporaryDirectory } from "../load/processes.ts";
import { medianOf } from "../load/report.ts";
import { USUAL_WORLD } from "../load/roles.ts";
import { median } from "../load/statistics.ts";
import type { Upstream } from "../load/upstream.ts";
import { posternWay, type Way } from "../load/ways.ts";
import {
  functionShares,
  type FunctionShare,
  ownerShares,
  type OwnerShare,
  placeStacks,
  type PlacedStack,
} from "./attribution.ts";
import { type CpuProfile, samplesBetween } from "./cpu-profile.ts";
import { readModules } from "./modules.ts";

export interface ProfileSettings {
  /** Rounds without the profiler, and seconds of each. */
  readonly rounds: number;
  readonly roundSeconds: number;
  /** Under the profiler. */
  readonly seconds: number;
  readonly warmUpRequests: number;
  readonly warmUpSeconds: number;
  /** Microseconds from one sample to the next. */
  readonly intervalUs: number;
}

export interface CellProfile {
  readonly cell: Cell;
  readonly title: string;
  /** CPU of a request without the profiler: the median over the rounds, of all threads and of the main thread. */
  readonly cpuUs: number;
  readonly mainThreadUs: number;
  readonly rounds: readonly Round[];
  /** The round in which the samples were taken. */
  readonly profiled: Round;
  readonly samples: number;
  /** Samples in which V8 took the thread for idle, and the share of the time in which the kernel says it was blocked. */
  readonly idle: number;
  readonly blockedShare: number | undefined;
  readonly owners: readonly OwnerShare[];
  /** Of the two rooms that spend most. */
  readonly rooms: readonly { readonly room: string; readonly functions: readonly FunctionShare[] }[];
}

const ROOMS = 2;
const FUNCTIONS = 10;
/** To write the profile takes longer than an orderly end otherwise may. */
const WRITING_MS = 20_000;

interface Around {
  readonly place: string;
  readonly upstream: Upstream;
  readonly settings: ProfileSettings;
}

export async function profileCell(cell: Cell, around: Around): Promise<{ told: CellProfile; stacks: PlacedStack[] }> {
  const plain = await measurePlain(cell, around);
  const { stacks, round, idle, blockedShare } = await measureProfiled(cell, around);
  const owners = ownerShares(stacks);
  const rooms = owners.filter(({ kind }) => kind === "room").slice(0, ROOMS);
  const told: CellProfile = {
    cell,
    title: titleOf(cell),
    ...plain,
    profiled: round,
    samples: stacks.reduce((total, { count }) => total + count, 0),
    idle,
    blockedShare,
    owners,
    rooms: rooms.map(({ name }) => ({ room: name, functions: functionShares(stacks, name, FUNCTIONS) })),
  };
  return { told, stacks };
}

type Plain = Pick<CellProfile, "cpuUs" | "mainThreadUs" | "rounds">;

async function measurePlain(cell: Cell, around: Around): Promise<Plain> {
  const { settings } = around;
  return await withPostern(cell, around, [], async ({ child }, way) => {
    const rounds: Round[] = [];
    const mainShares: number[] = [];
    for (let round = 0; round < settings.rounds; round++) {
      const before = { all: new ProcessReading([child.pid]), main: mainThreadTimes(child.pid) };
      rounds.push(await measureRound(way, roundOf(cell, around, settings.roundSeconds)));
      const all = new ProcessReading([child.pid]).cpuUsSince(before.all);
      const main = since(before.main, mainThreadTimes(child.pid));
      mainShares.push(main === undefined ? 1 : Math.min(1, main.cpuUs / all));
    }
    const cpuUs = medianOf(rounds, "cpuUs");
    return { cpuUs, mainThreadUs: cpuUs * median(mainShares), rounds };
  });
}

interface Profiled extends Pick<CellProfile, "idle" | "blockedShare"> {
  readonly stacks: PlacedStack[];
  readonly round: Round;
}

async function measureProfiled(cell: Cell, around: Around): Promise<Profiled> {
  const { place, settings } = around;
  const directory = temporaryDirectory();
  const options = ["--cpu-prof", `--cpu-prof-dir=${directory.path}`, `--cpu-prof-interval=${settings.intervalUs}`];
  const { round, from, to, blockedShare } = await withPostern(cell, around, options, async ({ child }, way) => {
    const before = mainThreadTimes(child.pid);
    const startedAt = nowUs();
    const told = await measureRound(way, roundOf(cell, around, settings.seconds));
    const endedAt = nowUs();
    const main = since(before, mainThreadTimes(child.pid));
    await endOrderly(child);
    return {
      round: told,
      from: startedAt,
      to: endedAt,
      // What it neither ran nor waited for a core it waited for events.
      blockedShare:
        main === undefined ? undefined : Math.max(0, 1 - (main.cpuUs + main.queuedUs) / (endedAt - startedAt)),
    };
  });
  // Of the main thread: the profile of another has another number in its name.
  const file = readdirSync(directory.path).find((name) => /\.0\.\d+\.cpuprofile$/.test(name));
  if (file === undefined) throw new Error("Node wrote no profile");
  const profile = JSON.parse(readFileSync(join(directory.path, file), "utf8")) as CpuProfile;
  directory.remove();
  const sampled = samplesBetween(profile, from, to);
  const stacks = placeStacks(sampled, readModules(place), blockedShare);
  return { stacks, round, idle: sampled.idle, blockedShare };
}

/** Starts Postern, sees that it denies, and warms it up with what it is then asked. */
async function withPostern<T>(
  cell: Cell,
  { place, upstream, settings }: Around,
  nodeOptions: readonly string[],
  act: (running: RunningPostern, way: Way) => Promise<T>,
): Promise<T> {
  const world = { ...USUAL_WORLD, roles: cell.roles };
  const running = await startPostern({ place, runtime: "node", upstream, world, tls: cell.tls, nodeOptions });
  try {
    const way = posternWay(running);
    await requireDenial(way, upstream);
    const { warmUpRequests: requests, warmUpSeconds: atMostSeconds } = settings;
    await warmUp(way, { upstream, shape: shapeOf(cell), connections: cell.connections, requests, atMostSeconds });
    return await act(running, way);
  } finally {
    await running.stop();
  }
}

function roundOf(cell: Cell, { upstream }: Around, seconds: number): Parameters<typeof measureRound>[1] {
  return { upstream, shape: shapeOf(cell), connections: cell.connections, warmUpSeconds: 0, seconds, cores: CORES };
}

async function endOrderly({ process: child }: Child): Promise<void> {
  const ended = new Promise<boolean>((resolve) => child.once("exit", () => resolve(true)));
  child.kill("SIGTERM");
  if (!(await Promise.race([ended, sleep(WRITING_MS, false, { ref: false })])))
    throw new Error("Postern did not end in time to write its profile");
}

function since(before: ThreadTimes | undefined, after: ThreadTimes | undefined): ThreadTimes | undefined {
  return before === undefined || after === undefined
    ? undefined
    : { cpuUs: after.cpuUs - before.cpuUs, queuedUs: after.queuedUs - before.queuedUs };
}

/** On the clock of the profiler, which is the machine's. */
function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
