import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { COMPLETED, newFacts, openRecorder, temporaryDirectory } from "../unit/audit/support.ts";

const SECRET = "wJalrXUtnFEMI/K7MDENG";

describe("The audit log", () => {
  it("holds no value that stands under a known secret's name, whatever event carries it", async (t) => {
    const directory = temporaryDirectory(t);
    const crashed = await openRecorder(directory, { stream: "worker-1" });
    const facts = {
      ...newFacts(),
      body: { TableName: "orders", nested: [{ "X-Amz-Security-Token": SECRET }], secretAccessKey: SECRET },
    };
    await crashed.begin(facts);
    await crashed.close();
    // Opened again, it writes the intent's event from what the intent said.
    await (await openRecorder(directory, { stream: "worker-1" })).close();
    const recorder = await openRecorder(directory);
    await recorder.finish(await recorder.begin(facts), COMPLETED);
    await recorder.record({ event: "db.session.dynamodb.request", ...facts, ...COMPLETED, outcome: "denied" });
    const leak = {
      event: "postern.policy.refused",
      code: "PPO01E",
      revision: "r",
      source: "s",
      reason: "r",
      Authorization: SECRET,
    } as const;
    await recorder.record(leak);
    await recorder.close();
    for (const name of readdirSync(directory)) {
      assert.equal(readFileSync(join(directory, name), "utf8").includes(SECRET), false, name);
    }
  });
});
