import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
import { FUEL_EXPORT, meterModule } from "../../../src/policy/meter.ts";
import { fixtureBundle } from "../../support/policy-fixture.ts";

/** A module with one function of type () -> () and one i32 local, exported as "f", with this code. */
function moduleWith(...code: number[]): Uint8Array<ArrayBuffer> {
  const body = [0x01, 0x01, 0x7f, ...code, 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00], // type
    ...[0x03, 0x02, 0x01, 0x00], // function
    ...[0x05, 0x03, 0x01, 0x00, 0x01], // memory
    ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00], // export
    ...[0x0a, body.length + 2, 0x01, body.length, ...body], // code
  ]);
}

function instance(wasm: Uint8Array, fuel: bigint): { f: () => void; fuel: WebAssembly.Global<"i64"> } {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(meterModule(wasm, fuel)));
  return { f: exports["f"] as () => void, fuel: exports[FUEL_EXPORT] as WebAssembly.Global<"i64"> };
}

/** Two thousand million turns: without a meter the test fails after seconds rather than never. */
const LONG_LOOP = [
  ...[0x03, 0x40, 0x20, 0x00, 0x41, 0x01, 0x6a, 0x22, 0x00], // loop: local += 1
  ...[0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x48, 0x0d, 0x00, 0x0b], // again while it is below 2^31 - 1
];
const ENDLESS_RECURSION = [0x10, 0x00];

describe("meterModule()", () => {
  it("stops a loop and leaves the fuel at zero", () => {
    const { f, fuel } = instance(moduleWith(...LONG_LOOP), 1_000_000n);
    assert.throws(f, WebAssembly.RuntimeError);
    assert.equal(fuel.value, 0n);
  });

  it("stops a recursion without loops", () => {
    const { f, fuel } = instance(moduleWith(...ENDLESS_RECURSION), 1_000n);
    assert.throws(f, WebAssembly.RuntimeError);
    assert.equal(fuel.value, 0n);
  });

  it("lets pass what it can pay for, and charges at least a unit for each instruction", () => {
    const nops = [0x01, 0x01, 0x01, 0x01];
    const { f, fuel } = instance(moduleWith(...nops), 100n);
    f();
    assert.ok(Number(fuel.value) <= 100 - nops.length, `${fuel.value} left`);
    assert.ok(Number(fuel.value) > 80, `${fuel.value} left`);
  });

  it("runs again once the host has set the fuel", () => {
    const { f, fuel } = instance(moduleWith(0x01), 0n);
    assert.throws(f);
    fuel.value = 10n;
    f();
  });

  it("refuses opcodes that it does not know, and bulk memory, whose cost an instruction count does not show", () => {
    for (const code of [
      [0xd0, 0x70, 0x1a],
      [0xfd, 0x0c],
      [0xfc, 0x0b, 0x00],
      [0x06, 0x40, 0x0b],
      [0x25, 0x00],
      [0xff],
    ]) {
      assert.throws(
        () => meterModule(moduleWith(...code), 1n),
        (error) => error instanceof PosternError && error.code === "policy_wasm_unknown",
        `opcode ${code.join(" ")}`,
      );
    }
  });

  it("refuses a module that is cut off anywhere, without reading past its end", async () => {
    const { wasm } = await fixtureBundle();
    const whole = moduleWith(...LONG_LOOP);
    for (let length = 0; length < whole.length; length++) {
      // Some cuts fall between sections: what is left may be metered, but holds no code.
      assert.throws(() => meterModule(whole.subarray(0, length), 1n), PosternError, `at ${length}`);
    }
    for (let step = 1; step < 50; step++) {
      assert.throws(() => meterModule(wasm.subarray(0, Math.floor((wasm.length * step) / 50)), 1n), PosternError);
    }
  });

  it("never turns a damaged module into anything but an error or a module that is refused or metered", () => {
    const whole = moduleWith(...LONG_LOOP);
    for (let at = 8; at < whole.length; at++) {
      for (let value = 0; value < 256; value += 5) {
        const damaged = whole.slice();
        damaged[at] = value;
        requireErrorOrModule(damaged, `${value} at ${at}`);
      }
    }
  });

  it("reads all code that OPA emits, regular expressions included, to a module of the same exports and fuel", async () => {
    const { wasm } = await fixtureBundle();
    const metered = meterModule(wasm, 1_000_000n);
    const names = (bytes: Uint8Array): string[] =>
      WebAssembly.Module.exports(new WebAssembly.Module(bytes.slice())).map(({ name }) => name);
    assert.deepEqual(names(metered).toSorted(), [...names(wasm), FUEL_EXPORT].toSorted());
    assert.ok(names(wasm).length > 20);
  });
});

function requireErrorOrModule(damaged: Uint8Array<ArrayBuffer>, what: string): void {
  try {
    const metered = meterModule(damaged, 1n);
    if (!WebAssembly.validate(damaged)) return;
    assert.ok(WebAssembly.validate(metered), `${what}: valid before and invalid after`);
  } catch (error) {
    assert.ok(error instanceof PosternError || error instanceof TypeError, String(error));
  }
}
