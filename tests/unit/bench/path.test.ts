import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { claimedSignature, DerivedKey, signatureFault } from "../../../src/aws/received-signature.ts";
import { Secret } from "../../../src/base/secret.ts";
import type { Round } from "../../../bench/load/measure.ts";
import { requestBytes } from "../../../bench/load/operations.ts";
import { barsSvg } from "../../../bench/path/bars.ts";
import { LAYERS, layerOf, layerShares, readSamples } from "../../../bench/path/layers.ts";
import { type CellResult, figuresOf } from "../../../bench/path/measure.ts";
import { costChart, layersTable, pathTable, profileTables } from "../../../bench/path/page.ts";
import { signingWith } from "../../../bench/path/signed-requests.ts";
import { driveSteadily } from "../../../bench/path/steady.ts";

const SHAPE = { operation: "GetItem", size: 200, items: 1 } as const;
const ROUND: Round = {
  requests: 1000,
  perSecond: 1000,
  p50: 1,
  p99: 2,
  p999: 3,
  cpuUs: 80,
  rssMiB: 100,
  closedShare: 0,
  driverShare: 0.1,
  upstreamShare: 0.1,
  foreignShare: 0.02,
};
const steady = [{ requests: 1, bad: 0, p50: 200, p99: 900 }];
const CELL: CellResult = {
  cell: { title: "GetItem", shape: SHAPE, steady: true },
  ways: [
    { way: "direct", rounds: [{ ...ROUND, perSecond: 9000, cpuUs: 0 }], hops: [], steady, refused: [] },
    {
      way: "gateway",
      rounds: [ROUND],
      hops: [{ hop: "gateway", cpuUs: 80, mainThreadUs: 75, rounds: [80] }],
      steady,
      refused: [],
    },
    {
      way: "SDK-native",
      rounds: [{ ...ROUND, perSecond: 500, cpuUs: 200 }],
      hops: [
        { hop: "proxy", cpuUs: 90, mainThreadUs: 80, rounds: [90] },
        { hop: "agent", cpuUs: 110, mainThreadUs: 100, rounds: [110] },
      ],
      steady: [],
      refused: [],
    },
  ],
};

