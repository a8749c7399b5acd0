/** Runs cells: the ways of a stage are started together, take turns in an order that is reversed each round, and are stopped. */

import { BASE, type Cell, shapeOf, stageOf, titleOf } from "./cells.ts";
import { CORES } from "./facts.ts";
import { measureRound, requireDenial, type Round, RoundRefused, warmUp } from "./measure.ts";
import { USUAL_WORLD } from "./roles.ts";
import type { Settings } from "./settings.ts";
import type { Upstream } from "./upstream.ts";
import { asksRoles, availableWays, type Parts, startWay, type Way, type WayName } from "./ways.ts";

/** What one way did in a cell. */
export interface WayResult {
  readonly way: WayName;
  readonly rounds: readonly Round[];
  /** Why other rounds do not count. */
  readonly refused: readonly string[];
}

export interface CellResult {
  readonly cell: Cell;
  readonly ways: readonly WayResult[];
}

export interface Surroundings {
  readonly parts: Parts;
  readonly upstream: Upstream;
  readonly settings: Settings;
  /** Milliseconds on the clock of `performance` after which nothing more is begun. */
  readonly until: number;
  readonly say: (line: string) => void;
}

/** Ways that run side by side, of which one at a time is loaded. */
export interface Stage {
  readonly ways: readonly Way[];
  close(): Promise<void>;
}

/** Cells in groups that can share processes, in the order of their first cells. */
export function stagesOf(cells: readonly Cell[]): Cell[][] {
  const stages = new Map<string, Cell[]>();
  for (const cell of cells) stages.set(stageOf(cell), [...(stages.get(stageOf(cell)) ?? []), cell]);
  return [...stages.values()];
}

/** Starts the ways that a cell is about, sees that those that judge deny, and warms them up. */
export async function openStage(cell: Cell, around: Surroundings): Promise<Stage> {
  const { parts, upstream } = around;
  const ways: Way[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(ways.map((way) => way.stop()));
  };
  try {
    for (const name of availableWays(parts)) {
      if (cell.roles !== BASE.roles && !asksRoles(name)) continue;
      const world = { ...USUAL_WORLD, roles: cell.roles };
      const way = await startWay(name, { parts, upstream, world, tls: cell.tls });
      ways.push(way);
      if (way.judges) await requireDenial(way, upstream);
      await warm(way, around);
    }
    return { ways, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Once more, when its ways have had nothing to do for long: runtimes throw away what has not run for a while. */
export async function warmStage(stage: Stage, around: Surroundings): Promise<void> {
  for (const way of stage.ways) await warm(way, around);
}

async function warm(way: Way, { upstream, settings, say }: Surroundings): Promise<void> {
  const { warmUpRequests: requests, warmUpSeconds: atMostSeconds } = settings;
  const options = { upstream, shape: shapeOf(BASE), connections: BASE.connections, requests, atMostSeconds };
  await warmUp(way, options).catch((error: unknown) =>
    say(`${way.name} could not be warmed up: ${(error as Error).message}`),
  );
}

/** Measures a cell. A round that does not count is kept as the reason why. */
export async function runCell(cell: Cell, stage: Stage, around: Surroundings): Promise<CellResult> {
  const { settings, upstream, say } = around;
  const isBase = cell === BASE;
  const rounds = new Map<WayName, Round[]>(stage.ways.map(({ name }) => [name, []]));
  const refused = new Map<WayName, string[]>(stage.ways.map(({ name }) => [name, []]));
  for (let round = 0; round < (isBase ? settings.baseRounds : settings.rounds); round++) {
    // Forth and back, so that a machine that slows down slows all of them.
    for (const way of round % 2 === 0 ? stage.ways : [...stage.ways].reverse()) {
      try {
        const told = await measureRound(way, {
          upstream,
          shape: shapeOf(cell),
          connections: cell.connections,
          warmUpSeconds: settings.roundWarmUpSeconds,
          seconds: isBase ? settings.baseSeconds : settings.seconds,
          cores: CORES,
        });
        rounds.get(way.name)?.push(told);
      } catch (error) {
        if (!(error instanceof RoundRefused)) throw error;
        refused.get(way.name)?.push(error.message);
        say(`${titleOf(cell)}: a round of ${way.name} does not count: ${error.message.split("\n", 1)[0]}`);
      }
    }
  }
  return {
    cell,
    ways: stage.ways.map(({ name }) => ({
      way: name,
      rounds: rounds.get(name) ?? [],
      refused: refused.get(name) ?? [],
    })),
  };
}
