/** Whether one revision costs more than another: medians apart by more than noise, and most pairs of rounds agreeing. */

import { median } from "../load/statistics.ts";

export interface ComparisonVerdict {
  readonly base: number;
  readonly head: number;
  /** Head's median in base's. */
  readonly ratio: number;
  readonly verdict: "slower" | "same" | "faster";
}

/** What medians may differ by, and the share of pairs that must agree. */
const NOISE = { ratio: 0.05, agreeing: 0.75 };

/** The costs of rounds in the order in which they were measured: the first of one belongs to the first of the other. */
export function judgeComparison(base: readonly number[], head: readonly number[]): ComparisonVerdict {
  const medians = { base: median(base), head: median(head) };
  const ratio = medians.head / medians.base;
  const pairs = Math.min(base.length, head.length);
  const share = (agrees: (base: number, head: number) => boolean): number =>
    head.slice(0, pairs).filter((cost, at) => agrees(base[at] ?? 0, cost)).length / pairs;
  const slower = ratio > 1 + NOISE.ratio && share((one, other) => other > one) >= NOISE.agreeing;
  const faster = ratio < 1 / (1 + NOISE.ratio) && share((one, other) => other < one) >= NOISE.agreeing;
  return { ...medians, ratio, verdict: slower ? "slower" : faster ? "faster" : "same" };
}
