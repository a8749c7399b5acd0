/** The arithmetic of the suite: pure, so that it can be tested. */

/** The value below which a share of the sorted values lies. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle value; of an even number, the mean of the two in the middle. `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Line {
  readonly slope: number;
  readonly intercept: number;
  /** Standard error of the slope. */
  readonly slopeError: number;
}

/** The line of least squares through at least three points. */
export function regressionLine(points: readonly Point[]): Line {
  const count = points.length;
  const meanX = sum(points.map(({ x }) => x)) / count;
  const meanY = sum(points.map(({ y }) => y)) / count;
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2));
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread;
  const intercept = meanY - slope * meanX;
  const left = sum(points.map(({ x, y }) => (y - intercept - slope * x) ** 2));
  return { slope, intercept, slopeError: Math.sqrt(left / Math.max(1, count - 2) / spread) };
}

/**
 * The steepest power with which y grows between two neighbouring points: a fixed cost and one for each unit never give more
 * than 1, a square does where it outweighs them.
 */
export function steepestExponent(points: readonly Point[]): number {
  let steepest = Number.NEGATIVE_INFINITY;
  for (let at = 1; at < points.length; at++) {
    const [before, after] = [points[at - 1], points[at]];
    if (before === undefined || after === undefined) continue;
    steepest = Math.max(steepest, Math.log(after.y / before.y) / Math.log(after.x / before.x));
  }
  return steepest;
}

/** How far apart values lie: the largest over the smallest, less one. */
export function spreadOf(values: readonly number[]): number {
  return Math.max(...values) / Math.min(...values) - 1;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
