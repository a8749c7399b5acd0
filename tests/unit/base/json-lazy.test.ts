import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { type JsonObject, type JsonValue, LazyObject, parseJson } from "../../../src/base/json.ts";
import { printJson } from "../../../src/base/json-print.ts";

const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const read = (value: unknown, lazyFrom: number): JsonObject =>
  parseJson(bytes(value), { depth: 100, lazyFrom }) as JsonObject;

/** Plain JavaScript of what was read, going through every way of looking into a map. */
function plain(value: JsonValue): unknown {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(plain);
  if (!(value instanceof Map)) return value;
  const object = value as JsonObject;
  const keys = [...object.keys()];
  assert.equal(object.size, keys.length);
  assert.deepEqual(
    [...object].map(([key]) => key),
    keys,
  );
  assert.equal([...object.values()].length, keys.length);
  const seen: string[] = [];
  object.forEach((_value, key) => seen.push(key));
  assert.deepEqual(seen, keys);
  return Object.fromEntries(
    keys.map((key) => {
      assert.equal(object.has(key), true);
      return [key, plain(object.get(key) as JsonValue)];
    }),
  );
}

/** Pseudorandom numbers below 1 from a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function treeOf(random: () => number, depth: number): unknown {
  const kind = random();
  if (depth === 0 || kind < 0.3)
    return [1.5, -2, "", 'a"\\b{[', "\u00e9\u{1f600}", true, null, "x".repeat(9)][Math.floor(random() * 8)];
  const count = Math.floor(random() * 5);
  const parts = Array.from({ length: count }, (_, at) => [`${at}"k\\${at}`, treeOf(random, depth - 1)] as const);
  return kind < 0.6 ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}

describe("LazyObject", () => {
  it("stands for the same value as the map that would be held, whatever is large", () => {
    const random = randomOf(20_261_123);
    for (let round = 0; round < 400; round++) {
      const tree = { root: treeOf(random, 6), more: treeOf(random, 4) };
      const text = JSON.stringify(tree, null, round % 3);
      for (const lazyFrom of [0, 5, 20, 80]) assert.deepEqual(plain(read(text, lazyFrom)), tree, text);
    }
  });

  it("is what a large object becomes, and only that", () => {
    const value = read({ small: { a: 1 }, large: { b: "x".repeat(100) } }, 50);
    assert.ok(value instanceof LazyObject);
    assert.equal(value.get("small") instanceof LazyObject, false);
    assert.ok(value.get("large") instanceof LazyObject);
    assert.equal((value.get("large") as LazyObject).span, 108);
  });

  it("is as strict as without it", () => {
    const long = "x".repeat(100);
    for (const text of [
      `{"a":"${long}","b":{"c":"${long}","c":1}}`,
      `{"a":"${long}","b":{"d":["${long}",{"c":"${long}","\\u0063":1}]}}`,
      `{"a":"${long}","b":[${"[".repeat(200)}${"]".repeat(200)}]}`,
      `{"a":"${long}","b":tru}`,
      `{"a":"${long}"} 1`,
      `{"7":"${long}","8":1,"7":2}`,
      `{"a":"${long}","7":1,"8":2,"\\u0037":3}`,
      `{"a":"${long}","\\u0000a":1,"\\u0000a":2}`,
    ]) {
      assert.throws(() => read(text, 20), { name: "JsonError" }, text);
    }
  });

  it("may have names that are numbers beside those that only look like the mark for them", () => {
    const tree = { long: "x".repeat(100), "7": 1, "\u00007": 2, "\u0000\u00007": 3, "": 4, "\u0000": 5, "07": 6 };
    assert.deepEqual(plain(read(JSON.stringify(tree), 20)), tree);
    const names = Array.from({ length: 20_000 }, (_, at) => `${7 + at * 65_536}`);
    const value = read(`{${names.map((name) => `"${name}":0`).join(",")}}`, 20);
    assert.equal(value.size, 20_000);
  });

  it("gives the elements of an array one by one, also while others read", () => {
    const value = read(
      { list: [{ a: "x".repeat(30) }, [1], "s", 2], none: [], text: "t".repeat(30) },
      20,
    ) as LazyObject;
    const seen: unknown[] = [];
    for (const element of value.elements("list")) {
      assert.equal((value.get("text") as string).length, 30);
      seen.push(plain(element));
    }
    assert.deepEqual(seen, [{ a: "x".repeat(30) }, [1], "s", 2]);
    assert.deepEqual([...value.elements("none"), ...value.elements("absent"), ...value.elements("text")], []);
  });

  it("reads its text once to find many members, however many", () => {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: 9_000 }, (_, at) => [`name ${at}`, at])));
    const source = parseJson(bytes(`{"inner":${text}}`), { lazyFrom: 10 }) as LazyObject;
    const inner = source.get("inner") as LazyObject;
    let steps = 0;
    const counted = new LazyObject(
      {
        entries: () => inner.entries() as MapIterator<[string, JsonValue]>,
        keys: () => inner.keys(),
        elements: function* () {},
        isArray: () => false,
        valueAt: (start) => start,
        *places() {
          for (const [name, value] of inner) {
            steps += 1;
            yield [name, value as number];
          }
        },
      },
      { start: 0, end: text.length, size: inner.size, own: text.length },
    );
    for (let at = 8_999; at >= 0; at--) assert.equal(counted.get(`name ${at}`), at);
    assert.equal(counted.has("name 9000"), false);
    assert.equal(steps, 9_000);
  });

  it("gives its members one by one, in one walk, each built only when it is asked for", () => {
    const value = read({ list: [1, { a: "x".repeat(30) }], text: "t".repeat(30), none: [] }, 20) as LazyObject;
    const seen: unknown[] = [];
    for (const { name, isArray, value: whole, elements } of value.members()) {
      assert.equal((value.get("text") as string).length, 30);
      seen.push([name, isArray, plain(whole()), [...elements()].map(plain)]);
    }
    const list = [1, { a: "x".repeat(30) }];
    assert.deepEqual(seen, [
      ["list", true, list, list],
      ["text", false, "t".repeat(30), []],
      ["none", true, [], []],
    ]);
  });

  it("is printed as the map that would be held, without building a list", () => {
    const tree = { a: [], b: [1, { c: ["x".repeat(40), [null]] }], d: { e: {} }, f: 'g"' };
    for (const lazyFrom of [0, 10, 40]) assert.equal(printJson(read(tree, lazyFrom)), JSON.stringify(tree));
    const counted = new LazyObject(
      {
        entries: () => assert.fail("built all members"),
        valueAt: () => assert.fail("built the list"),
        keys: () => assert.fail("read the names alone"),
        isArray: () => true,
        elements: function* () {
          yield* [1, 2];
        },
        places: function* () {
          yield ["list", 8];
        },
      },
      { start: 0, end: 9_000, size: 1, own: 9_000 },
    );
    assert.equal(printJson(counted), '{"list":[1,2]}');
  });

  it("cannot be changed", () => {
    const value = read({ a: "x".repeat(30) }, 20) as LazyObject;
    assert.throws(() => value.set(), TypeError);
    assert.throws(() => value.delete(), TypeError);
    assert.throws(() => value.clear(), TypeError);
  });

  it("is not made of an array at the top, which nobody could read again", () => {
    assert.deepEqual(plain(parseJson(bytes([["x".repeat(50)], 1]), { lazyFrom: 10 })), [["x".repeat(50)], 1]);
  });
});
