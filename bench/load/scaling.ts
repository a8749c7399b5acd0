/** What more workers bring, held against what the cores of this machine leave them beside the driver and the upstream. */

import { BASE, shapeOf } from "./cells.ts";
import { CORES } from "./facts.ts";
import { measureRound, type Round, RoundRefused, warmUp } from "./measure.ts";
import { startPostern } from "./postern.ts";
import { USUAL_WORLD } from "./roles.ts";
import { workerCounts } from "./settings.ts";
import { median } from "./statistics.ts";
import type { Surroundings } from "./suite.ts";
import { posternWay, type Way } from "./ways.ts";

export interface ScalingResult {
  readonly workers: number;
  readonly perSecond: number;
  /** The most that could be expected, from what one worker does and costs. */
  readonly expected: number;
  readonly rounds: readonly Round[];
}

const CONNECTIONS = 64;

export async function measureScaling({ parts, upstream, settings, say }: Surroundings): Promise<ScalingResult[]> {
  const subjects: { workers: number; way: Way; rounds: Round[] }[] = [];
  try {
    for (const workers of workerCounts()) {
      const options = { place: parts.postern, runtime: "node", upstream, world: USUAL_WORLD, tls: false } as const;
      const way = posternWay(await startPostern({ ...options, workers }));
      subjects.push({ workers, way, rounds: [] });
      await warmUp(way, {
        upstream,
        shape: shapeOf(BASE),
        connections: CONNECTIONS,
        requests: settings.warmUpRequests * workers,
        atMostSeconds: settings.warmUpSeconds,
      });
    }
    for (let round = 0; round < settings.scalingRounds; round++) {
      for (const { workers, way, rounds } of round % 2 === 0 ? subjects : [...subjects].reverse()) {
        try {
          rounds.push(
            await measureRound(way, {
              upstream,
              shape: shapeOf(BASE),
              connections: CONNECTIONS,
              warmUpSeconds: settings.roundWarmUpSeconds,
              seconds: settings.scalingSeconds,
              cores: CORES,
            }),
          );
        } catch (error) {
          if (!(error instanceof RoundRefused)) throw error;
          say(`${workers} workers: a round does not count: ${error.message}`);
        }
      }
    }
  } finally {
    await Promise.all(subjects.map(({ way }) => way.stop()));
  }
  const one = subjects[0]?.rounds ?? [];
  return subjects.map(({ workers, rounds }) => ({
    workers,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    expected: expectedThroughput(workers, CORES, {
      perSecond: median(one.map(({ perSecond }) => perSecond)),
      cpuUs: median(one.map(({ cpuUs }) => cpuUs)),
      driverUs: median(one.map(({ driverShare, perSecond }) => (driverShare * 1_000_000) / perSecond)),
      upstreamUs: median(one.map(({ upstreamShare, perSecond }) => (upstreamShare * 1_000_000) / perSecond)),
    }),
    rounds,
  }));
}

/** What one worker does, and what a request costs everybody, in microseconds of CPU. */
export interface OneWorker {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly driverUs: number;
  readonly upstreamUs: number;
}

/** So many times one worker, but no more than the cores can carry, nor than the driver and the upstream can, one core each. */
export function expectedThroughput(workers: number, cores: number, one: OneWorker): number {
  const { perSecond, cpuUs, driverUs, upstreamUs } = one;
  return Math.min(
    workers * perSecond,
    (cores * 1_000_000) / (cpuUs + driverUs + upstreamUs),
    1_000_000 / driverUs,
    1_000_000 / upstreamUs,
  );
}
