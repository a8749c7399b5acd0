import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settleStreams } from "../../../src/audit/settle.ts";
import { linesIn, ManualClock, newFacts, openRecorder, temporaryDirectory } from "./support.ts";

describe("settleStreams()", () => {
  it("gives intents in streams without a writer their events, and leaves streams in use and settled ones alone", async (t) => {
    const directory = temporaryDirectory(t);
    for (const stream of ["worker-1", "worker-2"]) {
      const gone = await openRecorder(directory, { stream });
      if (stream === "worker-2") await gone.begin(newFacts());
      await gone.close();
    }
    const live = await openRecorder(directory, { stream: "worker-3" });
    await live.begin(newFacts());
    const options = { directory, mode: "strict", fsync: "batch", clock: new ManualClock() } as const;
    assert.deepEqual(await settleStreams(options), ["worker-2"]);
    assert.deepEqual(await settleStreams(options), []);
    await live.close();
    const unknown = linesIn(directory).filter((line) => line["outcome"] === "unknown");
    assert.equal(unknown.length, 1);
  });
});
