import assert from "node:assert/strict";
import { appendFileSync, cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { verifyAudit } from "../../../src/audit/verify.ts";
import { COMPLETED, linesIn, logFilesIn, newFacts, newSession, openRecorder, temporaryDirectory } from "./support.ts";

const START = { event: "postern.service.start", code: "PSV01I", service: "db_service", version: "1" } as const;
const FIRST = "main-000000000001.jsonl";

describe("Recorder.open() after a crash", () => {
  it("gives every intent without an event one with outcome unknown and what the intent said, across rotation", async (t) => {
    const directory = await crashedDirectory(t, 2000, async (recorder) => {
      const session = newSession();
      const requests = await Promise.all(Array.from({ length: 6 }, () => recorder.begin(newFacts(session))));
      for (const request of requests.slice(0, 4)) await recorder.finish(request, COMPLETED);
    });
    const intents = linesIn(directory)
      .filter((line) => line.event === "db.session.dynamodb.intent")
      .slice(4);
    await (await openRecorder(directory, { maxFileBytes: 2000 })).close();
    const unknown = linesIn(directory).filter((line) => line["outcome"] === "unknown");
    assert.deepEqual(
      unknown.map((line) => line.uid),
      intents.map((line) => line.uid),
    );
    for (const [at, line] of unknown.entries()) {
      assert.deepEqual([line.code, line["status_code"], line["response"]], ["TDY01E", 0, null]);
      for (const field of ["sid", "user", "db_user", "target", "body", "decision"]) {
        assert.deepEqual(line[field], intents[at]?.[field], field);
      }
    }
    assert.deepEqual((await verifyAudit(directory)).findings, []);
    const before = linesIn(directory).length;
    await (await openRecorder(directory)).close();
    assert.equal(linesIn(directory).length, before, "a second start finds nothing left to do");
  });

  it("gives intents that were open at an orderly end their event too", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory, { maxFileBytes: 1 });
    await recorder.begin(newFacts());
    for (let at = 0; at < 3; at++) await recorder.record(START);
    await recorder.close();
    await (await openRecorder(directory)).close();
    assert.deepEqual(
      linesIn(directory)
        .map((line) => line["outcome"])
        .filter(Boolean),
      ["unknown"],
    );
  });

  it("cuts off half a line and records that it did", async (t) => {
    const directory = await crashedDirectory(t, 1_000_000, (recorder) => recorder.record(START));
    appendFileSync(join(directory, FIRST), '{"event":"postern.serv');
    await (await openRecorder(directory)).close();
    const [, repaired] = linesIn(directory);
    assert.deepEqual([repaired?.event, repaired?.["file"], repaired?.["bytes"]], ["postern.audit.repaired", FIRST, 22]);
    assert.deepEqual((await verifyAudit(directory)).findings, []);
  });

  it("goes on in a file that a crash left empty", async (t) => {
    const directory = await crashedDirectory(t, 1_000_000, (recorder) => recorder.record(START));
    writeFileSync(join(directory, "main-000000000002.jsonl"), "");
    const recorder = await openRecorder(directory);
    await recorder.record(START);
    await recorder.close();
    assert.deepEqual(
      linesIn(directory).map((line) => line.seq),
      [1, 2],
    );
    assert.deepEqual((await verifyAudit(directory)).findings, []);
  });

  it("leaves a break that is found for ever where somebody cut off acknowledged lines", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    for (let at = 0; at < 5; at++) await recorder.record(START);
    await recorder.close();
    const path = join(directory, FIRST);
    truncateSync(path, readFileSync(path, "utf8").split("\n").slice(0, 3).join("\n").length + 1);
    const again = await openRecorder(directory);
    await again.record(START);
    await again.close();
    const gap = linesIn(directory).find((line) => line.event === "postern.audit.gap");
    assert.deepEqual([gap?.["missing_from"], gap?.["missing_to"]], [4, 5]);
    assert.deepEqual(
      (await verifyAudit(directory)).findings.map((finding) => finding.kind),
      ["removed"],
    );
  });

  it("starts, says so, and stays verifiable as broken when the head record or the last line was spoilt", async (t) => {
    for (const spoil of ["head gone", "head damaged", "last line altered", "all files gone"]) {
      const directory = temporaryDirectory(t);
      const recorder = await openRecorder(directory);
      for (let at = 0; at < 3; at++) await recorder.record(START);
      await recorder.close();
      const [log, head] = [join(directory, FIRST), join(directory, "main.head.json")];
      if (spoil === "head gone") rmSync(head);
      else if (spoil === "head damaged") writeFileSync(head, "{}");
      else if (spoil === "all files gone") rmSync(log);
      else writeFileSync(log, readFileSync(log, "utf8").replace(/"version":"1"(?=[^\n]*\n$)/, '"version":"2"'));
      const again = await openRecorder(directory);
      await again.record(START);
      await again.close();
      assert.equal(linesIn(directory).filter((line) => line.event === "postern.audit.gap").length, 1, spoil);
      const { ok } = await verifyAudit(directory);
      // Without its head a log could be shorter than it was; the gap event is all that can be said of it.
      assert.equal(ok, spoil.startsWith("head"), spoil);
    }
  });

  it("settles an intent that was altered beyond reading without failing to start", async (t) => {
    const directory = await crashedDirectory(t, 1_000_000, async (recorder) => void (await recorder.begin(newFacts())));
    const path = join(directory, FIRST);
    writeFileSync(path, readFileSync(path, "utf8").replace('"method":"POST"', '"method":POST"'));
    await (await openRecorder(directory)).close();
    assert.equal(linesInLoosely(path).at(-1)?.["event"], "postern.audit.gap");
  });

  it("reads only the files that the head record leaves open", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory, { maxFileBytes: 1 });
    await recorder.finish(await recorder.begin(newFacts()), COMPLETED);
    await recorder.close();
    // An intent whose event was taken away: were the old file read again, it would be given another.
    rmSync(join(directory, "main-000000000002.jsonl"));
    await (await openRecorder(directory)).close();
    assert.equal(
      linesIn(directory).some((line) => line["outcome"] === "unknown"),
      false,
    );
  });
});

type Open = Awaited<ReturnType<typeof openRecorder>>;

/** The directory as a process would leave it that was killed after `run`: copied while the recorder is open. */
async function crashedDirectory(
  t: TestContext,
  maxFileBytes: number,
  run: (recorder: Open) => Promise<void>,
): Promise<string> {
  const live = temporaryDirectory(t);
  const left = temporaryDirectory(t);
  const recorder = await openRecorder(live, { maxFileBytes });
  await run(recorder);
  for (const name of [...logFilesIn(live), "main.head.json"]) cpSync(join(live, name), join(left, name));
  await recorder.close();
  assert.ok(statSync(join(left, FIRST)).size > 0);
  return left;
}

function linesInLoosely(path: string): Record<string, unknown>[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}