describe("the requests of an SDK in the bench", () => {
  it("bear a signature that an agent takes", () => {
    const credentials = { AccessKeyId: "KEY", SecretAccessKey: "secret", SessionToken: "token" };
    const now = Date.parse("2026-11-27T06:00:00.123Z");
    const [head = "", body = ""] = requestBytes(SHAPE, signingWith(credentials, new Date(now)))
      .toString()
      .split("\r\n\r\n");
    const headers = head
      .split("\r\n")
      .slice(1)
      .flatMap((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
    const claimed = claimedSignature(headers);
    assert.ok("accessKeyId" in claimed);
    const key = new DerivedKey(new Secret("secret"));
    assert.equal(
      signatureFault({ headers, body: Buffer.from(body) }, claimed, { key, region: "us-east-1", now }),
      undefined,
    );
  });
});

describe("layerOf()", () => {
  const node = "/usr/bin/node";
  for (const [symbol, object, layer] of [
    ["tcp_sendmsg_locked", "[kernel.kallsyms]", "kernel"],
    ["_aesni_ctr32_ghash_6x", node, "OpenSSL"],
    ["node::crypto::TLSWrap::EncOut", node, "OpenSSL"],
    ["nghttp2_session_mem_recv", node, "HTTP/2"],
    ["node::http2::Http2Session::OnStreamRead", node, "HTTP/2"],
    ["Builtins_LoadIC", node, "JavaScript"],
    ["[unknown]", "/tmp/perf-4711.map", "JavaScript"],
    ["v8::internal::Scavenger::ScavengeObject", node, "garbage collection"],
    ["v8::internal::LookupIterator::Next", node, "V8"],
    ["__memmove_avx512_unaligned_erms", "/usr/lib/x86_64-linux-gnu/libc.so.6", "copying, allocating"],
    ["epoll_wait", "/usr/lib/x86_64-linux-gnu/libc.so.6", "Node, libuv"],
    ["uv__io_poll", node, "Node, libuv"],
  ] as const)
    it(`takes ${symbol} for ${layer}`, () => assert.equal(layerOf({ pid: 1, symbol, object }), layer));

  it("is given what perf prints, and shares it out", () => {
    const text = [
      "   17  ffffffff81 finish_task_switch.isra.0 ([kernel.kallsyms])",
      " 17   55d0 v8::internal::(anonymous namespace)::Invoke(v8::internal::Isolate*) (/usr/bin/node)",
      "# nothing",
      " 18   55d0 nghttp2_bufs_add (/usr/bin/node)",
    ].join("\n");
    const samples = readSamples(text);
    assert.deepEqual(
      samples.map(({ pid }) => pid),
      [17, 17, 18],
    );
    const shares = layerShares(samples.filter(({ pid }) => pid === 17));
    assert.deepEqual(
      shares.map(({ layer }) => layer),
      LAYERS,
    );
    assert.deepEqual(
      shares.filter(({ share }) => share > 0),
      [
        { layer: "kernel", share: 0.5 },
        { layer: "V8", share: 0.5 },
      ],
    );
    assert.equal(layerShares([]).length, LAYERS.length);
  });
});

describe("the page of the way", () => {
  it("tells each way's figures, and how they are to the gateway's", () => {
    const lines = pathTable([CELL], "a machine").split("\n");
    assert.match(lines.at(3) ?? "", /^\| direct \| 9000 \| 9\.00 × \| {2}\| {2}\|.*\| 200 µs \| 900 µs \|$/);
    assert.equal(lines.at(4), "| gateway | 1000 |  | 80 µs |  |  |  |  | 80 µs | 200 µs | 900 µs |");
    assert.equal(lines.at(5), "| SDK-native | 500 | 0.50 × | 200 µs | 2.50 × |  | 90 µs | 110 µs |  |  |  |");
    assert.equal(lines.at(-1), "a machine");
    assert.ok(Number.isNaN(figuresOf({ rounds: [ROUND], steady: [] }).p50));
  });

  it("tells layers and owners in microseconds of the hop", () => {
    const layers = [{ layer: "kernel", share: 0.25 } as const, { layer: "OpenSSL", share: 0.75 } as const];
    const table = layersTable([{ way: "SDK-native", hop: "proxy", samples: 4, layers }], CELL, "a machine");
    assert.match(
      table,
      /^\| µs \| SDK-native: proxy \|\n.*\n\| kernel \| 22\.5 \|\n\| OpenSSL \| 67\.5 \|\n\| \*\*all\*\* \| \*\*90\.0\*\* \|/,
    );
    const owners = [
      { name: "tunnel", kind: "room", share: 0.9 } as const,
      { name: "rare", kind: "room", share: 0.001 } as const,
    ];
    const functions = [{ name: "write", where: "src/tunnel/frames.ts", share: 0.5 }];
    const profile = { way: "SDK-native", hop: "proxy", samples: 4, blockedShare: 0, owners, functions } as const;
    const text = profileTables([profile], CELL);
    assert.match(
      text,
      /\| tunnel \| 72\.0 \|\n\| everything else \| 8\.0 \|\n\| \*\*the main thread\*\* \| \*\*80\.0\*\* \|/,
    );
    assert.match(text, /- SDK-native: proxy: `write` of tunnel\/frames\.ts 40\.0$/);
  });
});

describe("barsSvg()", () => {
  it("draws parts as wide as they are, names them once, and sums them", () => {
    const svg = costChart([CELL], "a <machine>");
    assert.equal(svg.match(/>proxy</g)?.length, 1);
    assert.match(svg, /<title>proxy: 90 µs<\/title>/);
    assert.match(svg, /font-weight="600"[^>]*>200</);
    assert.match(svg, /a &lt;machine&gt;/);
    assert.doesNotMatch(svg, /NaN|undefined/);
    assert.doesNotMatch(barsSvg({ title: "", subtitle: "", unit: "", groups: [], foot: "" }), /NaN|Infinity/);
  });
});

describe("driveSteadily()", () => {
  it("sends as many as it is told, and counts answers that are not what they should be", async () => {
    const sockets = new Set<Socket>();
    let answered = 0;
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("data", () =>
        socket.write(`HTTP/1.1 ${answered++ === 3 ? 500 : 200} x\r\ncontent-length: 2\r\n\r\n{}`),
      );
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as { port: number };
    const options = { request: requestBytes(SHAPE), answerBytes: 2, connections: 2, perSecond: 500, seconds: 0.02 };
    const result = await driveSteadily({ target: { ports: [port] }, ...options });
    assert.deepEqual([result.requests, result.bad, answered], [10, 1, 10]);
    assert.ok(result.p50 > 0 && result.p99 >= result.p50);
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});
