import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { followAudit } from "../../../src/audit/follow.ts";
import { type AuditFilter, searchAudit } from "../../../src/audit/search.ts";
import { AuditSession } from "../../../src/audit/session.ts";
import { COMPLETED, ManualClock, newFacts, newSession, openRecorder, temporaryDirectory } from "./support.ts";

const START = Date.UTC(2026, 10, 22, 14);

describe("searchAudit()", () => {
  it("narrows by each member of the filter", async (t) => {
    const directory = await sampleLog(t);
    const versions = async (filter: AuditFilter): Promise<unknown[]> =>
      (await searchAudit(directory, filter, 100)).map((record) => record["path"] ?? record["version"]);
    assert.deepEqual(await versions({}), ["v0", "/1", "/2", "/3", "/4", "/4", "v5"]);
    assert.deepEqual(await versions({ withoutIntents: true }), ["v0", "/1", "/2", "/3", "/4", "v5"]);
    assert.deepEqual(await versions({ user: "bob" }), ["/2"]);
    assert.deepEqual(await versions({ event: "postern.service.start" }), ["v0", "v5"]);
    assert.deepEqual(await versions({ database: "other" }), ["/2"]);
    assert.deepEqual(await versions({ operation: "deletetable" }), ["/3"]);
    assert.deepEqual(await versions({ denied: true }), ["/3"]);
    assert.deepEqual(await versions({ since: START + 2000, until: START + 4000 }), ["/2", "/3"]);
  });

  it("keeps the newest, oldest first, across files and streams", async (t) => {
    const directory = await sampleLog(t);
    const other = await openRecorder(directory, { stream: "worker-1" });
    await other.record({ event: "postern.service.start", code: "PSV01I", service: "s", version: "worker" });
    await other.close();
    const found = await searchAudit(directory, {}, 3);
    assert.deepEqual(
      found.map((record) => record["version"] ?? record["path"]),
      ["/4", "/4", "v5"],
    );
    const first = (await searchAudit(directory, {}, 100)).slice(0, 2).map((record) => record["version"]);
    assert.deepEqual(new Set(first), new Set(["v0", "worker"]));
  });

  it("finds nothing where there is nothing", async (t) => {
    assert.deepEqual(await searchAudit(join(temporaryDirectory(t), "none"), {}, 10), []);
  });

  it("passes over lines that are not records", async (t) => {
    const directory = await sampleLog(t);
    appendFileSync(join(directory, "main-000000000001.jsonl"), 'not JSON\n[]\nnull\n{}\n{"half');
    assert.equal((await searchAudit(directory, {}, 100)).length, 7);
  });
});

describe("followAudit()", () => {
  it("yields what is written after the call, across rotation, and no half line", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory, { maxFileBytes: 600 });
    const record = (version: string): Promise<void> =>
      recorder.record({ event: "postern.service.start", code: "PSV01I", service: "s", version });
    await record("before");
    const turns = ["1", "2", "3", "4"];
    const wait = async (): Promise<boolean> => {
      const version = turns.shift();
      if (version !== undefined) await record(version);
      return version !== undefined;
    };
    const seen: unknown[] = [];
    for await (const line of followAudit(directory, { wait })) seen.push(line["version"]);
    assert.deepEqual(seen, ["1", "2", "3", "4"]);
    await recorder.close();
  });
});

/** Seven lines, a second apart, in several files. */
async function sampleLog(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t);
  const clock = new ManualClock();
  const recorder = await openRecorder(directory, { clock, maxFileBytes: 2500 });
  const session = newSession();
  const other = new AuditSession({ ...session.facts, user: "bob", db_service: "other" });
  const request = { event: "db.session.dynamodb.request", ...newFacts(session), ...COMPLETED } as const;
  const tick = (): void => clock.advance(1000);
  await recorder.record({ event: "postern.service.start", code: "PSV01I", service: "s", version: "v0" });
  tick();
  await recorder.record({ ...request, path: "/1" });
  tick();
  await recorder.record({ ...request, session: other, path: "/2" });
  tick();
  await recorder.record({ ...request, path: "/3", outcome: "denied", target: "DynamoDB_20120810.DeleteTable" });
  tick();
  await recorder.finish(await recorder.begin({ ...newFacts(session), path: "/4" }), COMPLETED);
  tick();
  await recorder.record({ event: "postern.service.start", code: "PSV01I", service: "s", version: "v5" });
  await recorder.close();
  return directory;
}
