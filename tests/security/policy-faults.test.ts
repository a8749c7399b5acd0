import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PosternError } from "../../src/base/errors.ts";
import type { PolicyInput } from "../../src/policy/input.ts";
import { type PolicyFault, type PolicyOptions, PolicyDecisionPoint } from "../../src/policy/pdp.ts";
import { fixtureBundle, fixtureData, fixtureInput } from "../support/policy-fixture.ts";

const DATA = fixtureData({ dev: { exact: ["orders"] } });

async function load(
  options: Partial<PolicyOptions> = {},
): Promise<{ pdp: PolicyDecisionPoint; faults: PolicyFault[] }> {
  const faults: PolicyFault[] = [];
  const bundle = await fixtureBundle();
  const pdp = await PolicyDecisionPoint.load({
    bundle,
    data: DATA,
    onFault: (fault) => faults.push(fault),
    ...options,
  });
  return { pdp, faults };
}

function codes(pdp: PolicyDecisionPoint, input: PolicyInput): string[] {
  const decision = pdp.decide(input);
  assert.deepEqual(decision.allow ? decision.roles : [], decision.allow ? ["dev"] : []);
  return decision.allow ? ["allowed"] : decision.reasons.map(({ code }) => code);
}

const GOOD = fixtureInput(["dev"], "orders");

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

describe("a policy that gives no answer (pitfall 58)", () => {
  const cases: readonly [string, PolicyInput, string, Partial<PolicyOptions>][] = [
    ["contradicts itself", fixtureInput(["dev"], "orders", "conflict"), "policy_failed", {}],
    ["runs for ever", fixtureInput(["dev"], "orders", "slow"), "policy_timeout", {}],
    [
      "takes all memory",
      fixtureInput(["dev"], "orders", "large"),
      "policy_out_of_memory",
      { fuel: 50_000_000_000, maxMemoryBytes: 8 * 1024 * 1024 },
    ],
    ["is asked with half a character", fixtureInput(["dev"], "or\ud800ders"), "policy_failed", {}],
    [
      "is asked with a key that is half a character",
      { ...GOOD, user: { ...GOOD.user, traits: { "\udfff": [] } } },
      "policy_failed",
      {},
    ],
    [
      "is asked too deep",
      { ...GOOD, user: { ...GOOD.user, traits: { a: deep(50_000) as string[] } } },
      "policy_failed",
      {},
    ],
    ["is asked too much", { ...GOOD, client: { ip: "::1", user_agent: "x".repeat(5_000_000) } }, "policy_failed", {}],
  ];
  for (const [what, input, code, options] of cases) {
    it(`denies ${code} when it ${what}, and answers the next caller`, async () => {
      const { pdp, faults } = await load(options);
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(codes(pdp, input), [code]);
        assert.deepEqual(codes(pdp, GOOD), ["allowed"]);
      }
      assert.deepEqual(
        faults.map((fault) => fault.code),
        [code, code, code],
      );
      assert.ok(faults.every((fault) => fault.cause instanceof Error && fault.revision === pdp.revision));
    });
  }

  it("is no reason for an exception, even when the question has no accesses, or the listener throws", async () => {
    const { pdp } = await load({
      onFault: () => {
        throw new Error("listener");
      },
    });
    for (const input of [
      null,
      undefined,
      1,
      "x",
      [],
      {},
      { request: null },
      { request: { accesses: null } },
      fixtureInput(["dev"], "orders", "conflict"),
    ]) {
      assert.equal(pdp.decide(input as PolicyInput).allow, false);
    }
    assert.deepEqual(codes(pdp, GOOD), ["allowed"]);
  });

  it("changes nothing for the next caller, however often it is provoked", async () => {
    const { pdp, faults } = await load();
    const before = pdp.decide(GOOD);
    const conflict = fixtureInput(["dev"], "orders", "conflict");
    for (let round = 0; round < 5_000; round++) assert.equal(pdp.decide(conflict).allow, false);
    const after = pdp.decide(GOOD);
    assert.deepEqual({ ...after, evalUs: 0 }, { ...before, evalUs: 0 });
    assert.equal(faults.length, 5_000);
  });
});

describe("an input that OPA's parser would throw at", () => {
  it("never enters the policy's memory, so it costs no instance", async () => {
    const { pdp, faults } = await load();
    for (const table of ["\ud800", "\\\ud800", "a\\\\\udfff"]) pdp.decide(fixtureInput(["dev"], table));
    assert.equal(faults.length, 3);
    for (const fault of faults) assert.match(fault.message, /not well-formed Unicode/);
    for (const table of ["\\ud800", "\\\\udfff", "\u{1f600}"]) pdp.decide(fixtureInput(["dev"], table));
    assert.equal(faults.length, 3);
  });
});

describe("a policy that must not be put in force", () => {
  const refused = (code: string) => (error: unknown) => error instanceof PosternError && error.code === code;

  it("calls a builtin that its host would have to run", async () => {
    const rego = 'package postern.custom.late\n\ndeny contains "late" if time.now_ns() > 0\n';
    const bundle = await fixtureBundle(
      {},
      {
        "late.rego": rego,
        "use.rego":
          "package postern\n\nlate := data.postern.custom.late.deny\n\nresult if late\n\ndecision := late if input.late\n",
      },
    );
    await assert.rejects(PolicyDecisionPoint.load({ bundle, data: DATA }), refused("policy_builtin_unsupported"));
  });

  it("is a module that OPA miscompiled", async () => {
    const bundle = await fixtureBundle(
      {},
      {
        "x.rego": "package postern.x\n\nfoo if f(1)\n\nf(_) := true\n",
        "y.rego": "package postern\n\ndecision := {k | some k, _ in data.postern.x} if input.y\n",
      },
    );
    await assert.rejects(PolicyDecisionPoint.load({ bundle, data: DATA }), refused("policy_wasm_invalid"));
  });

  it("imports more than OPA does", async () => {
    // (module (import "fs" "open" (func)))  with the code section that a policy has
    const wasm = Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
      ...[0x02, 0x0b, 0x01, 0x02, 0x66, 0x73, 0x04, 0x6f, 0x70, 0x65, 0x6e, 0x00, 0x00],
      ...[0x03, 0x02, 0x01, 0x00, 0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x01, 0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b],
    ]);
    assert.ok(WebAssembly.validate(wasm));
    const bundle = { ...(await fixtureBundle()), wasm };
    await assert.rejects(PolicyDecisionPoint.load({ bundle, data: DATA }), refused("policy_abi_unsupported"));
  });

  it("allows a question that asks nothing", async () => {
    const allow = '{"allow": true, "reasons": [], "roles": [], "obligations": []}';
    const { wasm } = await fixtureBundle();
    assert.ok(wasm.length > 0);
    const bundle = await fixtureBundle(
      {},
      { "postern/open.rego": `package postern\n\ndecision := ${allow} if not input.request\n` },
    );
    await assert.rejects(PolicyDecisionPoint.load({ bundle, data: DATA }), refused("policy_allows_nothing_asked"));
  });
});
