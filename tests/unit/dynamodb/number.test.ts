import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonicalNumber, parseNumber } from "../../../src/dynamodb/number.ts";

describe("DynamoDB numbers", () => {
  it("have one canonical text however they are written (pitfall 31)", () => {
    for (const text of ["1000", "1e3", "1E+3", "1000.0", "+1000", "0001000", "1000.", "10000e-1", ".1e4"]) {
      assert.equal(canonicalNumber(text), "1000", text);
    }
    for (const text of ["0", "-0", "0.000", "0e5", ".0", "00"]) assert.equal(canonicalNumber(text), "0", text);
    assert.equal(canonicalNumber("-0.00120"), "-0.0012");
    assert.equal(canonicalNumber("12.50"), "12.5");
    assert.equal(canonicalNumber("-12.5e-3"), "-0.0125");
  });

  it("keep digits that a JavaScript number would lose", () => {
    const digits = "12345678901234567890123456789012345678";
    assert.equal(canonicalNumber(digits), digits);
    assert.equal(canonicalNumber("0.1234567890123456789012345678901234567"), "0.1234567890123456789012345678901234567");
  });

  it("have at most 38 significant digits", () => {
    assert.equal(parseNumber("1".repeat(39)), "too_precise");
    assert.equal(typeof parseNumber(`${"1".repeat(38)}000`), "object");
  });

  it("stay between 1E-130 and 9.99E+125, without an exponent ever being written out", () => {
    assert.equal(canonicalNumber("1e-130")?.length, 132);
    assert.equal(canonicalNumber("9.9e125")?.length, 126);
    assert.equal(parseNumber("9.9e-131"), "too_small");
    assert.equal(parseNumber("1e126"), "too_large");
    assert.equal(parseNumber("1e999999"), "too_large");
    assert.equal(parseNumber("1e100000000"), "not_a_number");
    assert.equal(parseNumber("1e-100000000"), "not_a_number");
  });

  it("are nothing else", () => {
    for (const text of [
      "",
      " 1",
      "1 ",
      "+",
      "-",
      ".",
      "e5",
      "1e",
      "1e+",
      "0x10",
      "NaN",
      "Infinity",
      "1,5",
      "--1",
      "1_0",
      "١",
    ]) {
      assert.equal(parseNumber(text), "not_a_number", text);
    }
    assert.equal(parseNumber("0".repeat(1_000_000)), "not_a_number");
  });
});
