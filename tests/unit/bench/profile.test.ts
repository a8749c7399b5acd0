import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  BUFFERS,
  COLLECTOR,
  CRYPTO,
  EVENT_LOOP,
  FILES,
  functionShares,
  ownerShares,
  placeFrame,
  placeStacks,
  REST,
  SOCKET_WRITES,
  STREAMS,
  WASM,
} from "../../../bench/profile/attribution.ts";
import { BASE } from "../../../bench/load/cells.ts";
import { type CallFrame, type CpuProfile, samplesBetween } from "../../../bench/profile/cpu-profile.ts";
import { flameSvg } from "../../../bench/profile/flame.ts";
import type { CellProfile } from "../../../bench/profile/measure.ts";
import { profilePage } from "../../../bench/profile/page.ts";
import { moduleStarts, sourceAt } from "../../../bench/profile/modules.ts";

const PLACE = "file:///machine/of/somebody";
const BUILT = [
  "import { x } from 'node:fs';",
  "// src/gateway/judge.ts",
  "function judge() {",
  "  // src/policy/not-a-heading.ts",
  "}",
  "// src/policy/pdp.ts",
  "function ask() {}",
  "// src/main.ts",
  "function main() {}",
].join("\n");
const modules = new Map([["chunks/a.mjs", moduleStarts(BUILT)]]);

const built = (functionName: string, lineNumber: number): CallFrame => ({
  functionName,
  url: `${PLACE}/build/package/dist/chunks/a.mjs`,
  lineNumber,
});
const of = (functionName: string, url = ""): CallFrame => ({ functionName, url, lineNumber: url === "" ? -1 : 7 });

/** Paths from the outside to the top of the stack, and how many samples each has; the frames of a path are shared. */
function profileOf(paths: readonly (readonly [readonly CallFrame[], number])[]): CpuProfile {
  type Node = CpuProfile["nodes"][number] & { readonly children: number[] };
  const nodes: Node[] = [{ id: 1, callFrame: of("(root)"), children: [] }];
  const samples: number[] = [];
  for (const [frames, count] of paths) {
    let node = nodes[0] as Node;
    for (const callFrame of frames) {
      let next = nodes.find(({ id, callFrame: known }) => node.children.includes(id) && known === callFrame);
      if (next === undefined) {
        next = { id: nodes.length + 1, callFrame, children: [] };
        nodes.push(next);
        node.children.push(next.id);
      }
      node = next;
    }
    samples.push(...Array.from({ length: count }, () => node.id));
  }
  return { nodes, startTime: 1000, samples, timeDeltas: samples.map(() => 10) };
}

const judge = built("judge", 2);
const ask = built("ask", 6);
const wasm = [3, 4].map((at) => of(`wasm-function[${at}]`, "wasm://wasm/00191872"));
const stream = of("handleWriteReq", "node:internal/stream_base_commons");
const write = of("writeBuffer");
const profile = profileOf([
  [[judge], 100],
  [[judge, of("RegExp: ^secret$")], 60],
  [[judge, ask], 50],
  [[judge, ask, ...wasm], 240],
  [[judge, of("write", "node:net"), stream, write], 300],
  [[judge, of("writeSync", "node:fs"), write], 40],
  [[judge, of("hash", "node:internal/crypto/hash")], 30],
  [[judge, of("from", "node:buffer"), of("latin1Write")], 20],
  [[of("processTicksAndRejections", "node:internal/process/task_queues"), of("runMicrotasks")], 15],
  [[of("fetch", `${PLACE}/node_modules/hono/dist/hono-base.js`)], 12],
  [[of("z", `${PLACE}/node_modules/@scope/name/node_modules/@in/side/index.js`)], 2],
  [[of("", `${PLACE}/bin/postern`)], 1],
  [[of("(garbage collector)")], 70],
  [[of("(program)")], 10],
  [[of("(idle)")], 50],
]);
const ALL = 1000;
const sampled = samplesBetween(profile, 0, 1e9);
const counted = (stacks: ReturnType<typeof placeStacks>): Record<string, number> => {
  const all = stacks.reduce((total, { count }) => total + count, 0);
  return Object.fromEntries(ownerShares(stacks).map(({ name, share }) => [name, Math.round(share * all)]));
};

