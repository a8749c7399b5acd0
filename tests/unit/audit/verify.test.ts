import assert from "node:assert/strict";
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { CHAIN_START, sealLine } from "../../../src/audit/chain.ts";
import { verifyAudit } from "../../../src/audit/verify.ts";
import { logFilesIn, openRecorder, temporaryDirectory } from "./support.ts";

const FIRST = "main-000000000001.jsonl";

describe("verifyAudit()", () => {
  it("accepts half a line at the end of a log that is being written, and nowhere else", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await writeLines(directory, 3);
    appendFileSync(join(directory, FIRST), '{"event":"half');
    assert.deepEqual((await verifyAudit(directory)).findings, []);
    await recorder.close();
    assert.deepEqual(await kindsIn(directory), ["altered", "appended"]);
  });

  it("reports lines that follow the end that a writer marked, even if they chain", async (t) => {
    const directory = await closedLog(t, 1);
    const head = JSON.parse(readFileSync(join(directory, "main.head.json"), "utf8")) as { seq: number; hash: string };
    const buffer = Buffer.alloc(1024);
    const { end } = sealLine('{"event":"user.login","code":"T1000I"', head, buffer, 0);
    appendFileSync(join(directory, FIRST), buffer.subarray(0, end));
    assert.deepEqual(await kindsIn(directory), ["appended"]);
  });

  it("reports a log written anew from its start, through the head record or an anchor kept elsewhere", async (t) => {
    const directory = await closedLog(t, 3);
    const { streams } = await verifyAudit(directory);
    const [anchor] = streams.map(({ stream, last, hash }) => ({ stream, seq: last, hash }));
    assert.ok(anchor);
    const buffer = Buffer.alloc(4096);
    let position = CHAIN_START;
    let end = 0;
    for (let at = 1; at <= 3; at++) {
      const sealed = sealLine('{"event":"user.login","code":"T1000I"', position, buffer, end);
      position = { seq: at, hash: sealed.hash };
      end = sealed.end;
    }
    writeFileSync(join(directory, FIRST), buffer.subarray(0, end));
    assert.deepEqual(await kindsIn(directory), ["altered"]);
    const head = JSON.parse(readFileSync(join(directory, "main.head.json"), "utf8")) as object;
    writeFileSync(join(directory, "main.head.json"), JSON.stringify({ ...head, hash: position.hash }));
    assert.deepEqual(await kindsIn(directory), [], "without an anchor a forged head record hides it");
    const { findings } = await verifyAudit(directory, { anchors: [anchor] });
    assert.deepEqual(
      findings.map((finding) => finding.kind),
      ["altered"],
    );
  });

  it("reports a line that was replaced by one with a fitting hash, at the line that follows it", async (t) => {
    const directory = await closedLog(t, 3);
    const path = join(directory, FIRST);
    const lines = readFileSync(path, "utf8").split("\n");
    const buffer = Buffer.alloc(1024);
    const before = { seq: 1, hash: (JSON.parse(lines[0] ?? "") as { hash: string }).hash };
    const { end } = sealLine('{"event":"user.login","code":"T1000I"', before, buffer, 0);
    writeFileSync(path, lines.with(1, buffer.toString("utf8", 0, end - 1)).join("\n"));
    const { findings } = await verifyAudit(directory);
    assert.deepEqual(
      findings.map(({ kind, line }) => [kind, line]),
      [["inserted", 3]],
    );
  });

  it("reports a missing start, unless the operator says that it was deleted on purpose", async (t) => {
    const directory = await closedLog(t, 6, 1000);
    const [oldest = ""] = logFilesIn(directory);
    rmSync(join(directory, oldest));
    assert.deepEqual(await kindsIn(directory), ["pruned"]);
    assert.deepEqual((await verifyAudit(directory, { allowPruned: true })).findings, []);
  });

  it("reports head records that are missing or damaged, foreign files, and streams that are gone", async (t) => {
    const directory = await closedLog(t, 1);
    writeFileSync(join(directory, "events.jsonl"), "");
    assert.deepEqual(await kindsIn(directory), ["foreign"]);
    rmSync(join(directory, "events.jsonl"));
    const hash = "0".repeat(64);
    const gone = await verifyAudit(directory, { anchors: [{ stream: "worker-9", seq: 1, hash }] });
    assert.deepEqual(
      gone.findings.map((finding) => finding.kind),
      ["truncated"],
    );
    writeFileSync(join(directory, "main.head.json"), "{");
    assert.deepEqual(await kindsIn(directory), ["head_unreadable"]);
    rmSync(join(directory, "main.head.json"));
    assert.deepEqual(await kindsIn(directory), ["head_missing"]);
  });

  it("reports each stream by itself", async (t) => {
    const directory = await closedLog(t, 2);
    const other = await openRecorder(directory, { stream: "worker-1" });
    await other.close();
    const { streams } = await verifyAudit(directory);
    assert.deepEqual(
      streams.map(({ stream, files, lines, first, last, closed }) => [stream, files, lines, first, last, closed]),
      [
        ["main", 1, 2, 1, 2, true],
        ["worker-1", 0, 0, 0, 0, true],
      ],
    );
  });

  it("agrees with a copy made while a service writes", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await writeLines(directory, 3);
    const copy = temporaryDirectory(t);
    cpSync(directory, copy, { recursive: true });
    assert.deepEqual((await verifyAudit(copy)).findings, []);
    await recorder.close();
  });

  it("bounds what it reports, and counts the rest", async (t) => {
    const directory = await closedLog(t, 1);
    writeFileSync(join(directory, FIRST), "x\n".repeat(1500));
    const report = await verifyAudit(directory);
    assert.equal(report.findings.length, 1000);
    assert.ok(report.findingsTotal >= 1500);
  });
});

async function writeLines(directory: string, count: number, maxFileBytes = 1_000_000): ReturnType<typeof openRecorder> {
  const recorder = await openRecorder(directory, { maxFileBytes });
  for (let at = 0; at < count; at++) {
    await recorder.record({ event: "postern.service.start", code: "PSV01I", service: "s", version: "1" });
  }
  return recorder;
}

async function closedLog(t: TestContext, count: number, maxFileBytes?: number): Promise<string> {
  const directory = temporaryDirectory(t);
  await (await writeLines(directory, count, maxFileBytes)).close();
  return directory;
}

async function kindsIn(directory: string): Promise<string[]> {
  return (await verifyAudit(directory)).findings.map((finding) => finding.kind);
}
