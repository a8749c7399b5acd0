/** A process that records requests as fast as it can and prints each acknowledged line's uid, until it is killed. */

import { writeSync } from "node:fs";
import process from "node:process";
import { Recorder } from "../../../src/audit/recorder.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { COMPLETED, newFacts, newSession } from "./support.ts";

const [directory = "", maxFileBytes = "1000000"] = process.argv.slice(2);
const recorder = await Recorder.open({
  directory,
  mode: "strict",
  fsync: "batch",
  clock: systemClock,
  maxFileBytes: Number(maxFileBytes),
});
const session = newSession();
await Promise.all(Array.from({ length: 8 }, client));

async function client(): Promise<void> {
  for (;;) {
    try {
      const request = await recorder.begin(newFacts(session));
      writeSync(1, `begun ${request.uid}\n`);
      await recorder.finish(request, COMPLETED);
      writeSync(1, `done ${request.uid}\n`);
    } catch (error) {
      writeSync(1, `refused ${(error as { code?: string }).code ?? "?"}\n`);
      return;
    }
  }
}
