import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { JsonError, parseJson, type JsonLimits, type JsonReason, type JsonValue } from "../../../src/base/json.ts";

describe("parseJson()", () => {
  it("reads every kind of value", () => {
    const value = parse('{"s":"x","n":-1.5e2,"t":true,"f":false,"z":null,"a":[1,[],{}],"o":{"":""}}');
    assert.deepEqual(plain(value), { s: "x", n: -150, t: true, f: false, z: null, a: [1, [], {}], o: { "": "" } });
  });

  it("gives objects as maps in the order of the text, also for keys that look like integers", () => {
    const value = parse('{"b":1,"10":2,"2":3}');
    assert.ok(value instanceof Map);
    assert.deepEqual([...value.keys()], ["b", "10", "2"]);
  });

  it("accepts white space of JSON around every token, and no other", () => {
    assert.deepEqual(plain(parse(' \t\r\n{ "a" : [ 1 , 2 ] } \n')), { a: [1, 2] });
    refuses("\u00a0{}", "unexpected_byte");
    refuses("{}\f", "trailing_bytes");
  });

  it("decodes escapes, pairs of surrogates and text beyond ASCII", () => {
    assert.equal(parse('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\ud83d\\ude00"'), '"\\/\b\f\n\r\tAé😀');
    assert.equal(parse('"é😀 日本"'), "é😀 日本");
  });

  it("differs from JSON.parse in nothing that JSON.parse accepts and we do", () => {
    const random = generator(20_261_122);
    for (let round = 0; round < 3000; round++) {
      const text = JSON.stringify(randomValue(random, 4));
      assert.deepEqual(plain(parse(text)), JSON.parse(text), text);
    }
  });

  it("accepts no mutation that JSON.parse refuses, and agrees on those that both accept", () => {
    const random = generator(7);
    let accepted = 0;
    for (let round = 0; round < 6000; round++) {
      const bytes = Buffer.from(JSON.stringify(randomValue(random, 3)));
      const place = Math.floor(random() * bytes.length);
      bytes[place] = Math.floor(random() * 256);
      let ours: JsonValue;
      try {
        ours = parseJson(bytes);
      } catch (error) {
        assert.ok(error instanceof JsonError);
        continue;
      }
      accepted += 1;
      assert.deepEqual(
        plain(ours),
        JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)),
      );
    }
    assert.ok(accepted > 200, `only ${accepted} mutations were accepted`);
  });

  it("says at which byte the text goes wrong", () => {
    offset('{"é":1,"é":2}', "duplicate_key", 8);
    offset('{"é": tru}', "unexpected_byte", 7);
    offset("[1,]", "unexpected_byte", 3);
    offset("[1 2]", "unexpected_byte", 3);
    offset("{}{}", "trailing_bytes", 2);
    offset('"abc', "truncated", 4);
  });

  it("reads 4 MB of one string, of many strings and of escapes without deep recursion", () => {
    const many = JSON.stringify(Array.from({ length: 200_000 }, (_, index) => `value ${index}`));
    assert.equal((parse(many) as JsonValue[]).length, 200_000);
    assert.equal((parse(`"${"x".repeat(4e6)}"`) as string).length, 4e6);
    assert.equal((parse(`"${"\\n".repeat(2e6)}"`) as string).length, 2e6);
  });

  it("keeps to the depth that it is given", () => {
    parse("[".repeat(64) + "]".repeat(64));
    refuses("[".repeat(65) + "]".repeat(65), "too_deep");
    parse('{"a":[{}]}', { depth: 3 });
    refuses('{"a":[{}]}', "too_deep", { depth: 2 });
  });

  it("refuses what is not JSON", () => {
    for (const text of [
      "{",
      "[",
      '{"a"',
      '{"a":',
      '{"a":1',
      "[1",
      '{"a":1,',
      "-",
      "1.",
      "1e",
      "1e+",
      '"\\',
      '"\\u12',
    ]) {
      refuses(text, "truncated");
    }
    for (const text of [
      "{a:1}",
      "{'a':1}",
      "[1,]",
      '{"a":1,}',
      "tru",
      "nul",
      "NaN",
      "Infinity",
      "undefined",
      "+1",
      ".5",
      "/**/1",
    ]) {
      refuses(text, "unexpected_byte");
    }
    for (const text of ["01", "-01", "0x10", "1 2", "{}x", "1a"]) refuses(text, "trailing_bytes");
    for (const text of ['"\\x41"', '"\\u00g0"', '"\\u{41}"', '"\\\'"']) refuses(text, "invalid_escape");
    for (const text of ["1.e1", "-a", "1ee1"]) refuses(text, "invalid_number");
    for (const text of ["", "  \n"]) refuses(text, "empty");
  });

  it("refuses numbers that a reader cannot hold exactly or at all", () => {
    assert.equal(parse("9007199254740991"), 9_007_199_254_740_991);
    refuses("9007199254740993", "inexact_number");
    refuses("1e400", "invalid_number");
    refuses(`0.${"1".repeat(400)}`, "invalid_number");
  });
});

function parse(text: string, limits?: JsonLimits): JsonValue {
  return parseJson(Buffer.from(text), limits);
}

function refuses(text: string, reason: JsonReason, limits?: JsonLimits): void {
  assert.throws(
    () => parse(text, limits),
    (error) => error instanceof JsonError && error.reason === reason,
    text,
  );
}

function offset(text: string, reason: JsonReason, at: number): void {
  assert.throws(
    () => parse(text),
    (error) => {
      assert.ok(error instanceof JsonError);
      assert.deepEqual([error.reason, error.offset], [reason, at], text);
      return true;
    },
  );
}

function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, member]) => [key, plain(member)]));
  return Array.isArray(value) ? value.map((element) => plain(element as JsonValue)) : value;
}

/** A small generator of numbers below 1 (mulberry32), so that a failure can be repeated. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function randomValue(random: () => number, depth: number): unknown {
  const kind = Math.floor(random() * (depth > 0 ? 7 : 5));
  const count = Math.floor(random() * 5);
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random() < 0.5;
    case 2:
      return (random() - 0.5) * 10 ** Math.floor(random() * 12);
    case 3:
      return Math.floor(random() * 100_000);
    case 4:
      return randomText(random);
    case 5:
      return Array.from({ length: count }, () => randomValue(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`${randomText(random)}${index}`, randomValue(random, depth - 1)]),
      );
  }
}

function randomText(random: () => number): string {
  const alphabet = ["a", "Z", "0", " ", '"', "\\", "\n", "\u0000", "/", "é", "日", "😀", "\u2028"];
  const length = Math.floor(random() * 12);
  return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join("");
}
