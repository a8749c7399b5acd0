import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { makePrivateDirectory } from "../../../src/base/private-directory.ts";

const MODULE = fileURLToPath(new URL("../../../src/base/private-directory.ts", import.meta.url));

describe("makePrivateDirectory()", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "postern-private-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("makes all that is missing, for this user alone, and leaves what is there", () => {
    chmodSync(directory, 0o755);
    makePrivateDirectory(join(directory, "a", "b"));
    makePrivateDirectory(join(directory, "a", "b"));
    const modes = [directory, join(directory, "a"), join(directory, "a", "b")].map(
      (path) => statSync(path).mode & 0o777,
    );
    assert.deepEqual(modes, [0o755, 0o700, 0o700]);
  });

  it("says why where a file stands in the way", () => {
    writeFileSync(join(directory, "file"), "");
    assert.throws(() => makePrivateDirectory(join(directory, "file")), { code: "EEXIST" });
    assert.throws(() => makePrivateDirectory(join(directory, "file", "below")), { code: "ENOTDIR" });
  });

  it("gives up below a directory in which the system lets none be made", () => {
    // In a process of its own, since the fault is to ask for ever.
    const script = `import { makePrivateDirectory } from ${JSON.stringify(MODULE)};
      try { makePrivateDirectory("/proc/postern/data"); } catch (error) { process.stdout.write(error.code); }`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", script];
    assert.equal(execFileSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 }), "ENOENT");
  });
});
