import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../../../src/cli/write-file.ts", import.meta.url));
const skip =
  spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0 ? false : "strace is not installed, or may not look";

it("a file that a command writes is on the disk before it takes the place of another", { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-written-"));
  const trace = join(directory, "trace");
  const script = `const { writeWhole } = await import(${JSON.stringify(SOURCE)});
for (const force of [false, true]) writeWhole(${JSON.stringify(join(directory, "a.yaml"))}, "one", { mode: 0o600, force });`;
  try {
    const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e", script];
    const ran = spawnSync("strace", [
      "-f",
      "-y",
      "-e",
      "trace=fsync,link,linkat,rename,renameat,renameat2",
      "-o",
      trace,
      ...node,
    ]);
    assert.equal(ran.status, 0, String(ran.stderr));
    const calls = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => line.includes("a.yaml") || line.includes(`<${directory}>)`));
    const names = calls.map((line) => /(fsync|link|rename)(?:at2?)?\(/.exec(line)?.[1]);
    assert.deepEqual(names, ["fsync", "link", "fsync", "fsync", "rename", "fsync"], calls.join("\n"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
