import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeMemory, type MemorySample } from "../../../bench/load/memory.ts";
import { median, percentile, regressionLine, spreadOf, steepestExponent } from "../../../bench/load/statistics.ts";

describe("percentile()", () => {
  const thousand = Float64Array.from({ length: 1000 }, (_, at) => at);

  it("gives the value below which the share lies", () => {
    assert.deepEqual(
      [0, 0.5, 0.99, 0.999, 1].map((share) => percentile(thousand, share)),
      [0, 500, 990, 999, 999],
    );
  });

  it("gives a value that is there, not one between two", () => {
    assert.equal(percentile([1, 2, 3, 4, 5, 6, 7], 0.5), 4);
  });

  it("gives NaN, not zero, of nothing", () => {
    assert.equal(percentile(new Float64Array(0), 0.5), Number.NaN);
  });
});

describe("median()", () => {
  it("takes the middle, or the mean of the two in the middle, and leaves its argument as it is", () => {
    const values = [9, 1, 5];
    assert.equal(median(values), 5);
    assert.deepEqual(values, [9, 1, 5]);
    assert.equal(median([9, 1, 5, 7]), 6);
    assert.equal(median([]), Number.NaN);
  });
});

describe("regressionLine()", () => {
  it("finds the line on which points lie, without error", () => {
    const { slope, intercept, slopeError } = regressionLine([1, 2, 5, 9].map((x) => ({ x, y: 3 + 2 * x })));
    assert.deepEqual([slope, intercept, slopeError].map(rounded), [2, 3, 0]);
  });

  it("gives the error of the slope of points beside the line", () => {
    // By hand: residuals 0.5, −1.5, 1.5, −0.5 round y = 2x, a spread of 5 and 2 degrees of freedom.
    const points = [0.5, 0.5, 5.5, 5.5].map((y, x) => ({ x, y }));
    const { slope, intercept, slopeError } = regressionLine(points);
    assert.deepEqual([slope, intercept].map(rounded), [2, 0]);
    assert.equal(rounded(slopeError), rounded(Math.sqrt(5 / 2 / 5)));
  });
});

describe("steepestExponent()", () => {
  const at = (cost: (x: number) => number): { x: number; y: number }[] =>
    [1, 10, 100, 1000].map((x) => ({ x, y: cost(x) }));

  it("is at most 1 for a fixed cost and one for each unit", () => {
    assert.ok(steepestExponent(at((x) => 40 + 3 * x)) <= 1);
    assert.equal(rounded(steepestExponent(at((x) => 3 * x))), 1);
  });

  it("shows a square that only the last points feel", () => {
    assert.ok(steepestExponent(at((x) => 40 + 0.01 * x * x)) > 1.5);
  });

  it("is 0 where nothing grows", () => {
    assert.equal(steepestExponent(at(() => 7)), 0);
  });
});

describe("spreadOf()", () => {
  it("tells the largest from the smallest, wherever they stand", () => {
    assert.equal(rounded(spreadOf([10, 12, 9, 11])), rounded(1 / 3));
  });
});

describe("judgeMemory()", () => {
  const mib = 1024 * 1024;
  const samples = (heap: (at: number) => number, rss: (at: number) => number): MemorySample[] =>
    Array.from({ length: 50 }, (_, at) => ({
      requests: (at + 1) * 20_000,
      heapBytes: heap(at) * mib,
      rssBytes: rss(at) * mib,
    }));
  const noise = (at: number): number => ((at * 7919) % 13) / 13 - 0.5;

  it("calls noise, and growth while a process settles, flat", () => {
    const { flat, requests } = judgeMemory(
      samples(
        (at) => 26 + noise(at) + Math.min(0, at - 12),
        (at) => 130 + 4 * noise(at),
      ),
    );
    assert.deepEqual([flat, requests], [true, 1_000_000]);
  });

  it("finds a heap that keeps four bytes of each request", () => {
    const { flat, heapGrowth } = judgeMemory(
      samples(
        (at) => 26 + noise(at) * 0.2 + (at * 20_000 * 4) / mib,
        () => 130,
      ),
    );
    assert.equal(flat, false);
    assert.ok(heapGrowth > 0.05);
  });

  it("finds a resident set that grows while the heap does not", () => {
    assert.equal(
      judgeMemory(
        samples(
          () => 26,
          (at) => 130 + at,
        ),
      ).flat,
      false,
    );
  });

  it("does not take the slope of wide noise for growth", () => {
    assert.equal(
      judgeMemory(
        samples(
          () => 26,
          (at) => 100 + at * 0.2 + (at % 2 === 0 ? 15 : -15),
        ),
      ).flat,
      true,
    );
  });

  it("does not judge by two samples", () => {
    assert.throws(
      () =>
        judgeMemory(
          samples(
            () => 1,
            () => 1,
          ).slice(0, 2),
        ),
      /too few/,
    );
  });
});

function rounded(value: number): number {
  return Number(value.toFixed(9));
}
