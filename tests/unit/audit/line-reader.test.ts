import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MAX_LINE_BYTES, readLines } from "../../../src/audit/line-reader.ts";
import { temporaryDirectory } from "./support.ts";

describe("readLines()", () => {
  it("gives every line its bytes, number and offset, whatever chunks they fall into", async (t) => {
    const lines = Array.from({ length: 3000 }, (_, at) => "x".repeat((at * 7919) % 700) + String(at));
    const path = write(temporaryDirectory(t), `${lines.join("\n")}\n`);
    let offset = 0;
    let at = 0;
    for await (const batch of readLines(path)) {
      for (const line of batch) {
        assert.deepEqual(
          [line.bytes.toString(), line.number, line.offset, line.complete],
          [lines[at], at + 1, offset, true],
        );
        offset += line.bytes.length + 1;
        at += 1;
      }
    }
    assert.equal(at, 3000);
  });

  it("gives a line without a newline as incomplete, and starts where it is told", async (t) => {
    const path = write(temporaryDirectory(t), "one\ntwo\nthr");
    assert.deepEqual(await readAll(path, 4), [
      ["two", true, 4],
      ["thr", false, 8],
    ]);
  });

  it("cuts a line over the bound and goes on after it", async (t) => {
    const path = write(temporaryDirectory(t), `${"x".repeat(3 * MAX_LINE_BYTES)}\nafter\n`);
    const lines: [boolean, number][] = [];
    for await (const batch of readLines(path)) for (const line of batch) lines.push([line.oversize, line.number]);
    assert.deepEqual(lines, [
      [true, 1],
      [false, 2],
    ]);
    assert.deepEqual((await readAll(path, 0)).at(-1), ["after", true, 3 * MAX_LINE_BYTES + 1]);
  });

  it("finds no lines in a file that does not exist", async (t) => {
    assert.deepEqual(await readAll(join(temporaryDirectory(t), "none"), 0), []);
  });
});

function write(directory: string, text: string): string {
  const path = join(directory, "file");
  writeFileSync(path, text);
  return path;
}

async function readAll(path: string, start: number): Promise<[string, boolean, number][]> {
  const all: [string, boolean, number][] = [];
  for await (const batch of readLines(path, start))
    for (const line of batch) all.push([line.bytes.toString(), line.complete, line.offset]);
  return all;
}
