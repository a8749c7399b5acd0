import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { searchAudit } from "../../src/audit/search.ts";
import { verifyAudit } from "../../src/audit/verify.ts";
import {
  COMPLETED,
  linesIn,
  ManualClock,
  newFacts,
  openRecorder,
  scriptCommand,
  temporaryDirectory,
} from "../unit/audit/support.ts";

const START = { event: "postern.service.start", code: "PSV01I", service: "db_service", version: "1" } as const;

describe("A recorder on a full disk", () => {
  it("refuses new intents, still records the outcomes of what was sent, and recovers when there is space", async (t) => {
    const mount = join(temporaryDirectory(t), "disk");
    const unmount = mountSmallDisk(mount);
    if (unmount === undefined) {
      t.skip("mounting a small tmpfs needs root on Linux");
      return;
    }
    try {
      const clock = new ManualClock();
      const faults: string[] = [];
      const directory = join(mount, "audit");
      const recorder = await openRecorder(directory, { clock, onFault: (error) => faults.push(error.code) });
      const requests = await Promise.all(Array.from({ length: 16 }, () => recorder.begin(newFacts())));
      fill(join(mount, "ballast"));
      let refused: unknown;
      for (let at = 0; at < 20 && refused === undefined; at++)
        refused = await recorder.begin(newFacts()).catch((error) => error);
      assert.equal((refused as { code?: string }).code ?? "accepted", "audit_unavailable");
      assert.deepEqual([recorder.healthy, faults], [false, ["audit_unavailable"]]);
      for (const request of requests) await recorder.finish(request, COMPLETED);
      clock.advance(1000);
      await assert.rejects(
        recorder.record(START),
        { code: "audit_unavailable" },
        "the space for outcomes is not for others",
      );
      assert.deepEqual((await verifyAudit(directory)).findings, []);

      rmSync(join(mount, "ballast"));
      clock.advance(1000);
      await recorder.record(START);
      assert.deepEqual([recorder.healthy, existsSync(join(directory, "main.reserve"))], [true, true]);
      await recorder.close();
      assert.deepEqual((await verifyAudit(directory)).findings, []);
      const [recovered] = await searchAudit(directory, { event: "postern.audit.recovered" }, 10);
      assert.equal(recovered?.["faulted_ms"], 2000);
      assert.match(String(recovered["reason"]), /ENOSPC|No space/);
      const completed = linesIn(directory).filter((line) => line["outcome"] === "completed");
      assert.deepEqual(completed.map((line) => line.uid).sort(), requests.map(({ uid }) => uid).sort());
    } finally {
      unmount();
    }
  });

  it("leaves whole lines only when a write breaks off in the middle of a batch", async (t) => {
    const directory = temporaryDirectory(t);
    const [command, args] = scriptCommand("crash-writer.ts", directory);
    // A limit on file size stops a write half-way, as a full disk does, and needs no rights.
    const limited = ["-c", 'trap "" XFSZ && ulimit -f 40 && exec "$0" "$@"', command, ...args];
    const child = spawn("sh", limited, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, TSX_DISABLE_CACHE: "1" },
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    await once(child, "close");
    assert.deepEqual([child.exitCode, child.signalCode], [0, null]);
    assert.match(output, /refused audit_unavailable/);
    assert.deepEqual((await verifyAudit(directory)).findings, []);
    const uids = new Set(linesIn(directory).map((line) => line.uid));
    for (const [, uid = ""] of output.matchAll(/^(?:begun|done) (\S+)$/gm)) assert.ok(uids.has(uid));
  });
});

/** Mounts one mebibyte of memory as a disk; returns how to unmount it, or `undefined` where that is not allowed. */
function mountSmallDisk(path: string): (() => void) | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return () => void execFileSync("umount", ["-l", path]);
}

function fill(path: string): void {
  for (const size of [4096, 512]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
}
