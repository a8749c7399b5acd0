import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type JsonObject, LazyObject } from "../../../src/base/json.ts";
import { withoutParts } from "../../../src/dynamodb/attribute-value.ts";

describe("withoutParts()", () => {
  it("keeps what a key can be, and of the rest the type alone", () => {
    for (const tag of ["S", "N", "B"]) {
      const value = new Map([[tag, "1"]]);
      assert.equal(withoutParts(value), value);
    }
    for (const [tag, content] of [
      ["BOOL", false],
      ["NULL", true],
      ["L", []],
      ["M", new Map()],
      ["SS", ["x"]],
    ] as const)
      assert.deepEqual(withoutParts(new Map([[tag, content]]) as JsonObject), new Map([[tag, true]]));
  });

  it("does not build a large list for that", () => {
    const large = new LazyObject(
      {
        entries: () => assert.fail("built all members"),
        valueAt: () => assert.fail("built the list"),
        elements: () => assert.fail("read the list"),
        isArray: () => true,
        keys: () => new Map([["L", 5]]).keys(),
        places: function* () {
          yield ["L", 5];
        },
      },
      { start: 0, end: 9_000_000, size: 1, own: 9_000_000 },
    );
    assert.deepEqual(withoutParts(large), new Map([["L", true]]));
  });
});
