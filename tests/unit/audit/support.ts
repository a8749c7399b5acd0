/** What the tests of the audit room share: places, clocks, and one request. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";
import type { RequestFacts, RequestOutcome } from "../../../src/audit/event.ts";
import { Recorder, type RecorderOptions } from "../../../src/audit/recorder.ts";
import type { AuditRecord } from "../../../src/audit/search.ts";
import { AuditSession } from "../../../src/audit/session.ts";
import type { Clock } from "../../../src/base/clock.ts";

/** A clock that stands until it is moved. */
export class ManualClock implements Clock {
  #now: number = Date.UTC(2026, 10, 22, 14);

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

/** A directory that is gone after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-audit-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A strict recorder on a standing clock, with what the test wants otherwise. */
export function openRecorder(directory: string, options: Partial<RecorderOptions> = {}): Promise<Recorder> {
  return Recorder.open({ directory, mode: "strict", fsync: "batch", clock: new ManualClock(), ...options });
}

export function newSession(): AuditSession {
  return new AuditSession({
    sid: "session-1",
    user: "alice",
    db_service: "example-dynamodb",
    db_protocol: "dynamodb",
    db_name: "",
    db_user: "arn:aws:iam::123456789012:role/ExampleRole",
    db_uri: "dynamodb.us-east-1.amazonaws.com:443",
  });
}

/** An allowed GetItem. */
export function newFacts(session: AuditSession = newSession()): RequestFacts {
  return {
    session,
    target: "DynamoDB_20120810.GetItem",
    method: "POST",
    path: "/",
    body: { TableName: "orders", Key: { id: { S: "h:0123456789abcdef" } } },
    decision: { id: "decision-1", allow: true, reasons: [], roles: ["dev"], revision: "revision-1", eval_us: 12 },
  };
}

export const COMPLETED: RequestOutcome = {
  outcome: "completed",
  status_code: 200,
  aws_request_id: "AWS-1",
  latency_us: 1234,
  response: { items: 1, consumed_capacity: 0.5, error: null },
};

/** Every line of every file, in the order of names. */
export function linesIn(directory: string): AuditRecord[] {
  return logFilesIn(directory).flatMap((name) =>
    readFileSync(join(directory, name), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as AuditRecord),
  );
}

export function logFilesIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".jsonl"))
    .sort();
}

/** The command line that runs a script beside this file, on the runtime of this process. */
export function scriptCommand(name: string, ...args: string[]): [string, string[]] {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const runner = process.versions["deno"] === undefined ? ["--import", "tsx"] : ["run", "-A"];
  return [process.execPath, [...runner, path, ...args]];
}
