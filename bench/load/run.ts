/** The load bench: CPU per request and latency of each way to DynamoDB, in one run, alternating, printed as ratios. */

import { fork, type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { cpus, release } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { drive, percentile } from "./driver.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const BUILT = fileURLToPath(new URL("../../build/bench/postern-process.mjs", import.meta.url));
const RESULTS = fileURLToPath(new URL("../results", import.meta.url));
const quick = process.argv.includes("--quick");
const SETTINGS = {
  connections: 16,
  warmUp: quick ? 4_000 : 15_000,
  requests: quick ? 8_000 : 25_000,
  rounds: quick ? 2 : 5,
};

const BODY = JSON.stringify({
  TableName: "orders",
  Key: { id: { S: "user#00000042" } },
  ConsistentRead: false,
  ReturnConsumedCapacity: "NONE",
  ProjectionExpression: "#a, #b, #c, #d",
  ExpressionAttributeNames: { "#a": "id", "#b": "name", "#c": "total", "#d": "note" },
});
const REQUEST = Buffer.from(
  [
    "POST / HTTP/1.1",
    "host: localhost:8000",
    "user-agent: bench",
    "accept-encoding: identity",
    "content-type: application/x-amz-json-1.0",
    "x-amz-target: DynamoDB_20120810.GetItem",
    `content-length: ${BODY.length}`,
    "",
    BODY,
  ].join("\r\n"),
);

interface Reading {
  readonly served: number;
  readonly cpu: NodeJS.CpuUsage;
  readonly rss: number;
}

interface Subject {
  readonly name: string;
  readonly port: number;
  readonly process: ChildProcess | undefined;
  /** Not a program of ours: read from outside. */
  readonly foreign?: boolean;
}

interface Round {
  readonly cpuUs: number;
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  readonly rssMiB: number;
}

await buildPostern();
const upstream = await start("upstream", "stub-upstream.ts", []);
const origin = `http://127.0.0.1:${upstream.port}`;
const subjects: Subject[] = [
  { name: "direct", port: upstream.port, process: undefined },
  await start("bare proxy", "bare-proxy.ts", [origin]),
  await start("Postern without policy", BUILT, [origin, "without-policy"]),
  await start("Postern", BUILT, [origin, "whole"]),
];
const peer = process.env["SIGV4_PROXY_BIN"];
if (peer !== undefined) subjects.push(await startSigv4Proxy(peer, upstream.port));
const rounds = new Map<string, Round[]>(subjects.map(({ name }) => [name, []]));
for (const subject of subjects) await drive(subject.port, REQUEST, SETTINGS.connections, SETTINGS.warmUp);
for (let round = 0; round < SETTINGS.rounds; round++) {
  // Forth and back, so that a machine that slows down slows all of them.
  for (const subject of round % 2 === 0 ? subjects : [...subjects].reverse()) {
    rounds.get(subject.name)?.push(await measure(subject));
    process.stderr.write(".");
  }
}
process.stderr.write("\n");
report();
for (const { process: child } of [upstream, ...subjects]) child?.kill();

async function measure(subject: Subject): Promise<Round> {
  const servedBefore = (await read(upstream)).served;
  const before = subject.process === undefined ? undefined : await read(subject);
  const result = await drive(subject.port, REQUEST, SETTINGS.connections, SETTINGS.requests);
  const after = subject.process === undefined ? undefined : await read(subject);
  const served = (await read(upstream)).served - servedBefore;
  // A run counts only when every request reached the upstream and came back well.
  if (served !== SETTINGS.requests || result.errors > 0) {
    throw new Error(
      `${subject.name}: ${SETTINGS.requests} sent, ${served} reached the upstream, ${result.errors} failed`,
    );
  }
  const cpu =
    before === undefined || after === undefined
      ? 0
      : after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
  return {
    cpuUs: cpu / SETTINGS.requests,
    p50: percentile(result.latencies, 0.5),
    p99: percentile(result.latencies, 0.99),
    perSecond: result.requests / result.seconds,
    rssMiB: (after?.rss ?? 0) / 1024 / 1024,
  };
}

function report(): void {
  const bare = median(rounds.get("bare proxy") ?? [], "cpuUs");
  const rows = subjects.map(({ name }) => {
    const of = rounds.get(name) ?? [];
    const cpuUs = median(of, "cpuUs");
    return {
      name,
      cpuUs,
      ratio: cpuUs / bare,
      p50: median(of, "p50"),
      p99: median(of, "p99"),
      perSecond: median(of, "perSecond"),
      rssMiB: median(of, "rssMiB"),
      rounds: of,
    };
  });
  process.stdout.write(
    `\n${SETTINGS.connections} connections, GetItem of 200 bytes, ${SETTINGS.requests} requests a round, medians of ${SETTINGS.rounds} rounds\n\n`,
  );
  process.stdout.write("                          CPU µs/req  × bare      p50 µs    p99 µs     req/s   RSS MiB\n");
  for (const { name, cpuUs, ratio, p50, p99, perSecond, rssMiB } of rows) {
    const cells = [
      cpuUs.toFixed(1),
      ratio.toFixed(2),
      p50.toFixed(0),
      p99.toFixed(0),
      perSecond.toFixed(0),
      rssMiB.toFixed(0),
    ];
    process.stdout.write(
      `${name.padEnd(24)}${cells.map((cell, at) => cell.padStart([12, 8, 12, 10, 10, 10][at] ?? 10)).join("")}\n`,
    );
  }
  for (const { name, rounds: of } of rows)
    process.stdout.write(`  ${name}: CPU µs ${of.map(({ cpuUs }) => cpuUs.toFixed(1)).join(" ")}\n`);
  mkdirSync(RESULTS, { recursive: true });
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, kernel: release() };
  const file = join(RESULTS, quick ? "load-quick.json" : "load.json");
  writeFileSync(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), machine, settings: SETTINGS, rows }, null, 2)}\n`,
  );
  process.stdout.write(`\nJSON: ${file}\n`);
}

function median(of: readonly Round[], key: keyof Round): number {
  const sorted = of.map((round) => round[key]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** As it ships: one file, without the development loader's wrappers around every function. */
async function buildPostern(): Promise<void> {
  await build({
    entryPoints: [join(HERE, "postern-process.ts")],
    outfile: BUILT,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
}

async function start(
  name: string,
  file: string,
  args: readonly string[],
): Promise<Subject & { process: ChildProcess }> {
  const child = fork(resolve(HERE, file), [...args], {
    execArgv: file === BUILT ? [] : ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const { port } = await message<{ port: number }>(child);
  return { name, port, process: child };
}

/** aws-sigv4-proxy, when its program is at hand: it signs, knows no caller, asks no policy and keeps no record. */
async function startSigv4Proxy(program: string, upstreamPort: number): Promise<Subject> {
  const port = await freePort();
  const child = spawn(
    program,
    [
      `--port=127.0.0.1:${port}`,
      `--host=127.0.0.1:${upstreamPort}`,
      "--upstream-url-scheme=http",
      "--name=dynamodb",
      "--region=us-east-1",
    ],
    {
      env: { ...process.env, AWS_ACCESS_KEY_ID: "AKIABENCH", AWS_SECRET_ACCESS_KEY: "bench", AWS_REGION: "us-east-1" },
      stdio: "ignore",
    },
  );
  for (let attempt = 0; attempt < 50 && !(await answers(port)); attempt++)
    await new Promise((done) => setTimeout(done, 100));
  return { name: "aws-sigv4-proxy", port, process: child, foreign: true };
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => done(port));
    });
  });
}

/** What Linux says of a process that is not ours to ask: CPU in ticks of 10 ms, memory in pages of 4 KiB. */
function readForeign(pid: number): Reading {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
    .map(Number);
  return {
    served: 0,
    cpu: { user: (fields[11] ?? 0) * 10_000, system: (fields[12] ?? 0) * 10_000 },
    rss: (fields[21] ?? 0) * 4096,
  };
}

function read(subject: Subject): Promise<Reading> {
  const { process: child } = subject;
  if (child === undefined) return Promise.reject(new Error("Nothing to read"));
  if (subject.foreign === true) return Promise.resolve(readForeign(child.pid ?? 0));
  const answer = message<Reading>(child);
  child.send("read");
  return answer;
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`A process of the bench ended with ${code}`));
    child.once("exit", onExit);
    child.once("message", (value) => {
      child.off("exit", onExit);
      resolve(value as T);
    });
  });
}
