import { deepEqual, equal } from "node:assert/strict";
import { it } from "node:test";
import { Lines } from "../../../src/base/lines.ts";

it("lines come out whole, wherever the parts that they come in are cut", () => {
  const text = "one\n\ntwo\nthree";
  for (let size = 1; size <= text.length; size += 1) {
    const lines = new Lines();
    const taken = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
      lines.take(text.slice(at * size, (at + 1) * size)),
    );
    deepEqual(taken.flat(), ["one", "", "two"]);
    equal(lines.pending, "three".length);
    deepEqual(lines.take("\n"), ["three"]);
    equal(lines.pending, 0);
  }
});
