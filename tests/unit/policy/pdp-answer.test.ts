import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Decision } from "../../../src/policy/decision.ts";
import { AnswerReader, readAnswer } from "../../../src/policy/pdp-answer.ts";

const REASON = { code: "rule_not_matched", message: "m", access: 0, role: null };
const ALLOW = { allow: true, reasons: [], roles: ["dev"], obligations: [] };
const DENY = { allow: false, reasons: [REASON], roles: [], obligations: [] };

function read(result: unknown, fulfillable: string[] = []): Decision {
  return readAnswer([{ result }], { revision: "r", evalUs: 1, accesses: 2, fulfillable: new Set(fulfillable) });
}

function codes(decision: Decision): string[] {
  return decision.allow ? [] : decision.reasons.map(({ code }) => code);
}

describe("readAnswer()", () => {
  it("takes an allow and a denial of the one right shape", () => {
    assert.deepEqual(read(ALLOW), { allow: true, obligations: [], roles: ["dev"], revision: "r", evalUs: 1 });
    assert.deepEqual(read(DENY), { allow: false, reasons: [REASON], roles: [], revision: "r", evalUs: 1 });
  });

  const wrong: readonly unknown[] = [
    undefined,
    null,
    true,
    [],
    {},
    { allow: true },
    { ...ALLOW, allow: "true" },
    { ...ALLOW, allow: 1 },
    { ...ALLOW, allow: undefined },
    { ...ALLOW, extra: 1 },
    { ...ALLOW, reasons: [REASON] },
    { ...ALLOW, reasons: {} },
    { ...ALLOW, roles: [1] },
    { ...ALLOW, roles: { 0: "dev" } },
    { ...ALLOW, obligations: [{}] },
    { ...ALLOW, obligations: ["mask"] },
    { ...ALLOW, obligations: null },
    { ...DENY, reasons: [] },
    { ...DENY, reasons: [{ ...REASON, code: "because" }] },
    { ...DENY, reasons: [{ ...REASON, code: "toString" }] },
    { ...DENY, reasons: [{ ...REASON, access: 2 }] },
    { ...DENY, reasons: [{ ...REASON, access: 0.5 }] },
    { ...DENY, reasons: [{ ...REASON, message: null }] },
    { ...DENY, reasons: [{ ...REASON, more: 1 }] },
  ];
  for (const result of wrong) {
    it(`denies policy_undefined for ${JSON.stringify(result)}`, () =>
      assert.deepEqual(codes(read(result)), ["policy_undefined"]));
  }

  it("denies an undefined decision, and more than one", () => {
    const context = { revision: "r", evalUs: 1, accesses: 1, fulfillable: new Set<string>() };
    for (const set of [[], [{ result: ALLOW }, { result: ALLOW }], { result: ALLOW }, null, [null], "x"]) {
      assert.deepEqual(codes(readAnswer(set, context)), ["policy_undefined"], JSON.stringify(set));
    }
  });

  it("denies an allow whose obligations this gateway cannot all fulfil", () => {
    const obliged = { ...ALLOW, obligations: [{ kind: "mask" }, { kind: "cap", limit: 1 }] };
    assert.deepEqual(codes(read(obliged)), ["obligation_unknown"]);
    assert.deepEqual(codes(read(obliged, ["mask"])), ["obligation_unknown"]);
    assert.equal(read(obliged, ["mask", "cap"]).allow, true);
  });

  it("gives reasons in one order, whatever OPA's is", () => {
    const reasons = [
      { ...REASON, access: 1 },
      { ...REASON, code: "labels_denied", access: null },
      { ...REASON, access: 0, role: "b" },
      { ...REASON, access: 0, role: "a" },
    ];
    const one = read({ ...DENY, reasons });
    assert.deepEqual(read({ ...DENY, reasons: reasons.toReversed() }), one);
    assert.deepEqual(one.allow ? [] : one.reasons.map(({ access, role }) => [access, role]), [
      [null, null],
      [0, "a"],
      [0, "b"],
      [1, null],
    ]);
  });
});

describe("AnswerReader", () => {
  const context = { revision: "r", evalUs: 1, accesses: 2 };
  const textOf = (result: unknown): string => JSON.stringify([{ result }]);

  it("reads an answer as often as it comes, with the revision and the time of each", () => {
    const reader = new AnswerReader(new Set(["mask"]));
    const answer = { ...ALLOW, roles: ["b", "a"], obligations: [{ kind: "mask", of: "x" }] };
    for (const evalUs of [1, 2, 3]) {
      const decision = reader.read(textOf(answer), { revision: `r${evalUs}`, evalUs, accesses: 1 });
      const { obligations } = answer;
      assert.deepEqual(decision, { allow: true, obligations, roles: ["a", "b"], revision: `r${evalUs}`, evalUs });
    }
  });

  it("remembers no denial, whose reasons must fit the question", () => {
    const reader = new AnswerReader(new Set());
    const far = textOf({ ...DENY, reasons: [{ ...REASON, access: 1 }] });
    assert.deepEqual(codes(reader.read(far, { ...context, accesses: 2 })), ["rule_not_matched"]);
    assert.deepEqual(codes(reader.read(far, { ...context, accesses: 1 })), ["policy_undefined"]);
    assert.deepEqual(codes(reader.read(textOf({ ...ALLOW, obligations: [{ kind: "mask" }] }), context)), [
      "obligation_unknown",
    ]);
    assert.throws(() => reader.read("[{", context), SyntaxError);
  });

  it("keeps apart more answers than it remembers", () => {
    const reader = new AnswerReader(new Set());
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < 300; at++) {
        assert.deepEqual(reader.read(textOf({ ...ALLOW, roles: [`role-${at}`] }), context).roles, [`role-${at}`]);
      }
    }
  });
});