describe("samplesBetween()", () => {
  it("counts what was seen within the time, and nothing before or after it", () => {
    const times = profileOf([
      [[of("start")], 5],
      [[of("load")], 10],
      [[of("end")], 5],
    ]);
    const { stacks } = samplesBetween(times, 1060, 1150);
    assert.deepEqual(
      stacks.map(({ frames, count }) => [frames.map(({ functionName }) => functionName), count]),
      [[["load"], 10]],
    );
  });

  it("gives stacks from the outside in, without the root, and idle samples apart", () => {
    assert.equal(sampled.idle, 50);
    const deepest = sampled.stacks.find(({ count }) => count === 240);
    assert.deepEqual(deepest?.frames, [judge, ask, ...wasm]);
  });

  it("refuses a profile that ended before the load began", () => {
    assert.throws(() => samplesBetween(profile, 1e8, 1e9), /no sample/);
  });
});

describe("sourceAt()", () => {
  it("finds the module above a line, and none above the first", () => {
    const starts = moduleStarts(BUILT);
    const sources = [0, 1, 4, 5, 8].map((line) => sourceAt(starts, line));
    const [gateway, policy] = ["src/gateway/judge.ts", "src/policy/pdp.ts"];
    assert.deepEqual(sources, [undefined, gateway, gateway, policy, "src/main.ts"]);
  });

  it("tells a package that is built in from the sources, wherever it is installed", () => {
    const text = ["// src/main.ts", "x", "// ../node_modules/@s/a/node_modules/b/src/b.ts", "y", "// src/mod.ts"].join(
      "\n",
    );
    const within = new Map([["a.mjs", moduleStarts(text)]]);
    const [own, foreign] = [1, 3].map((lineNumber) =>
      placeFrame({ functionName: "f", url: `${PLACE}/dist/a.mjs`, lineNumber }, undefined, within),
    );
    assert.deepEqual(own?.owner, { kind: "room", name: "main" });
    assert.deepEqual(foreign?.owner, { kind: "package", name: "b" });
  });
});

describe("placeStacks()", () => {
  const stacks = placeStacks(sampled, modules, 0.03);

  it("gives every sample to whoever spent it", () => {
    assert.deepEqual(counted(stacks), {
      [SOCKET_WRITES.name]: 300,
      [WASM.name]: 240,
      gateway: 160,
      [COLLECTOR.name]: 70,
      policy: 50,
      [FILES.name]: 40,
      [CRYPTO.name]: 30,
      [EVENT_LOOP.name]: 10 + 20,
      [BUFFERS.name]: 20,
      [REST.name]: 15,
      hono: 12,
      "@in/side": 2,
      launcher: 1,
    });
  });

  it("takes for waiting as many idle samples as the thread was blocked, all when nobody knows, and never more", () => {
    const read = (blockedShare: number | undefined): number | undefined =>
      counted(placeStacks(sampled, modules, blockedShare))[EVENT_LOOP.name];
    assert.deepEqual([0, 0.05, 0.4, undefined].map(read), [60, 10, 10, 10]);
    assert.equal(ALL, sampled.idle + sampled.stacks.reduce((total, { count }) => total + count, 0));
  });

  it("writes for a stream go to sockets, the same call for a file does not", () => {
    const [socket, file] = [300, 40].map((wanted) => stacks.find(({ count }) => count === wanted)?.frames.at(-1));
    assert.deepEqual([socket?.name, socket?.owner], ["writeBuffer", SOCKET_WRITES]);
    assert.deepEqual([file?.name, file?.owner], ["writeBuffer", FILES]);
    assert.ok(stacks.some(({ frames }) => frames.some(({ owner }) => owner === STREAMS)));
  });

  it("has neither paths of the machine nor the texts of regular expressions", () => {
    assert.doesNotMatch(JSON.stringify(stacks), /somebody|file:|secret/);
  });
});

describe("functionShares()", () => {
  it("gives a function what the engine did for it, and other rooms nothing", () => {
    const stacks = placeStacks(sampled, modules, 0.05);
    const functions = functionShares(stacks, "gateway", 5);
    assert.deepEqual(
      functions.map(({ name, where }) => [name, where]),
      [["judge", "src/gateway/judge.ts"]],
    );
    assert.ok(Math.abs((functions[0]?.share ?? 0) - 160 / 950) < 1e-9);
    assert.deepEqual(functionShares(stacks, "gateway", 0), []);
  });
});

