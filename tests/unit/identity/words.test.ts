import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDuration, parseInstant } from "../../../src/identity/duration.ts";
import { nearMiss } from "../../../src/identity/near-miss.ts";
import { formatPath, parsePath } from "../../../src/identity/problem.ts";

describe("nearMiss()", () => {
  const words = ["static_labels", "databases", "db_users", "uri"];
  for (const [word, meant] of [
    ["static_lables", "static_labels"],
    ["static-labels", "static_labels"],
    ["Databases", "databases"],
    ["databse", "databases"],
    ["dbusers", "db_users"],
    ["url", "uri"],
    ["ur", undefined],
    ["xyz", undefined],
    ["something_else", undefined],
    ["s".repeat(100_000), undefined],
  ] as const) {
    it(`takes ${word.slice(0, 20)} for ${meant}`, () => assert.equal(nearMiss(word, words), meant));
  }

  it("prefers the nearest", () => assert.equal(nearMiss("tabels", ["tablets", "tables"]), "tables"));
});

describe("parseDuration()", () => {
  for (const [text, expected] of [
    ["8h", 28_800_000],
    ["1h30m", 5_400_000],
    ["30h0m0s", 108_000_000],
    ["1.5h", 5_400_000],
    ["250ms", 250],
    ["0s", undefined],
    ["8", undefined],
    ["", undefined],
    ["-1h", undefined],
    ["8x", undefined],
    ["9".repeat(60) + "h", undefined],
  ] as const) {
    it(`reads ${text.slice(0, 12) || "nothing"} as ${expected}`, () => assert.equal(parseDuration(text), expected));
  }
});

describe("parseInstant()", () => {
  it("reads RFC 3339 and nothing else", () => {
    assert.equal(parseInstant("2026-01-01T00:00:00Z"), Date.UTC(2026, 0, 1));
    assert.equal(parseInstant("2026-01-01T01:00:00.5+01:00"), Date.UTC(2026, 0, 1) + 500);
    for (const text of ["2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "now"])
      assert.equal(parseInstant(text), undefined);
  });
});

describe("formatPath()", () => {
  for (const path of [
    ["spec", "allow", "db_rules", 1, "actions", 0],
    ["spec", "allow", "db_labels", "a b", 0],
    ["a", 'q"uote]', "*"],
    [],
  ]) {
    const text = formatPath(path);
    it(`writes ${text || "the root"} so that parsePath() reads it back`, () => assert.deepEqual(parsePath(text), path));
  }

  it("is not fooled by what is no path", () => {
    for (const text of ["a b", "a[", 'a["x]', "a..b", "[1"]) assert.equal(parsePath(text), undefined);
  });
});
