import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { verifyAudit } from "../../../src/audit/verify.ts";
import {
  COMPLETED,
  linesIn,
  logFilesIn,
  ManualClock,
  newFacts,
  newSession,
  openRecorder,
  temporaryDirectory,
} from "./support.ts";

const START = { event: "postern.service.start", code: "PSV01I", service: "db_service", version: "1" } as const;
const CHAIN = /,"seq":\d+,"prev":"[0-9a-f]{64}","hash":"[0-9a-f]{64}"\}$/;

describe("Recorder", () => {
  it("writes an intent before begin() resolves and its event, with the same uid, before finish() does", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    const request = await recorder.begin(newFacts());
    const { uid } = request;
    assert.deepEqual(
      linesIn(directory).map((line) => [line.event, line.code, line.uid]),
      [["db.session.dynamodb.intent", "TDY00I", uid]],
    );
    await recorder.finish(request, COMPLETED);
    const [, event] = linesIn(directory);
    const { seq, prev, hash, ...fields } = event ?? assert.fail("no event");
    assert.deepEqual([seq, typeof prev, typeof hash], [2, "string", "string"]);
    assert.deepEqual(fields, {
      event: "db.session.dynamodb.request",
      code: "TDY01I",
      time: "2026-11-22T14:00:00.000Z",
      uid,
      ei: 1,
      sid: "session-1",
      user: "alice",
      db_service: "example-dynamodb",
      db_protocol: "dynamodb",
      db_name: "",
      db_user: "arn:aws:iam::123456789012:role/ExampleRole",
      db_uri: "dynamodb.us-east-1.amazonaws.com:443",
      target: "DynamoDB_20120810.GetItem",
      method: "POST",
      path: "/",
      body: { TableName: "orders", Key: { id: { S: "h:0123456789abcdef" } } },
      decision: { id: "decision-1", allow: true, reasons: [], roles: ["dev"], revision: "revision-1", eval_us: 12 },
      status_code: 200,
      aws_request_id: "AWS-1",
      latency_us: 1234,
      response: { items: 1, consumed_capacity: 0.5, error: null },
      outcome: "completed",
    });
    await recorder.close();
  });

  it("begins every line with event, code, time and ends it with the chain's fields", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    const session = newSession();
    await Promise.all([
      recorder.record(START),
      recorder.record({ event: "db.session.start", code: "TDB00I", session, error: null }),
      recorder.record({ event: "db.session.dynamodb.request", ...newFacts(session), ...COMPLETED, outcome: "denied" }),
      recorder.record({ event: "db.session.end", code: "TDB01I", session, session_start: "a", session_stop: "b" }),
    ]);
    await recorder.close();
    const [name = ""] = logFilesIn(directory);
    for (const line of readFileSync(join(directory, name), "utf8").trimEnd().split("\n")) {
      assert.deepEqual(Object.keys(JSON.parse(line) as object).slice(0, 5), ["event", "code", "time", "uid", "ei"]);
      assert.match(line, CHAIN);
    }
    assert.deepEqual(
      linesIn(directory).map((line) => line["ei"]),
      [0, 0, 1, 2],
    );
  });

  it("writes what one turn of the loop queues in one write", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    const requests = await Promise.all(Array.from({ length: 16 }, () => recorder.begin(newFacts())));
    assert.equal(recorder.stats().writes, 1);
    await Promise.all(requests.map((request) => recorder.finish(request, COMPLETED)));
    assert.deepEqual([recorder.stats().writes, recorder.stats().lines, recorder.stats().openRequests], [2, 32, 0]);
    await recorder.close();
  });

  it("says TDY01E of what was denied, rejected or failed, and TDY01I of what DynamoDB answered", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    const ends = [
      ["completed", 400, "TDY01I"],
      ["aborted", 200, "TDY01I"],
      ["aborted", 0, "TDY01E"],
      ["denied", 400, "TDY01E"],
      ["rejected", 400, "TDY01E"],
      ["failed", 503, "TDY01E"],
    ] as const;
    for (const [outcome, status_code] of ends) {
      await recorder.record({
        event: "db.session.dynamodb.request",
        ...newFacts(),
        ...COMPLETED,
        outcome,
        status_code,
      });
    }
    await recorder.close();
    assert.deepEqual(
      linesIn(directory).map((line) => line.code),
      ends.map(([, , code]) => code),
    );
  });

  it("keeps its directory and files to this user, even where the directory was open to others", async (t) => {
    const directory = join(temporaryDirectory(t), "audit");
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    const recorder = await openRecorder(directory);
    await recorder.record(START);
    await recorder.close();
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const name of [...logFilesIn(directory), "main.head.json", "main.reserve"]) {
      assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
    }
  });

  it("goes on with the chain across rotation and restart", async (t) => {
    const directory = temporaryDirectory(t);
    for (let run = 0; run < 3; run++) {
      const recorder = await openRecorder(directory, { maxFileBytes: 1500 });
      for (let at = 0; at < 5; at++) await recorder.record(START);
      await recorder.close();
    }
    assert.ok(logFilesIn(directory).length > 2);
    assert.deepEqual(
      linesIn(directory).map((line) => line.seq),
      Array.from({ length: 15 }, (_, at) => at + 1),
    );
    assert.deepEqual((await verifyAudit(directory)).findings, []);
  });

  it("refuses a second writer of a stream, and takes over the lock of a process that is gone", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    await assert.rejects(openRecorder(directory), { code: "audit_locked" });
    const other = await openRecorder(directory, { stream: "worker-1" });
    await other.close();
    await recorder.close();
    writeFileSync(join(directory, "main.lock"), JSON.stringify({ pid: 2 ** 30, started: null }));
    await (await openRecorder(directory)).close();
  });

  it("refuses a stream whose name could leave the directory", async (t) => {
    await assert.rejects(openRecorder(temporaryDirectory(t), { stream: "../x" }), { code: "audit_stream_invalid" });
  });

  it("says audit_unavailable when its directory cannot be made", async (t) => {
    const directory = join(temporaryDirectory(t), "file");
    writeFileSync(directory, "");
    await assert.rejects(openRecorder(directory), { code: "audit_unavailable" });
  });

  it("rejects what exceeds the queue, at once and only that", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory, { maxQueue: 2 });
    const results = await Promise.allSettled([recorder.record(START), recorder.record(START), recorder.record(START)]);
    assert.deepEqual(
      results.map((result) => result.status),
      ["fulfilled", "fulfilled", "rejected"],
    );
    assert.equal(linesIn(directory).length, 2);
    await recorder.close();
  });

  it("takes the outcome of a request whatever the queue holds", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory, { maxQueue: 1 });
    const request = await recorder.begin(newFacts());
    await Promise.all([recorder.record(START), recorder.finish(request, COMPLETED)]);
    assert.equal(linesIn(directory).length, 3);
    await recorder.close();
  });

  it("bounds the requests under way", async (t) => {
    const recorder = await openRecorder(temporaryDirectory(t), { maxOpen: 1 });
    await recorder.begin(newFacts());
    await assert.rejects(recorder.begin(newFacts()), { code: "audit_unavailable" });
    await recorder.close();
  });

  it("refuses to finish a request twice, or one that never began", async (t) => {
    const recorder = await openRecorder(temporaryDirectory(t));
    const request = await recorder.begin(newFacts());
    const [first, second] = await Promise.allSettled([
      recorder.finish(request, COMPLETED),
      recorder.finish(request, COMPLETED),
    ]);
    assert.deepEqual([first.status, second.status], ["fulfilled", "rejected"]);
    const other = await openRecorder(temporaryDirectory(t));
    const nobodys = await other.begin(newFacts());
    await assert.rejects(recorder.finish(nobodys, COMPLETED), { code: "audit_intent_unknown" });
    await recorder.close();
    await other.close();
  });

  it("refuses records after close()", async (t) => {
    const recorder = await openRecorder(temporaryDirectory(t));
    await recorder.close();
    await assert.rejects(recorder.record(START), { code: "audit_unavailable" });
    assert.equal(recorder.healthy, false);
    await recorder.close();
  });

  it("leaves out a body that is too long, and says how long it was", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    await recorder.begin({ ...newFacts(), body: { TableName: "x".repeat(70_000) } });
    await recorder.close();
    assert.deepEqual(linesIn(directory)[0]?.["body"], { omitted: "longer than 65536 characters", characters: 70_016 });
  });

  it("rejects an event too long for a line instead of tearing it", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    await assert.rejects(recorder.record({ ...START, version: "x".repeat(400_000) }), { code: "audit_unavailable" });
    await recorder.record(START);
    await recorder.close();
    assert.equal(linesIn(directory).length, 1);
  });

  it("keeps text of any script, and lone surrogates, verifiable", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    await recorder.record({ ...START, version: "größer 漢字 🚪 \ud800 \u0000\n" });
    await recorder.close();
    assert.equal(linesIn(directory)[0]?.["version"], "größer 漢字 🚪 \ud800 \u0000\n");
    assert.deepEqual((await verifyAudit(directory)).findings, []);
  });
});

