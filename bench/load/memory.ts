/** Whether memory stays flat: a regression line through samples, once the process has settled. */

import type { MemoryVerdict } from "./goals.ts";
import { type Point, regressionLine } from "./statistics.ts";

export interface MemorySample {
  /** How many had been answered by then. */
  readonly requests: number;
  readonly rssBytes: number;
  /** After a collection. */
  readonly heapBytes: number;
}

/** Of all samples, those that are judged: before them caches fill and code is compiled. */
const JUDGED = 0.7;
/** Growth over the judged requests that is still flat, as a share of the mean. */
const FLAT = { heap: 0.02, rss: 0.05 };

/** @throws Error when there are too few samples for a line */
export function judgeMemory(samples: readonly MemorySample[]): MemoryVerdict & { readonly judged: number } {
  const settled = samples.slice(Math.floor(samples.length * (1 - JUDGED)));
  if (settled.length < 3) throw new Error(`${samples.length} samples are too few to judge memory by`);
  const heapGrowth = growthOf(settled.map(({ requests, heapBytes }) => ({ x: requests, y: heapBytes })));
  const rssGrowth = growthOf(settled.map(({ requests, rssBytes }) => ({ x: requests, y: rssBytes })));
  return {
    flat: heapGrowth <= FLAT.heap && rssGrowth <= FLAT.rss,
    requests: samples.at(-1)?.requests ?? 0,
    heapGrowth,
    rssGrowth,
    judged: JUDGED,
  };
}

/** What the line rises over the points, less twice the error of its slope, as a share of their mean: noise is no growth. */
function growthOf(points: readonly Point[]): number {
  const { slope, slopeError } = regressionLine(points);
  const span = (points.at(-1)?.x ?? 0) - (points[0]?.x ?? 0);
  const mean = points.reduce((total, { y }) => total + y, 0) / points.length;
  return ((slope - 2 * slopeError) * span) / mean;
}
