import assert from "node:assert/strict";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { lockStream } from "../../../src/audit/lock.ts";
import { temporaryDirectory } from "./support.ts";

describe("lockStream()", () => {
  it("leaves a lock alone that another process has made and not filled yet", (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "ctl.lock"), "");
    assert.throws(() => lockStream(directory, "ctl"), { code: "audit_locked" });
  });

  it("takes over one whose writer died before it filled it", (t) => {
    const directory = temporaryDirectory(t);
    const path = join(directory, "ctl.lock");
    writeFileSync(path, "");
    const then = Date.now() / 1000 - 60;
    utimesSync(path, then, then);
    lockStream(directory, "ctl")();
  });
});
