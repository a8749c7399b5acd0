import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { jsonText } from "../../../src/cli/plain-text.ts";
import { yamlText } from "../../../src/cli/yaml-text.ts";

/** CSI in one character, DEL, a line that is turned around, one that is broken, a tag beyond 16 bits; and a value of lines. */
const HOSTILE = {
  "k\u009b2J": "\u009b2J\u007f",
  turned: ["\u202egnp.exe", "a\u2028b", "a\u{e0041}b", "\u001b]0;x\u0007"],
  lines: "one\ntwo\n",
  mixed: "one\n\u009b2J\n",
};
const UNSEEN = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe("values that are printed", () => {
  it("reach a terminal as text only, and mean the same", () => {
    for (const [text, read] of [
      [jsonText(HOSTILE, 2), (json: string): unknown => JSON.parse(json)],
      [yamlText(HOSTILE), (yaml: string): unknown => parse(yaml)],
    ] as const) {
      assert.doesNotMatch(text, UNSEEN);
      assert.deepEqual(read(text), HOSTILE);
    }
  });

  it("look as ever where there is nothing to hide", () => {
    const plain = {
      kind: "role",
      names: ["a", "ö", "日本"],
      text: "one\ntwo\n",
      long: "word ".repeat(60).trim(),
      n: 1,
    };
    assert.equal(jsonText(plain, 4), `${JSON.stringify(plain, null, 4)}\n`);
    assert.equal(yamlText(plain), stringify(plain, { lineWidth: 0 }));
  });
});