describe("flameSvg()", () => {
  const options = { title: "a <title>", subtitle: "b", foot: "a machine", wholeUs: 95 };
  const stacks = placeStacks(sampled, modules, 0.05);
  const svg = flameSvg(stacks, options);
  /** Frames by their titles: where each is and how wide. */
  const frames = new Map(
    [...svg.matchAll(/<title>([^<]*?): [^<]*<\/title>\n<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)].map(
      ([, title = "", x, y, width]) => [title, { x: Number(x), y: Number(y), width: Number(width) }],
    ),
  );

  it("closes every element that it opens, escapes what it is given, and has no script", () => {
    const open: string[] = [];
    for (const [, closing, name = "", selfClosed] of svg.matchAll(/<(\/?)([a-zA-Z]+)[^<>]*?(\/?)>/g)) {
      if (closing === "/") assert.equal(open.pop(), name);
      else if (selfClosed === "") open.push(name);
    }
    assert.deepEqual(open, []);
    assert.ok(svg.includes("a &lt;title&gt;") && svg.includes("(anonymous)") === false);
    assert.doesNotMatch(svg, /<script|onclick|somebody|file:/);
  });

  it("makes a frame as wide as its share, and hangs it below its caller", () => {
    const [all, judged, asked] = ["all", "judge (src/gateway/judge.ts)", "ask (src/policy/pdp.ts)"].map((name) =>
      frames.get(name),
    );
    assert.ok(all !== undefined && judged !== undefined && asked !== undefined, [...frames.keys()].join("; "));
    assert.ok(Math.abs(judged.width / all.width - 840 / 950) < 1e-3);
    assert.ok(Math.abs(asked.width / all.width - 290 / 950) < 1e-3);
    assert.ok(asked.y > judged.y && judged.y > all.y);
    assert.ok(asked.x >= judged.x && asked.x + asked.width <= judged.x + judged.width + 0.02);
    assert.ok(svg.includes("judge (src/gateway/judge.ts): 88.4 %, 84.0 µs of a request"));
  });

  it("lets no two frames of a level overlap, and none leave the drawing", () => {
    const levels = new Map<string, { from: number; width: number }[]>();
    for (const [, x, y = "", width] of svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="17"/g))
      levels.set(y, [...(levels.get(y) ?? []), { from: Number(x), width: Number(width) }]);
    assert.equal(levels.size, 4);
    for (const level of levels.values()) {
      let end = 12;
      for (const { from, width } of level) {
        assert.ok(from >= end - 0.02, `${from} begins before ${end}`);
        end = from + width;
      }
      assert.ok(end <= 988.05);
    }
  });

  it("draws functions of the policy that call each other as one, and so those of Node", () => {
    assert.equal(svg.match(/<title>policy \(WebAssembly\)/g)?.length, 1);
    assert.equal(svg.match(/<title>Node: sockets and streams/g)?.length, 1);
    assert.doesNotMatch(svg, /wasm-function|handleWriteReq/);
  });

  it("folds away what is narrower than 0.3 %, and names what is not in the legend", () => {
    assert.ok(frames.has("hono") && !frames.has("@in/side"), [...frames.keys()].join("; "));
    for (const wanted of [">gateway 16.8 %<", ">policy (WebAssembly) 25.3 %<", ">hono 1.3 %<", ">a machine<"])
      assert.ok(svg.includes(wanted), wanted);
  });

  it("is the same whatever the order of the stacks", () => {
    assert.equal(flameSvg([...stacks].reverse(), options), svg);
  });
});

describe("profilePage()", () => {
  const stacks = placeStacks(sampled, modules, 0.05);
  const told: CellProfile = {
    cell: { ...BASE, operation: "BatchWriteItem", items: 25 },
    title: "BatchWriteItem of 25",
    cpuUs: 120,
    mainThreadUs: 95,
    rounds: [],
    profiled: {} as CellProfile["profiled"],
    samples: 950,
    idle: 50,
    blockedShare: 0.05,
    owners: ownerShares(stacks),
    rooms: ["gateway", "policy"].map((room) => ({ room, functions: functionShares(stacks, room, 10) })),
  };
  const lines = profilePage([told], "a machine").split("\n");

  it("gives each its share of the main thread and its microseconds, and tells other threads apart", () => {
    for (const wanted of [
      "| Node: writing to sockets | 31.6 %, 30.0 µs |",
      "| policy (WebAssembly) | 25.3 %, 24.0 µs |",
      "| everything else | 0.3 %, 0.3 µs |",
      "| **the main thread** | **95.0 µs** |",
      "| other threads | 25.0 µs |",
      "| **CPU of a request** | **120.0 µs** |",
    ])
      assert.ok(lines.includes(wanted), `${wanted} in\n${lines.join("\n")}`);
  });

  it("names the functions of both rooms side by side, and the drawing by its operation", () => {
    assert.ok(
      lines.includes("| `judge` of gateway/judge.ts | 16.8 %, 16.0 µs | `ask` of policy/pdp.ts | 5.3 %, 5.0 µs |"),
    );
    assert.match(lines.at(-1) ?? "", /\(charts\/flame-batchwriteitem\.svg\)\]\(charts\/flame-batchwriteitem\.svg\)$/);
  });
});
