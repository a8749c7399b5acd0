import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { verifyAudit } from "../../src/audit/verify.ts";
import {
  COMPLETED,
  logFilesIn,
  newFacts,
  newSession,
  openRecorder,
  temporaryDirectory,
} from "../unit/audit/support.ts";

/** A way to tamper with the files of a log; `pick(n)` is a number below n. Returns `false` when it changed nothing. */
type Tampering = (directory: string, files: readonly string[], pick: (below: number) => number) => boolean;

const TAMPERINGS: Readonly<Record<string, Tampering>> = {
  "a byte flipped": (directory, files, pick) =>
    edit(directory, files, pick, (bytes) => {
      const at = pick(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
      return bytes;
    }),
  "a byte removed": (directory, files, pick) =>
    edit(directory, files, pick, (bytes) => {
      const at = pick(bytes.length);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    }),
  "a line deleted": (directory, files, pick) =>
    editLines(directory, files, pick, (lines) => lines.toSpliced(pick(lines.length), 1)),
  "two lines swapped": (directory, files, pick) =>
    editLines(directory, files, pick, (lines) => {
      const [a, b] = [pick(lines.length), pick(lines.length)];
      return lines.with(a, lines[b] ?? "").with(b, lines[a] ?? "");
    }),
  "a line repeated": (directory, files, pick) =>
    editLines(directory, files, pick, (lines) =>
      lines.toSpliced(pick(lines.length + 1), 0, lines[pick(lines.length)] ?? ""),
    ),
  "a line of another place inserted": (directory, files, pick) =>
    editLines(directory, files, pick, (lines) =>
      lines.toSpliced(pick(lines.length + 1), 0, '{"event":"user.login","code":"T1000I"}'),
    ),
  "the end cut off": (directory, files, pick) => {
    const last = files.slice(-1);
    return edit(directory, last, pick, (bytes) => bytes.subarray(0, pick(bytes.length)));
  },
  "a file taken away": (directory, files, pick) => {
    rmSync(join(directory, files[pick(files.length)] ?? ""));
    return true;
  },
  "a file emptied": (directory, files, pick) => edit(directory, files, pick, () => Buffer.alloc(0)),
  "two files swapped": (directory, files, pick) => {
    const at = pick(files.length - 1);
    const [a, b] = [join(directory, files[at] ?? ""), join(directory, files[at + 1] ?? "")];
    const [first, second] = [readFileSync(a), readFileSync(b)];
    writeFileSync(a, second);
    writeFileSync(b, first);
    return true;
  },
  "all files taken away": (directory, files) => {
    for (const file of files) rmSync(join(directory, file));
    return true;
  },
};

const ROUNDS = 20;

describe("verifyAudit() finds every tampering of a log", () => {
  for (const [name, tamper] of Object.entries(TAMPERINGS)) {
    it(name, async (t) => {
      const { directory: sound, files } = await soundLog(t);
      assert.deepEqual((await verifyAudit(sound)).findings, []);
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const directory = temporaryDirectory(t);
        cpSync(sound, directory, { recursive: true });
        if (!tamper(directory, files, pickFrom(seed))) continue;
        const report = await verifyAudit(directory);
        assert.equal(report.ok, false, `seed ${seed}`);
        assert.equal(report.findingsTotal, report.findings.length);
      }
    });
  }

  it("names the file and the line of an altered value", async (t) => {
    const { directory, files } = await soundLog(t);
    const file = files[1] ?? "";
    const lines = readFileSync(join(directory, file), "utf8").split("\n");
    writeFileSync(join(directory, file), lines.with(1, (lines[1] ?? "").replace("alice", "mallo")).join("\n"));
    const { findings } = await verifyAudit(directory);
    assert.deepEqual(
      findings.map(({ kind, file: where, line }) => [kind, where, line]),
      [["altered", file, 2]],
    );
  });
});

/** A log of twenty requests over several files, ended in order. */
async function soundLog(t: TestContext): Promise<{ directory: string; files: string[] }> {
  const directory = temporaryDirectory(t);
  const recorder = await openRecorder(directory, { maxFileBytes: 8000 });
  const session = newSession();
  for (let at = 0; at < 20; at++) await recorder.finish(await recorder.begin(newFacts(session)), COMPLETED);
  await recorder.close();
  rmSync(join(directory, "main.reserve"));
  const files = logFilesIn(directory);
  assert.ok(files.length >= 4);
  return { directory, files };
}

function edit(
  directory: string,
  files: readonly string[],
  pick: (below: number) => number,
  change: (bytes: Buffer) => Buffer,
): boolean {
  const path = join(directory, files[pick(files.length)] ?? "");
  const before = readFileSync(path);
  const after = change(Buffer.from(before));
  writeFileSync(path, after);
  return !before.equals(after);
}

function editLines(
  directory: string,
  files: readonly string[],
  pick: (below: number) => number,
  change: (lines: string[]) => string[],
): boolean {
  return edit(directory, files, pick, (bytes) => {
    const lines = bytes.toString("utf8").split("\n").slice(0, -1);
    return Buffer.from(
      change(lines)
        .map((line) => `${line}\n`)
        .join(""),
    );
  });
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
function pickFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
