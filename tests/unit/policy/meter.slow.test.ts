import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
import { meterModule } from "../../../src/policy/meter.ts";
import { fixtureBundle } from "../../support/policy-fixture.ts";

describe("meterModule(), on what OPA emits", () => {
  it("never turns a damaged module into anything but an error or a module that is refused or metered", async () => {
    const { wasm } = await fixtureBundle();
    let seed = 42;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 60; round++) {
      const damaged = wasm.slice();
      damaged[8 + random(wasm.length - 8)] = random(256);
      try {
        const metered = meterModule(damaged, 1n);
        if (!WebAssembly.validate(damaged)) continue;
        assert.ok(WebAssembly.validate(metered), `round ${round}: valid before and invalid after`);
      } catch (error) {
        assert.ok(error instanceof PosternError || error instanceof TypeError, String(error));
      }
    }
  });
});
