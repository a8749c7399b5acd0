import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { JsonError, type JsonObject, type JsonValue, parseJson } from "../../../src/base/json.ts";
import { behindPlain, closingQuote, NEAR } from "../../../src/base/json-strings.ts";

/** Numbers below a bound from a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

/** The value as JavaScript's own, every member asked for by walking and by name. */
function plain(value: JsonValue): unknown {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(plain);
  if (!(value instanceof Map)) return value;
  const walked = [...(value as JsonObject)].map(([name, member]) => [name, plain(member)] as const);
  for (const [name, member] of walked) assert.deepEqual(plain(value.get(name) as JsonValue), member);
  return Object.fromEntries(walked);
}

function outcomeOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof JsonError || error instanceof SyntaxError) return "refused";
    throw error;
  }
}

describe("strings of a JSON text", () => {
  it("are read as JSON.parse reads them, or refused with it, wherever in a long string something stands", () => {
    const random = randomOf(20_261_126);
    const pieces = [
      '\\"',
      "\\\\",
      "\\n",
      "\\u00e9",
      "\\/",
      "é",
      "{",
      "]",
      "\\x",
      "\\",
      '"',
      "\t",
      "\0",
      "\x1f",
      "\x7f",
      ",",
    ];
    const tally = { read: 0, refused: 0 };
    for (let round = 0; round < 20_000; round++) {
      let content = "x".repeat(random(3) === 0 ? random(3 * NEAR) : NEAR - 4 + random(8));
      for (let more = random(4); more > 0; more--) {
        // Mostly what is sound, or hardly any text would be.
        content += (pieces[random(random(8) === 0 ? pieces.length : 8)] ?? "").repeat(1 + random(3));
        content += "y".repeat([0, random(4), NEAR - 4 + random(8), random(4 * NEAR)][random(4)] ?? 0);
      }
      const text = `{"a":"${content}","${content}b":[{"c":"${content}"}],"d":1}`;
      const expected = outcomeOf(() => JSON.parse(text) as unknown);
      tally[expected === "refused" ? "refused" : "read"] += 1;
      for (const lazyFrom of [Number.POSITIVE_INFINITY, 0, 100]) {
        const bytes = Buffer.from(text);
        assert.deepEqual(
          outcomeOf(() => plain(parseJson(bytes, { lazyFrom }))),
          expected,
          JSON.stringify(text),
        );
      }
    }
    assert.ok(tally.read > 5_000 && tally.refused > 1_000, JSON.stringify(tally));
  });

  it("are refused at the very byte, however far behind the beginning it is", () => {
    for (const length of [0, NEAR - 2, NEAR - 1, NEAR, NEAR + 1, 5_000]) {
      const before = `{"a":"${"é".repeat(length)}`;
      for (const [rest, reason] of [
        ['\u0001"}', "control_character"],
        ['\\q"}', "invalid_escape"],
        ['\\ud800"}', "lone_surrogate"],
        ["", "truncated"],
        [`${"x".repeat(NEAR)}`, "truncated"],
      ] as const) {
        const offset = Buffer.byteLength(reason === "truncated" ? before + rest : before);
        assert.throws(() => parseJson(Buffer.from(before + rest)), { name: "JsonError", reason, offset });
      }
    }
  });

  it("may be walked through while another part of the text is read", () => {
    const tree = { a: "x".repeat(200), b: { c: `${"y".repeat(100)}"\\`, d: ["z".repeat(90)] }, e: "\\" };
    const read = parseJson(Buffer.from(JSON.stringify(tree)), { lazyFrom: 50 }) as JsonObject;
    for (let round = 0; round < 2; round++) {
      const seen: Record<string, unknown> = {};
      for (const [name, value] of read.entries()) {
        seen[name] = plain(value);
        assert.deepEqual(plain(read.get("b") as JsonValue), tree.b);
      }
      assert.deepEqual(seen, tree);
    }
  });
});

describe("closingQuote()", () => {
  it("tells a quote from an escaped one by all the backslashes before it", () => {
    for (const length of [0, 1, NEAR - 1, NEAR, 3 * NEAR])
      for (let slashes = 0; slashes < 8; slashes++) {
        const content = `${"x".repeat(length)}${"\\\\".repeat(slashes)}\\"${"y".repeat(length)}${"\\\\".repeat(slashes)}`;
        assert.equal(closingQuote(`${content}","b"`, 0), content.length, content);
      }
  });
});

describe("behindPlain()", () => {
  it("stops at what needs a look, which in a proven text is less", () => {
    assert.equal(behindPlain('abc\\n"', 0, false), 3);
    assert.equal(behindPlain('abc\\n"', 0, true), 3);
    assert.equal(behindPlain('ab\u0000c"', 1, false), 2);
    assert.equal(behindPlain('abc"\\', 0, false), 3);
    assert.equal(behindPlain("abc", 0, false), 3);
  });
});
