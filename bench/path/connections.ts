/** What a connection costs: one request on each, as programs send it that live for one. */

import { once } from "../load/driver.ts";
import { median } from "../load/statistics.ts";
import { beginUse, type PathCell, type PathContext } from "./measure.ts";
import type { Hop, PathWay, WayName } from "./ways.ts";

export interface ConnectionCost {
  readonly way: WayName;
  /** Milliseconds from opening it to the answer, each by itself: the medians of the rounds. */
  readonly ms: readonly number[];
  /** CPU of a connection and its request in each process, in microseconds. */
  readonly hops: readonly { readonly hop: Hop; readonly cpuUs: number; readonly rounds: readonly number[] }[];
}

/** One connection after the other, the ways in turns. */
export async function measureConnections(
  ways: readonly PathWay[],
  { shape }: PathCell,
  { upstream, settings }: PathContext,
): Promise<ConnectionCost[]> {
  await upstream.answerWith(shape);
  const costs = ways.map((way) => ({
    way,
    ms: [] as number[],
    hops: way.hops.map((hop) => ({ ...hop, rounds: [] as number[] })),
  }));
  for (let round = 0; round < settings.connectionRounds; round++) {
    for (const { way, ms, hops } of round % 2 === 0 ? costs : costs.toReversed()) {
      const request = way.request(shape);
      const ends = hops.map(({ pid }) => beginUse(pid));
      const took: number[] = [];
      for (let at = 0; at < settings.connectionsEach; at++) {
        const begun = performance.now();
        const { status, text } = await once(way.target, request);
        if (status !== 200) throw new Error(`${way.name} answered ${status}:\n${text}`);
        took.push(performance.now() - begun);
      }
      ms.push(median(took));
      for (const [at, end] of ends.entries()) hops[at]?.rounds.push(end().cpuUs / settings.connectionsEach);
    }
  }
  return costs.map(({ way, ms, hops }) => ({
    way: way.name,
    ms,
    hops: hops.map(({ hop, rounds }) => ({ hop, cpuUs: median(rounds), rounds })),
  }));
}
