import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeComparison } from "../../../bench/compare/judge.ts";
import { judgeGrowth } from "../../../bench/growth/judge.ts";
import { BASE, CELLS, stageOf } from "../../../bench/load/cells.ts";
import { judgeGoals, type Measured } from "../../../bench/load/goals.ts";
import { expectedThroughput } from "../../../bench/load/scaling.ts";
import { stagesOf } from "../../../bench/load/suite.ts";

const good: Measured = {
  cpuUs: { postern: 80, sigv4Proxy: 100, gluedPair: 80 / 0.35 },
  halfLoad: { addedP50: 150, addedP99: 1000 },
  decisions: [
    { roles: 10, us: 9 },
    { roles: 100, us: 10 },
    { roles: 10_000, us: 10.7 },
  ],
  signatureUs: 12,
  memory: { flat: true, requests: 1_000_000, heapGrowth: 0, rssGrowth: 0.01 },
  startMs: 300,
  scaling: [
    { workers: 1, perSecond: 100, expected: 100 },
    { workers: 2, perSecond: 160, expected: 200 },
  ],
};

describe("judgeGoals()", () => {
  it("calls figures at their limits met", () => {
    assert.deepEqual(
      judgeGoals(good).filter(({ verdict }) => verdict !== "met"),
      [],
    );
  });

  const worse: readonly (readonly [string, Partial<Measured>])[] = [
    ["aws-sigv4-proxy's", { cpuUs: { postern: 80, sigv4Proxy: 99, gluedPair: 1000 } }],
    ["an OPA server", { cpuUs: { postern: 80, sigv4Proxy: 100, gluedPair: 228 } }],
    ["median", { halfLoad: { addedP50: 151, addedP99: 1000 } }],
    ["99 of 100", { halfLoad: { addedP50: 150, addedP99: 1001 } }],
    [
      "A decision, with",
      {
        decisions: [
          { roles: 10, us: 10 },
          { roles: 100, us: 10.1 },
        ],
      },
    ],
    [
      "from 10 to 10,000",
      {
        decisions: [
          { roles: 100, us: 8 },
          { roles: 10_000, us: 9.7 },
        ],
      },
    ],
    ["signature", { signatureUs: 12.1 }],
    ["Memory", { memory: { flat: false, requests: 1_000_000, heapGrowth: 0.1, rssGrowth: 0 } }],
    ["Start", { startMs: 301 }],
    ["workers", { scaling: [{ workers: 2, perSecond: 159, expected: 200 }] }],
  ];
  for (const [goal, figures] of worse) {
    it(`tells that a worse figure misses the goal about "${goal}", and only that one`, () => {
      const missed = judgeGoals({ ...good, ...figures }).filter(({ verdict }) => verdict !== "met");
      assert.equal(missed.length, 1);
      assert.match(missed[0]?.goal ?? "", new RegExp(goal));
      assert.equal(missed[0]?.verdict, "not met");
    });
  }

  it("calls nothing met that was not measured", () => {
    for (const measured of [{}, { cpuUs: { postern: Number.NaN, sigv4Proxy: 100, gluedPair: 1 }, startMs: Number.NaN }])
      assert.ok(judgeGoals(measured).every(({ verdict }) => verdict === "not measured"));
  });

  it("does not take a short soak for a million requests", () => {
    const memory = { flat: true, requests: 999_999, heapGrowth: 0, rssGrowth: 0 };
    assert.ok(judgeGoals({ ...good, memory }).some(({ verdict }) => verdict === "not measured"));
  });
});

describe("expectedThroughput()", () => {
  const one = { perSecond: 10_000, cpuUs: 100, driverUs: 10, upstreamUs: 15 };

  it("is so many times one worker while there are cores", () => {
    assert.equal(expectedThroughput(4, 16, one), 40_000);
  });

  it("is bounded by what the cores carry beside driver and upstream", () => {
    assert.equal(expectedThroughput(2, 2, one), 2_000_000 / 125);
  });

  it("is bounded by the one core of the driver, and of the upstream", () => {
    assert.equal(expectedThroughput(64, 64, { ...one, driverUs: 50 }), 20_000);
    assert.equal(expectedThroughput(64, 64, { ...one, upstreamUs: 40 }), 25_000);
  });
});

describe("judgeGrowth()", () => {
  const points = (...costs: number[]): { x: number; y: number }[] => costs.map((y, at) => ({ x: 10 ** at, y }));

  it("lets the cost of what is asked grow in proportion, and no faster", () => {
    assert.equal(judgeGrowth(points(1, 10, 100), true).verdict, "kept");
    assert.equal(judgeGrowth(points(1, 2, 60), true).verdict, "not kept");
  });

  it("does not let the cost of what is not asked grow", () => {
    assert.equal(judgeGrowth(points(10, 11, 11.9), false).verdict, "kept");
    assert.equal(judgeGrowth(points(10, 11, 12.1), false).verdict, "not kept");
  });

  it("keeps nothing that was not measured", () => {
    assert.equal(judgeGrowth([], false).verdict, "not kept");
  });
});

describe("judgeComparison()", () => {
  it("tells slower from faster when medians and rounds agree", () => {
    assert.equal(judgeComparison([10, 10, 11, 10], [11, 11, 12, 11]).verdict, "slower");
    assert.equal(judgeComparison([11, 11, 12, 11], [10, 10, 11, 10]).verdict, "faster");
  });

  it("does not call a difference of a few in a hundred slower", () => {
    assert.equal(judgeComparison([100, 100, 100, 100], [104, 104, 104, 104]).verdict, "same");
  });

  it("does not call it slower when the rounds do not agree", () => {
    assert.equal(judgeComparison([10, 20, 10, 20], [16, 16, 16, 16]).verdict, "same");
  });
});

describe("the cells of the load bench", () => {
  it("differ from the base in one factor each", () => {
    for (const cell of CELLS.slice(1)) {
      const { items: _, ...factors } = cell;
      const changed = Object.entries(factors).filter(([key, value]) => BASE[key as keyof typeof factors] !== value);
      assert.equal(changed.length, 1, JSON.stringify(cell));
    }
    assert.equal(CELLS[0], BASE);
  });

  it("share processes where they can, base first", () => {
    const stages = stagesOf(CELLS);
    assert.equal(stages[0]?.[0], BASE);
    assert.deepEqual(
      stages.map(([first]) => stageOf(first ?? BASE)),
      ["100 roles", "100 roles, TLS", "10000 roles", "10 roles", "1000 roles"],
    );
  });
});
