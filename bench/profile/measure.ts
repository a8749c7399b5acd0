/** One cell profiled: what a request costs without the profiler, and then, in a process of its own, where the time goes. */

import { type Cell, shapeOf, titleOf } from "../load/cells.ts";
import { CORES } from "../load/facts.ts";
import { measureRound, requireDenial, type Round, warmUp } from "../load/measure.ts";
import { type RunningPostern, startPostern } from "../load/postern.ts";
import { mainThreadTimes, ProcessReading } from "../load/proc.ts";
import { temporaryDirectory } from "../load/processes.ts";
import { medianOf } from "../load/report.ts";
import { USUAL_WORLD } from "../load/roles.ts";
import { median } from "../load/statistics.ts";
import type { Upstream } from "../load/upstream.ts";
import { posternWay, type Way } from "../load/ways.ts";
import { functionShares, type FunctionShare, ownerShares, type OwnerShare, type PlacedStack } from "./attribution.ts";
import { readModules } from "./modules.ts";
import { beginSpan, endOrderly, profilerOptions, readProfile, since, stacksOf } from "./profiled.ts";

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
  const options = profilerOptions(directory.path, settings.intervalUs);
  const { round, span } = await withPostern(cell, around, options, async ({ child }, way) => {
    const end = beginSpan(child.pid);
    const told = await measureRound(way, roundOf(cell, around, settings.seconds));
    const spent = end();
    await endOrderly(child);
    return { round: told, span: spent };
  });
  const profile = readProfile(directory.path);
  directory.remove();
  return { ...stacksOf(profile, span, readModules(place)), round, blockedShare: span.blockedShare };
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
