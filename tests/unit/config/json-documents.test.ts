import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Composer, LineCounter, Parser, type Document } from "yaml";
import { jsonDocuments } from "../../../src/config/json-documents.ts";
import { parseYaml, positionIn } from "../../../src/config/yaml.ts";
import { valueOf, type Fault } from "../../../src/config/yaml-value.ts";

describe("jsonDocuments()", () => {
  it("reads what YAML's parser reads, on 2,000 made-up texts", () => {
    const random = seeded(20_261_126);
    let plain = 0;
    for (let round = 0; round < 2_000; round++) {
      const text = madeUp(random);
      const read = valuesOf(text);
      if (read === undefined) continue;
      plain += 1;
      const { values, faults } = readByYaml(text);
      assert.deepEqual(faults, [], text);
      assert.deepEqual(read, values, text);
    }
    assert.ok(plain > 500 && plain < 1_900, `${plain} were plain`);
  });

  it("reads texts as they stand, escapes included", () => {
    assert.deepEqual(
      valuesOf(String.raw`{"a\/\u0041":"\"\\\b\f\n\r\t\ud83d\ude00 é # : - {{x}}","n":[-0,12,null,true]}`),
      [{ "a/A": '"\\\b\f\n\r\t😀 é # : - {{x}}', n: [-0, 12, null, true] }],
    );
    const long = "x".repeat(500_000);
    assert.deepEqual(valuesOf(`{"a":"${long}"}`), [{ a: long }]);
  });

  it("tells documents apart, and where each of them is", () => {
    const text = '{"a":1}\n---\n{\n  "b": {"c": [2]}\n}\n';
    assert.deepEqual(
      [...jsonDocuments(text)].map(({ value, start, end }) => [value, text.slice(start, end)]),
      [
        [{ a: 1 }, '{"a":1}\n'],
        [{ b: { c: [2] } }, '---\n{\n  "b": {"c": [2]}\n}\n'],
      ],
    );
    const [, second] = [...parseYaml(text, "f.yaml")];
    assert.deepEqual(second?.positionOf(["b", "c", 0]), { file: "f.yaml", line: 4, column: 15 });
    assert.deepEqual(second.positionOf(["b", "c"], "key"), { file: "f.yaml", line: 4, column: 9 });
    assert.deepEqual(positionIn(second.place, ["b", "c", 0]), { file: "f.yaml", line: 4, column: 15 });
  });

  it("leaves off where YAML has to go on, with places as in the whole text", () => {
    const text = '{"a":1}\n---\n{"b":2}\n---\nc: 3\nd: {"e":4, "e":5}\n';
    const documents = [...parseYaml(text, "f.yaml")];
    assert.deepEqual(
      documents.map(({ value }) => value),
      [{ a: 1 }, { b: 2 }, null],
    );
    const [problem] = documents.at(-1)?.problems ?? [];
    assert.deepEqual([problem?.line, problem?.column], [6, 12]);
    const [, , third] = [...parseYaml(text.replace(', "e":5', ""), "f.yaml")];
    assert.deepEqual(third?.positionOf(["d", "e"]), { file: "f.yaml", line: 6, column: 9 });
    assert.deepEqual(positionIn(third.place, ["d", "e"]), { file: "f.yaml", line: 6, column: 9 });
  });

  for (const [what, text] of [
    ["a key that stands twice", '{"a":1,"a":2}'],
    ["a key that stands twice, once with an escape", String.raw`{"a":1,"\u0061":2}`],
    ["a key __proto__", '{"__proto__":1}'],
    ["a long key", `{"${"k".repeat(2_000)}":1}`],
    ["a key far from its colon", `{"k"${" ".repeat(2_000)}:1}`],
    ["a number that is not whole", '{"a":1.5}'],
    ["a number too long to be exact", '{"a":9007199254740993}'],
    ["a number with a zero before it", '{"a":012}'],
    ["nesting beyond the bound", `{"a":${"[".repeat(40)}${"]".repeat(40)}}`],
    ["nesting without end", `{"a":${"[".repeat(50_000)}`],
    ["a comma too many", '{"a":1,}'],
    ["a comma too few", '{"a":[1 2]}'],
    ["a word that is no value", '{"a":yes}'],
    ["a text that does not end", '{"a":"b'],
    ["an object that does not end", '{"a":{"b":1}'],
    ["a comment", '{"a":1} # one'],
    ["a tab", '{"a":\t1}'],
    ["a carriage return", '{"a":1}\r\n'],
    ["a byte order mark", '\ufeff{"a":1}'],
    ["a line break in a text", '{"a":"b\nc"}'],
    ["an escape that JSON does not have", String.raw`{"a":"\x41"}`],
    ["a list", "[1]"],
    ["two objects in one document", '{"a":1}\n{"b":2}'],
    ["an empty document behind one", '{"a":1}\n---\n'],
    ["an empty document before one", '---\n---\n{"a":1}'],
    ["the end of a document", '{"a":1}\n...\n'],
    ["a document that begins on the line that opens it", '{"a":1}\n--- {"b":2}\n'],
    ["something after a document", '{"a":1}\n---\nb: 2\n'],
    ["nothing but blank", "\n \n"],
  ] as const) {
    it(`leaves ${what} to YAML`, () => assert.equal(valuesOf(text), undefined));
  }
});

