/** What a way adds at half its load: requests at a constant rate, through it and past it, and the difference. */

import { BASE, shapeOf } from "./cells.ts";
import { requestBytes } from "./operations.ts";
import { driveAtRate, type OpenLoopResult } from "./open-loop.ts";
import { median } from "./statistics.ts";
import type { Surroundings } from "./suite.ts";
import type { Way, WayName } from "./ways.ts";

export interface HalfLoadResult {
  readonly perSecond: number;
  readonly ways: readonly { readonly way: WayName; readonly rounds: readonly OpenLoopResult[] }[];
  /** Medians of Postern's rounds less those of the direct way, in microseconds. */
  readonly addedP50: number;
  readonly addedP99: number;
}

/** A driver that is later than this for one arrival in a hundred sends no constant rate. */
const LATEST_US = 2_000;

/** Those that can carry the load at all; proxies that do less show what of the latency is the machine's. */
const SUBJECTS: ReadonlySet<WayName> = new Set(["direct", "bare proxy", "aws-sigv4-proxy", "Postern on Node"]);

/** `perSecond` is half of what Postern does at most. */
export async function measureHalfLoad(
  ways: readonly Way[],
  perSecond: number,
  { upstream, settings, say }: Surroundings,
): Promise<HalfLoadResult> {
  const subjects = ways.filter(({ name }) => SUBJECTS.has(name));
  const results = new Map<WayName, OpenLoopResult[]>(subjects.map(({ name }) => [name, []]));
  const answerBytes = await upstream.answerWith(shapeOf(BASE));
  for (let round = 0; round < settings.halfLoadRounds; round++) {
    for (const way of round % 2 === 0 ? subjects : [...subjects].reverse()) {
      const before = await upstream.counts();
      try {
        const result = await driveAtRate({
          port: way.target.ports[0] ?? 0,
          request: requestBytes(shapeOf(BASE)),
          answerBytes,
          connections: BASE.connections,
          perSecond,
          seconds: settings.halfLoadSeconds,
        });
        const served = (await upstream.counts()).served - before.served;
        if (result.bad > 0 || served !== result.requests)
          throw new Error(`${result.requests} sent, ${served} reached the upstream, ${result.bad} answers were bad`);
        if (result.driverLateP99 > LATEST_US)
          throw new Error(
            `requests were sent up to ${(result.driverLateP99 / 1000).toFixed(0)} ms late, and so in heaps`,
          );
        results.get(way.name)?.push(result);
      } catch (error) {
        say(`half load: a round of ${way.name} does not count: ${(error as Error).message}`);
      }
    }
  }
  const of = (name: WayName, key: "p50" | "p99"): number => median((results.get(name) ?? []).map((one) => one[key]));
  return {
    perSecond,
    ways: subjects.map(({ name }) => ({ way: name, rounds: results.get(name) ?? [] })),
    addedP50: of("Postern on Node", "p50") - of("direct", "p50"),
    addedP99: of("Postern on Node", "p99") - of("direct", "p99"),
  };
}
