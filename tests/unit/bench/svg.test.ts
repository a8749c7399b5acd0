import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Chart, escapeXml, linearTicks, logTicks, svgOf } from "../../../bench/growth/svg.ts";
import { withBlock } from "../../../bench/load/pages.ts";

const chart: Chart = {
  title: `Roles <of> "A & B's"`,
  subtitle: "may not grow",
  xLabel: "roles",
  yLabel: "CPU µs",
  xScale: "log",
  yScale: "linear",
  xTicks: [10, 100, 1000].map((at) => ({ at, label: String(at) })),
  series: [
    { name: "one", points: [10, 100, 1000].map((x) => ({ x, y: 50 })), raw: [{ x: 10, y: 51 }] },
    { name: "other", points: [10, 100, 1000].map((x) => ({ x, y: 50.1 })) },
    { name: "guide", points: [10, 1000].map((x) => ({ x, y: x * 1000 })), guide: true },
  ],
  foot: "a machine",
};

describe("escapeXml()", () => {
  it("leaves nothing that XML would read", () => {
    assert.equal(escapeXml(`<a href="x">&'`), "&lt;a href=&quot;x&quot;&gt;&amp;&apos;");
  });
});

describe("svgOf()", () => {
  const svg = svgOf(chart);

  it("closes every element that it opens, and escapes what it is given", () => {
    const open: string[] = [];
    for (const [, closing, name = "", selfClosed] of svg.matchAll(/<(\/?)([a-zA-Z]+)[^<>]*?(\/?)>/g)) {
      if (closing === "/") assert.equal(open.pop(), name);
      else if (selfClosed === "") open.push(name);
    }
    assert.deepEqual(open, []);
    assert.ok(svg.includes("Roles &lt;of&gt; &quot;A &amp; B&apos;s&quot;"));
  });

  it("has a light ground, the names of axes, ticks and series, and the foot", () => {
    for (const wanted of ['fill="#ffffff"', ">roles<", ">CPU µs<", ">1000<", ">one<", ">other<", ">a machine<"])
      assert.ok(svg.includes(wanted), wanted);
  });

  it("keeps the names of series apart whose lines end at the same height", () => {
    const heights = ["one", "other", "guide"].map((name) =>
      Number(new RegExp(`y="([\\d.]+)"[^<]*>${name}<`).exec(svg)?.[1]),
    );
    const sorted = heights.toSorted((a, b) => a - b);
    for (let at = 1; at < sorted.length; at++)
      assert.ok((sorted[at] ?? 0) - (sorted[at - 1] ?? 0) >= 16, String(sorted));
  });

  it("places equal steps of a power at equal distances on a logarithmic axis", () => {
    const [a = 0, b = 0, c = 0] = ["10", "100", "1000"].map((label) =>
      Number(new RegExp(`x="([\\d.]+)"[^<]*text-anchor="middle"[^<]*>${label}<`).exec(svg)?.[1]),
    );
    assert.ok(a < b && Math.abs(b - a - (c - b)) < 0.3, `${a} ${b} ${c}`);
  });

  it("draws the rounds behind the medians", () => {
    assert.equal(svg.match(/<circle/g)?.length, 7);
  });
});

describe("ticks", () => {
  it("go from zero to above the largest value", () => {
    assert.deepEqual(linearTicks([30, 93]), [0, 20, 40, 60, 80, 100]);
    for (const most of [0.7, 3, 51, 99, 1890, 123_456]) {
      const ticks = linearTicks([most]);
      assert.ok((ticks.at(-1) ?? 0) >= most && ticks.length >= 4 && ticks.length <= 7, `${most}: ${ticks.join(" ")}`);
    }
  });

  it("enclose the values on a logarithmic axis", () => {
    assert.deepEqual(logTicks([34, 860]), [20, 50, 100, 200, 500, 1000]);
    const many = logTicks([1, 3_000_000]);
    assert.ok(many.length <= 10 && many[0] === 1 && (many.at(-1) ?? 0) >= 3_000_000, String(many));
  });
});

describe("withBlock()", () => {
  const page = "a\n<!-- bench:goals -->\n\nold\n\n<!-- /bench:goals -->\nb\n";

  it("puts a text into its block, again and again, and leaves the rest as it is", () => {
    const once = withBlock(page, "goals", "new\n");
    assert.equal(once, "a\n<!-- bench:goals -->\n\nnew\n\n<!-- /bench:goals -->\nb\n");
    assert.equal(withBlock(once, "goals", "new\n"), once);
  });

  it("refuses a block that the page does not have", () => {
    assert.throws(() => withBlock(page, "growth", "x"), /no block growth/);
  });
});
