/** Whether cost grows no faster than it may: in proportion with what is asked, not at all with what is not. */

import { type Point, steepestExponent } from "../load/statistics.ts";

export interface GrowthVerdict {
  readonly allowed: "linear" | "constant";
  readonly verdict: "kept" | "not kept";
  /** Cost at the last point, in costs at the first. */
  readonly growth: number;
  /** The steepest power of growth between two neighbouring points. */
  readonly exponent: number;
}

/** What noise may add. */
const SLACK = { exponent: 1.15, growth: 1.2 };

/** `points` are medians, in the order in which the axis grows. */
export function judgeGrowth(points: readonly Point[], asked: boolean): GrowthVerdict {
  const growth = (points.at(-1)?.y ?? Number.NaN) / (points[0]?.y ?? Number.NaN);
  const exponent = steepestExponent(points);
  const kept = asked ? exponent <= SLACK.exponent : growth <= SLACK.growth;
  return { allowed: asked ? "linear" : "constant", verdict: kept ? "kept" : "not kept", growth, exponent };
}