/** The values of a text all of whose documents are plain. */
function valuesOf(text: string): unknown[] | undefined {
  const values: unknown[] = [];
  const documents = jsonDocuments(text);
  for (;;) {
    const { done, value: found } = documents.next();
    if (done !== true) values.push(found.value);
    else return found > 0 && found === text.length ? values : undefined;
  }
}

/** The same text by the parser that `parseYaml` uses for all that is not plain. */
function readByYaml(text: string): { values: unknown[]; faults: unknown[] } {
  const composer = new Composer({ stringKeys: true, uniqueKeys: false, version: "1.2", schema: "core", merge: false });
  const faults: Fault[] = [];
  const values: unknown[] = [];
  const problems: unknown[] = [];
  for (const document of composer.compose(new Parser(new LineCounter().addNewLine).parse(text))) {
    problems.push(...document.errors, ...document.warnings);
    values.push(valueOf(document as Document.Parsed, faults));
  }
  return { values, faults: [...problems, ...faults] };
}

/** JSON in many layouts, now and then with a slip in it. */
function madeUp(random: () => number): string {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const space = (): string => (random() < 0.7 ? "" : pick([" ", "\n", "\n  ", "  \n\n ", "   "]));
  const word = (): string =>
    pick([
      "a",
      "b",
      "kind",
      "",
      "yes",
      "null",
      "1",
      "-",
      "---",
      "# no",
      "a: b",
      "é",
      "😀",
      "<<",
      "&x",
      "*x",
      "!t",
      "|",
      "%",
      "@",
    ]);
  const text = (): string => {
    const inner =
      random() < 0.8
        ? word()
        : pick(["\\n", "\\u0041", "\\/", "\\ud83d\\ude00", "\\ud800", '\\"', "\\\\", "\\t", "\u2028", "\u0085"]);
    return `"${inner}${random() < 0.3 ? word() : ""}"`;
  };
  const list = (open: string, close: string, one: () => string): string => {
    const members = Array.from({ length: Math.floor(random() * 4) }, one);
    return `${open}${space()}${members.join(`${space()},${space()}`)}${space()}${close}`;
  };
  const value = (depth: number): string => {
    const kind = random();
    if (kind < 0.4 || depth > 4) return text();
    if (kind < 0.6) return pick(["0", "-0", "7", "-12", "123456789012345", "true", "false", "null"]);
    if (kind < 0.8) return list("[", "]", () => value(depth + 1));
    return object(depth + 1);
  };
  const object = (depth: number): string => list("{", "}", () => `${text()}:${space()}${value(depth)}`);
  const documents = Array.from({ length: 1 + Math.floor(random() * 3) }, () => `${space()}${object(0)}${space()}`);
  const whole = `${random() < 0.2 ? "---\n" : ""}${documents.join("\n---\n")}${pick(["", "\n"])}`;
  if (random() < 0.7) return whole;
  const at = Math.floor(random() * whole.length);
  return `${whole.slice(0, at)}${pick(["", "\t", "#", ",", "\n", "}", "-", ":", "'", "\r\n"])}${whole.slice(at + 1)}`;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
