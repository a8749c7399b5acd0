import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { verifyAudit } from "../../src/audit/verify.ts";
import { linesIn, openRecorder, scriptCommand, temporaryDirectory } from "../unit/audit/support.ts";

describe("A recorder that is killed with SIGKILL", () => {
  it("has every acknowledged line on record, in a chain that holds, and settles the rest at the next start", async (t) => {
    const directory = temporaryDirectory(t);
    const acknowledged = new Set<string>();
    // Three lives, so that the second and third begin where a kill left off; small files, so that it falls on rotations.
    for (let life = 1; life <= 3; life++) {
      // Acknowledgements go to a file, which takes them however slowly this process reads.
      const path = join(temporaryDirectory(t), "acknowledged");
      const file = openSync(path, "w");
      const [command, args] = scriptCommand("crash-writer.ts", directory, "20000");
      const child = spawn(command, args, { stdio: ["ignore", file, "inherit"] });
      closeSync(file);
      const ended = once(child, "close");
      while (statSync(path).size < 20_000 && child.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGKILL");
      await ended;
      const output = readFileSync(path, "utf8");
      assert.equal(child.signalCode, "SIGKILL", output.slice(-200));
      for (const line of output.split("\n").slice(0, -1)) acknowledged.add(line);
    }
    assert.ok(acknowledged.size > 900);
    const crashed = await verifyAudit(directory);
    assert.deepEqual(crashed.findings, []);
    await (await openRecorder(directory)).close();
    const report = await verifyAudit(directory);
    assert.deepEqual(report.findings, []);

    const begun = new Set<string>();
    const done = new Map<string, unknown>();
    for (const line of linesIn(directory)) {
      if (line.event === "db.session.dynamodb.intent") begun.add(line.uid);
      if (line.event !== "db.session.dynamodb.request") continue;
      assert.ok(begun.has(line.uid), "an event follows its intent");
      assert.equal(done.has(line.uid), false, "an intent has one event");
      done.set(line.uid, line["outcome"]);
    }
    for (const line of acknowledged) {
      const [word, uid = ""] = line.split(" ");
      if (word === "begun") assert.ok(begun.has(uid), line);
      if (word === "done") assert.equal(done.get(uid), "completed", line);
    }
    assert.equal(done.size, begun.size, "no intent is left without an event");
  });
});
