/** The ways side by side: how much they carry and what that costs each process, and how long one request takes by itself. */

import { CORES } from "../load/facts.ts";
import { measureRound, type Round, RoundRefused, warmUp } from "../load/measure.ts";
import type { Shape } from "../load/operations.ts";
import { mainThreadTimes, ProcessReading } from "../load/proc.ts";
import { medianOf } from "../load/report.ts";
import { median } from "../load/statistics.ts";
import type { Upstream } from "../load/upstream.ts";
import { since } from "../profile/profiled.ts";
import { driveSteadily, type SteadyResult } from "./steady.ts";
import type { Hop, PathWay, WayName } from "./ways.ts";

export interface PathSettings {
  /** Rounds under full load of the first cell, and seconds of each; then of the others. */
  readonly baseRounds: number;
  readonly baseSeconds: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly roundWarmUpSeconds: number;
  readonly warmUpRequests: number;
  readonly warmUpSeconds: number;
  /** Where something else has warmed it up already. */
  readonly againSeconds: number;
  readonly connections: number;
  readonly steadyRounds: number;
  readonly steadySeconds: number;
  readonly steadyPerSecond: number;
  readonly steadyConnections: number;
  readonly connectionRounds: number;
  readonly connectionsEach: number;
  /** Under `perf`, and under Node's profiler. */
  readonly perfSeconds: number;
  readonly profileSeconds: number;
  readonly intervalUs: number;
}

/** One operation. */
export interface PathCell {
  readonly title: string;
  readonly shape: Shape;
  /** Whether single requests are measured too. */
  readonly steady: boolean;
}

/** CPU of a request in one process, in microseconds: the median over the rounds, of all threads and of the main thread. */
export interface HopResult {
  readonly hop: Hop;
  readonly cpuUs: number;
  readonly mainThreadUs: number;
  readonly rounds: readonly number[];
}

export interface WayResult {
  readonly way: WayName;
  readonly rounds: readonly Round[];
  readonly hops: readonly HopResult[];
  readonly steady: readonly SteadyResult[];
  /** Why rounds did not count. */
  readonly refused: readonly string[];
}

export interface CellResult {
  readonly cell: PathCell;
  readonly ways: readonly WayResult[];
}

export interface PathContext {
  readonly upstream: Upstream;
  readonly settings: PathSettings;
}

/** The ways take turns in each round, forth and back. */
export async function measureCell(
  cell: PathCell,
  ways: readonly PathWay[],
  context: PathContext,
  isBase: boolean,
): Promise<CellResult> {
  const { settings } = context;
  const subjects = ways.map((way) => new Subject(way, cell, context));
  const inTurns = async (rounds: number, act: (subject: Subject) => Promise<void>): Promise<void> => {
    for (let round = 0; round < rounds; round++)
      for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) await act(subject);
  };
  const seconds = isBase ? settings.baseSeconds : settings.seconds;
  await inTurns(isBase ? settings.baseRounds : settings.rounds, (subject) => subject.load(seconds));
  if (cell.steady) await inTurns(settings.steadyRounds, (subject) => subject.steadily());
  return { cell, ways: subjects.map((subject) => subject.result()) };
}

/** Until what is compiled while it runs is compiled. */
export async function warmWay(
  way: PathWay,
  { shape }: PathCell,
  { upstream, settings }: PathContext,
  again = false,
): Promise<void> {
  await warmUp(way, {
    upstream,
    shape,
    request: way.request(shape),
    connections: settings.connections,
    requests: settings.warmUpRequests,
    atMostSeconds: again ? settings.againSeconds : settings.warmUpSeconds,
  });
}

/** A way in a cell. */
class Subject {
  readonly #way: PathWay;
  readonly #cell: PathCell;
  readonly #context: PathContext;
  readonly #rounds: Round[] = [];
  readonly #hops: readonly HopRounds[];
  readonly #steady: SteadyResult[] = [];
  readonly #refused: string[] = [];

