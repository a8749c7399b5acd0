import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DocumentPath } from "../../../src/identity/problem.ts";
import { parseYaml, positionIn, type YamlDocument } from "../../../src/config/yaml.ts";

describe("parseYaml()", () => {
  it("reads YAML 1.2: yes is a text, dates are texts, keys are texts", () => {
    assert.deepEqual(valuesOf("enabled: yes\ndate: 2026-01-01\n010: b\n"), [
      { enabled: "yes", date: "2026-01-01", "010": "b" },
    ]);
  });

  it("reads JSON, carriage returns and a byte order mark", () => {
    assert.deepEqual(valuesOf('{"a":\t[1, true, null]}'), [{ a: [1, true, null] }]);
    assert.deepEqual(valuesOf("\ufeffa: 1\r\nb: 2\r\n"), [{ a: 1, b: 2 }]);
  });

  it("reads many documents, and the empty ones as null", () => {
    assert.deepEqual(valuesOf("# c\n---\na: 1\n---\n---\nb: 2\n...\n"), [{ a: 1 }, null, { b: 2 }]);
  });

  it("lets an alias stand for its anchor", () => {
    assert.deepEqual(valuesOf("a: &x [1]\nb: *x\n"), [{ a: [1], b: [1] }]);
  });

  for (const [what, text, line, column, message] of [
    ["a key that stands twice", "a: 1\nb: {c: 1,\n    c: 2}", 3, 5, /"c" stands twice/],
    ["a tab as indentation", "a:\n\t- x", 2, 1, /tab/],
    ["a key that is a list", "? [a]\n: b", 1, 3, /key is not a plain text/],
    ["a key that is an alias", "a: &x y\n*x : 1", 2, 1, /key is not a plain text/],
    ["an unknown tag", "a: !foo x", 1, 4, /tag/],
    ["binary data", "a: !!binary x", 1, 4, /tag/],
    ["an alias of nothing", "a: *y", 1, 4, /"y" names no anchor/],
    ["an anchor that stands twice", "a: &x 1\nb: &x 2", 2, 7, /"x" stands twice/],
    ["an alias within its own anchor", "a: &x {q: *x}", 1, 7, /nested deeper/],
    ["a list that does not end", "a: [1, 2", 1, 9, /Cannot read it as YAML/],
    ["a control character", "a: 1\nb: x\u0000y", 2, 5, /control character \(U\+0000\)/],
    ["a key __proto__", "a: {__proto__: 1}", 1, 5, /not allowed/],
    ["nesting without end", "[".repeat(50_000), 1, undefined, /nested/],
    ["nesting beyond the bound", `a: ${"[".repeat(40)}${"]".repeat(40)}`, 1, undefined, /nested deeper than 32/],
  ] as const) {
    it(`refuses ${what}, with its place`, () => {
      const [problem] = [...parseYaml(text, "f.yaml")].flatMap(({ problems }) => problems);
      assert.equal(problem?.file, "f.yaml");
      assert.equal(problem.line, line);
      if (column !== undefined) assert.equal(problem.column, column);
      assert.match(problem.message, message);
    });
  }

  it("refuses aliases that stand for too much, in little time", () => {
    const lines = [..."abcdefghij"].map((name, at) =>
      at === 0
        ? "a: &a [x,x,x,x,x,x,x,x,x]"
        : `${name}: &${name} [${Array(9)
            .fill(`*${"abcdefghij"[at - 1]}`)
            .join(",")}]`,
    );
    const problems = [...parseYaml(lines.join("\n"), "f")].flatMap((document) => document.problems);
    assert.deepEqual(
      problems.map(({ message }) => message),
      ["Aliases stand for more than 10000 values"],
    );
  });
});

describe("positionOf()", () => {
  const text = "# one\na:\n  - x\n  - {c: 'é', d: y}\n--- # two\n# here\nb:\n  c:\ne: 1\n";
  for (const [index, path, at, line, column] of [
    [0, [], undefined, 2, 1],
    [0, ["a", 0], undefined, 3, 5],
    [0, ["a", 1, "d"], undefined, 4, 17],
    [0, ["a", 1, "d"], "key", 4, 14],
    [0, ["a", 7, "z"], undefined, 3, 3],
    [1, ["b"], "key", 7, 1],
    [1, ["b", "c"], undefined, 8, 3],
    [1, ["b", "c", "missing"], undefined, 8, 3],
    [1, ["e"], undefined, 9, 4],
    [1, ["zz"], undefined, 7, 1],
  ] as const) {
    it(`finds document ${index} ${JSON.stringify(path)}${at === undefined ? "" : " (key)"} at ${line}:${column}, at once and later`, () => {
      const document = [...parseYaml(text, "f.yaml")][index] as YamlDocument;
      const expected = { file: "f.yaml", line, column };
      assert.deepEqual(document.positionOf(path as DocumentPath, at), expected);
      assert.deepEqual(positionIn(document.place, path as DocumentPath, at), expected);
    });
  }
});

function valuesOf(text: string): unknown[] {
  return [...parseYaml(text, "f.yaml")].map(({ value, problems }) => {
    assert.deepEqual(problems, []);
    return value;
  });
}