for (const fsync of ["batch", "always"] as const) {
  for (const disk of ["fast", "slow"] as const) {
    describe(`Recorder with fsync: ${fsync} on a ${disk} disk`, () => {
      it("acknowledges only what is in the file, in an unbroken chain", async (t) => {
        const directory = temporaryDirectory(t);
        const clock = new ManualClock();
        // Every write seems to take an hour, so that all but the first go through the thread pool.
        const monotonic = (): number =>
          disk === "slow" ? (clock.advance(3_600_000), clock.monotonic()) : clock.monotonic();
        const recorder = await openRecorder(directory, { fsync, clock: { now: () => clock.now(), monotonic } });
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let at = 0; at < 10; at++) {
              const request = await recorder.begin(newFacts());
              assert.ok(linesIn(directory).some(({ uid }) => uid === request.uid));
              await recorder.finish(request, COMPLETED);
            }
          }),
        );
        await recorder.close();
        assert.equal(linesIn(directory).length, 160);
        assert.deepEqual((await verifyAudit(directory)).findings, []);
      });
    });
  }
}

describe("Recorder when the log cannot be written", () => {
  it("rejects, says so once, recovers by itself, and records for how long and how many", async (t) => {
    const directory = temporaryDirectory(t);
    const clock = new ManualClock();
    const told: unknown[] = [];
    const recorder = await openRecorder(directory, {
      clock,
      maxFileBytes: 1,
      onFault: (error) => told.push(error.code),
      onRecovered: (faultedMs) => told.push(faultedMs),
    });
    await recorder.record(START);
    const obstacle = join(directory, "main-000000000002.jsonl");
    mkdirSync(obstacle);
    await assert.rejects(recorder.record(START), { code: "audit_unavailable" });
    await assert.rejects(recorder.begin(newFacts()), { code: "audit_unavailable" });
    assert.deepEqual([recorder.healthy, recorder.stats().openRequests, told], [false, 0, ["audit_unavailable"]]);
    rmdirSync(obstacle);
    clock.advance(5000);
    await recorder.record(START);
    assert.equal(recorder.healthy, true);
    await recorder.close();
    assert.deepEqual(told, ["audit_unavailable", 5000]);
    const [, recovered] = linesIn(directory);
    assert.deepEqual(
      [recovered?.event, recovered?.["faulted_ms"], recovered?.["rejected_count"], recovered?.["faulted_at"]],
      ["postern.audit.recovered", 5000, 2, "2026-11-22T14:00:00.000Z"],
    );
    assert.equal(linesIn(directory).length, 3);
    assert.deepEqual((await verifyAudit(directory)).findings, []);
  });

  it("writes the outcome that it could not write then when it recovers", async (t) => {
    const directory = temporaryDirectory(t);
    const clock = new ManualClock();
    const recorder = await openRecorder(directory, { clock, maxFileBytes: 1 });
    const request = await recorder.begin(newFacts());
    const obstacle = join(directory, "main-000000000002.jsonl");
    mkdirSync(obstacle);
    await assert.rejects(recorder.finish(request, COMPLETED), { code: "audit_unavailable" });
    rmdirSync(obstacle);
    clock.advance(5000);
    await recorder.record(START);
    await recorder.close();
    assert.deepEqual(
      linesIn(directory).map((line) => [line.event, line["outcome"]]),
      [
        ["db.session.dynamodb.intent", undefined],
        ["postern.audit.recovered", undefined],
        ["db.session.dynamodb.request", "completed"],
        ["postern.service.start", undefined],
      ],
    );
  });

  it("best_effort acknowledges at once, drops the oldest at the bound, and counts what it dropped", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory, { mode: "best_effort", maxQueue: 3 });
    await Promise.all(["1", "2", "3", "4", "5"].map((version) => recorder.record({ ...START, version })));
    assert.equal(recorder.queueLength, 3);
    await recorder.close();
    assert.deepEqual(
      linesIn(directory).map((line) => line["version"] ?? line["dropped_count"]),
      ["3", "4", "5", 2],
    );
    assert.equal(recorder.stats().dropped, 2);
  });

  it("best_effort keeps what waits through a fault", async (t) => {
    const directory = temporaryDirectory(t);
    const clock = new ManualClock();
    const recorder = await openRecorder(directory, { clock, mode: "best_effort", maxFileBytes: 1 });
    const obstacle = join(directory, "main-000000000001.jsonl");
    mkdirSync(obstacle);
    await recorder.record({ ...START, version: "1" });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(recorder.healthy, false);
    rmdirSync(obstacle);
    clock.advance(5000);
    await recorder.record({ ...START, version: "2" });
    await new Promise((resolve) => setImmediate(resolve));
    await recorder.close();
    assert.deepEqual(
      linesIn(directory).map((line) => line["version"] ?? line.event),
      ["postern.audit.recovered", "1", "2"],
    );
  });
});