  constructor(way: PathWay, cell: PathCell, context: PathContext) {
    this.#way = way;
    this.#cell = cell;
    this.#context = context;
    this.#hops = way.hops.map(({ hop, pid }) => ({ hop, pid, rounds: [], mainShares: [] }));
  }

  async load(seconds: number): Promise<void> {
    const { upstream, settings } = this.#context;
    const { shape } = this.#cell;
    let ends: (() => Used)[] = [];
    let used: Used[] = [];
    let requestsDone = 0;
    try {
      const round = await measureRound(this.#way, {
        upstream,
        shape,
        connections: settings.connections,
        warmUpSeconds: settings.roundWarmUpSeconds,
        seconds,
        cores: CORES,
        request: this.#way.request(shape),
        observer: {
          begin: () => (ends = this.#hops.map(({ pid }) => beginUse(pid))),
          end: (requests) => {
            used = ends.map((end) => end());
            requestsDone = requests;
          },
        },
      });
      this.#rounds.push(round);
      for (const [at, { rounds, mainShares }] of this.#hops.entries()) {
        const { cpuUs = Number.NaN, mainShare = 1 } = used[at] ?? {};
        rounds.push(cpuUs / requestsDone);
        mainShares.push(mainShare);
      }
    } catch (error) {
      if (!(error instanceof RoundRefused)) throw error;
      this.#refused.push(error.message);
    }
  }

  async steadily(): Promise<void> {
    const { upstream, settings } = this.#context;
    const { shape } = this.#cell;
    const answerBytes = await upstream.answerWith(shape);
    const before = await upstream.counts();
    try {
      const result = await driveSteadily({
        target: this.#way.target,
        request: this.#way.request(shape),
        answerBytes,
        connections: settings.steadyConnections,
        perSecond: settings.steadyPerSecond,
        seconds: settings.steadySeconds,
      });
      const served = (await upstream.counts()).served - before.served;
      if (result.bad > 0 || served !== result.requests)
        throw new Error(`${result.requests} sent, ${served} reached the upstream, ${result.bad} answers were bad`);
      this.#steady.push(result);
    } catch (error) {
      this.#refused.push((error as Error).message);
    }
  }

  result(): WayResult {
    return {
      way: this.#way.name,
      rounds: this.#rounds,
      hops: this.#hops.map(({ hop, rounds, mainShares }) => ({
        hop,
        cpuUs: median(rounds),
        mainThreadUs: median(rounds) * median(mainShares),
        rounds,
      })),
      steady: this.#steady,
      refused: this.#refused,
    };
  }
}

interface HopRounds {
  readonly hop: Hop;
  readonly pid: number;
  readonly rounds: number[];
  readonly mainShares: number[];
}

/** What a process used of the processor, and how much of it by its main thread. */
export interface Used {
  readonly cpuUs: number;
  readonly mainShare: number;
}

/** Begins to count; what it gives ends it. */
export function beginUse(pid: number): () => Used {
  const before = new ProcessReading([pid]);
  const main = mainThreadTimes(pid);
  return () => {
    const cpuUs = new ProcessReading([pid]).cpuUsSince(before);
    const own = since(main, mainThreadTimes(pid));
    return { cpuUs, mainShare: own === undefined ? 1 : Math.min(1, own.cpuUs / Math.max(1, cpuUs)) };
  };
}

/** The figures of a way in a cell, as medians. */
export interface WayFigures {
  readonly perSecond: number;
  /** Of all processes. */
  readonly cpuUs: number;
  /** Of one request by itself; `NaN` where that was not measured. */
  readonly p50: number;
  readonly p99: number;
}

export function figuresOf({ rounds, steady }: Pick<WayResult, "rounds" | "steady">): WayFigures {
  return {
    perSecond: medianOf(rounds, "perSecond"),
    cpuUs: medianOf(rounds, "cpuUs"),
    p50: median(steady.map(({ p50 }) => p50)),
    p99: median(steady.map(({ p99 }) => p99)),
  };
}
