import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const TESTS = fileURLToPath(new URL("..", import.meta.url));
const ADR = fileURLToPath(new URL("../../docs/adr/0017-pitfalls-that-cannot-apply.md", import.meta.url));
/** Known ways round a gateway in front of DynamoDB, by number; docs/explanation/evidence.md has a line for each. */
const PITFALLS = 62;

/** Numbers in `pitfall 5` and `pitfalls 1, 2 and 5`. */
function numbersIn(text: string): number[] {
  return [...text.matchAll(/pitfalls? ((?:\d+(?:, | and )?)+)/g)].flatMap(([, list = ""]) =>
    [...list.matchAll(/\d+/g)].map(Number),
  );
}

function namesOfTests(): string[] {
  return (readdirSync(TESTS, { recursive: true }) as string[])
    .filter((file) => file.endsWith(".test.ts") && !file.endsWith("pitfalls.test.ts"))
    .flatMap((file) =>
      [...readFileSync(join(TESTS, file), "utf8").matchAll(/\b(?:it|describe|test|refuses)\(\s*["'`]([^\n]*)/g)].map(
        ([, name = ""]) => name,
      ),
    );
}

describe("the known pitfalls", () => {
  it("each have a test named after them, or a reason why they cannot apply", () => {
    const tested = new Set(namesOfTests().flatMap(numbersIn));
    const excused = new Set(numbersIn(readFileSync(ADR, "utf8")));
    const open = Array.from({ length: PITFALLS }, (_, at) => at + 1).filter(
      (number) => !tested.has(number) && !excused.has(number),
    );
    assert.deepEqual(open, []);
    assert.deepEqual(
      [...excused].filter((number) => tested.has(number)),
      [],
      "excused, though tested",
    );
  });
});
