import { deepEqual, equal } from "node:assert/strict";
import { describe, it } from "node:test";
import { Resets } from "../../../src/tunnel/resets.ts";

describe("the resets of a session", () => {
  it("go through at once up to a bound, wait their turn beyond it, and are all done when the session ends", () => {
    let now = 0;
    const resets = new Resets(() => now);
    const done: number[] = [];
    for (let at = 0; at < 903; at++) resets.whenBorne(() => done.push(at));
    equal(done.length, 900);
    resets.end();
    deepEqual(done.slice(899), [899, 900, 901, 902]);
    // A tenth of a second is worth three.
    now = 100;
    for (let at = 0; at < 4; at++) resets.whenBorne(() => done.push(1000 + at));
    deepEqual(done.slice(903), [1000, 1001, 1002]);
    resets.end();
    equal(done.length, 907);
  });
});
