import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
import type { PolicyBundle } from "../../../src/policy/bundle.ts";
import type { Decision } from "../../../src/policy/decision.ts";
import { Engine, mergeData } from "../../../src/policy/engine.ts";
import { DEFAULT_FUEL, PolicyDecisionPoint } from "../../../src/policy/pdp.ts";
import type { PolicyInput } from "../../../src/policy/input.ts";
import { choosePath, requireDenial, smokeInputs } from "../../../src/policy/self-test.ts";
import { EvaluationFault } from "../../../src/policy/evaluation-fault.ts";
import { fixtureBundle, fixtureData, fixtureInput } from "../../support/policy-fixture.ts";

const DATA = fixtureData({ dev: { exact: ["orders"], re: ["^(?:logs-[0-9]+)$"] }, ops: { exact: ["audit"] } });
const hasCode = (code: string) => (error: unknown) => error instanceof PosternError && error.code === code;

function effects(pdp: PolicyDecisionPoint): boolean[] {
  return [pdp.decide(fixtureInput(["dev"], "orders")).allow, pdp.decide(fixtureInput(["dev"], "audit")).allow];
}

describe("PolicyDecisionPoint", () => {
  it("decides by policy and data, on its own path", async () => {
    const pdp = await PolicyDecisionPoint.load({ bundle: await fixtureBundle(), data: DATA });
    assert.equal(pdp.engine, "direct");
    const { evalUs, ...decision } = pdp.decide(fixtureInput(["ops", "dev"], "logs-7"));
    assert.ok(Number.isInteger(evalUs) && evalUs >= 0);
    assert.deepEqual(decision, { allow: true, obligations: [], roles: ["dev"], revision: pdp.revision });
    const denied: Decision = pdp.decide(fixtureInput([], "orders"));
    assert.deepEqual(denied.allow ? [] : denied.reasons.map(({ code }) => code), ["no_roles"]);
  });

  it("shows what the policy shows, hides it when that fails, and says whether packages of one's own take part", async () => {
    const faults: string[] = [];
    const load = async (visible: string): Promise<PolicyDecisionPoint> =>
      PolicyDecisionPoint.load({
        bundle: await fixtureBundle({}, { "postern/visible/visible.rego": `package postern.visible\n\n${visible}\n` }),
        data: DATA,
        onFault: ({ code }) => faults.push(code),
      });
    const question = fixtureInput(["dev"], "orders");
    assert.equal((await load(`shown := input.request.accesses[0].table == "orders"`)).visible(question), true);
    assert.equal((await load(`shown := input.request.accesses[0].table == "audit"`)).visible(question), false);
    assert.equal((await load("shown if input.absent")).visible(question), false);
    assert.equal((await load(`shown := "yes"`)).visible(question), false);
    const failing = await load("shown := number if {\n\tsome number in [1, 2]\n\tinput.version == 1\n}");
    assert.equal(failing.visible(question), false);
    assert.deepEqual(faults, ["policy_failed"]);
    const { user } = question;
    assert.equal(failing.shows(user, { name: "x", labels: { env: "dev" } }), true);
    assert.equal(failing.shows(user, { name: "x", labels: { env: "prod" } }), false);
    assert.equal(failing.custom, false);
    const bundle = await fixtureBundle();
    assert.equal((await PolicyDecisionPoint.load({ bundle: { ...bundle, custom: true }, data: DATA })).custom, true);
  });

  it("names in its revision the module, its author's revision and the data, whatever the order of their keys", async () => {
    const bundle = await fixtureBundle();
    const revisionOf = async (changed: Partial<PolicyBundle>, data = DATA): Promise<string> =>
      (await PolicyDecisionPoint.load({ bundle: { ...bundle, ...changed }, data })).revision;
    const same = await revisionOf({});
    const { roles } = DATA.postern.compiled;
    const turned = {
      postern: {
        compiled: { ...DATA.postern.compiled, roles: Object.fromEntries(Object.entries(roles).toReversed()) },
      },
    };
    assert.equal(await revisionOf({}, turned), same);
    const others = [
      await revisionOf({ revision: "other" }),
      await revisionOf({}, fixtureData({})),
      await revisionOf({
        wasm: (await fixtureBundle({}, { "postern/more.rego": "package postern\n\nmore := 1\n" })).wasm,
      }),
      await revisionOf({ data: { postern: { fixture: { ids: ["conflict"], answers: {} } } } }),
    ];
    assert.equal(new Set([same, ...others]).size >= 4, true);
    assert.ok(others[0] !== same && others[1] !== same && others[3] !== same);
  });

  it("replaces data and bundle, and keeps what was in force when the new one is no good", async () => {
    const pdp = await PolicyDecisionPoint.load({ bundle: await fixtureBundle(), data: DATA });
    const before = pdp.revision;
    await pdp.replace({ data: fixtureData({ dev: { exact: ["audit"] } }) });
    assert.deepEqual(effects(pdp), [false, true]);
    assert.notEqual(pdp.revision, before);
    const after = pdp.revision;
    const broken = { ...(await fixtureBundle()), wasm: new Uint8Array(8) };
    await assert.rejects(pdp.replace({ bundle: broken }), hasCode("policy_wasm_invalid"));
    await assert.rejects(
      pdp.replace({ data: fixtureData({ dev: { re: ["^(?:(?<=a)b)$"] } }) }),
      hasCode("role_pattern_invalid"),
    );
    assert.equal(pdp.revision, after);
    assert.deepEqual(effects(pdp), [false, true]);
  });

  it("puts replacements in force in the order in which they were asked for, each whole", async () => {
    const pdp = await PolicyDecisionPoint.load({ bundle: await fixtureBundle(), data: DATA });
    const large = fixtureData(Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`r${at}`, { exact: ["x"] }])));
    const replaced = [
      pdp.replace({ data: large }),
      pdp.replace({ data: DATA }),
      pdp.replace({ data: fixtureData({ dev: { exact: ["audit"] } }) }),
    ];
    let asked = 0;
    const done = Promise.all(replaced).then(() => (asked = -asked));
    while (asked >= 0 && asked < 100_000) {
      const both = effects(pdp);
      assert.ok(both.filter(Boolean).length <= 1, String(both));
      asked += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    assert.deepEqual(effects(pdp), [false, true]);
  });

  it("refuses data that the bundle defines as well", async () => {
    const bundle = { ...(await fixtureBundle()), data: { postern: { compiled: { version: 1 } } } };
    await assert.rejects(PolicyDecisionPoint.load({ bundle, data: DATA }), hasCode("policy_data_conflict"));
    assert.deepEqual(mergeData({ a: { b: 1 } }, { a: { c: 2 } }), { a: { b: 1, c: 2 } });
  });

  it("refuses data that do not fit its memory", async () => {
    const many = fixtureData(
      Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`role-${at}`, { exact: ["table"] }])),
    );
    const load = PolicyDecisionPoint.load({
      bundle: await fixtureBundle(),
      data: many,
      maxMemoryBytes: 2 * 1024 * 1024,
    });
    await assert.rejects(load, hasCode("policy_data_too_large"));
  });
});

describe("the self-test", () => {
  it("refuses a policy that allows an empty question, fails on it, or does not decide it", () => {
    const answer = (result: unknown) => () => [{ result }];
    const allow = { allow: true, reasons: [], roles: [], obligations: [] };
    assert.throws(() => requireDenial(answer(allow)), hasCode("policy_allows_nothing_asked"));
    assert.throws(
      () => requireDenial(answer({ ...allow, obligations: [{ kind: "x" }] })),
      hasCode("policy_allows_nothing_asked"),
    );
    assert.throws(() => requireDenial(() => []), hasCode("policy_self_test_failed"));
    assert.throws(() => requireDenial(answer({ allow: false })), hasCode("policy_self_test_failed"));
    assert.throws(
      () =>
        requireDenial(() => {
          throw new EvaluationFault("policy_failed", "x");
        }),
      hasCode("policy_self_test_failed"),
    );
    requireDenial(
      answer({ ...allow, allow: false, reasons: [{ code: "no_roles", message: "m", access: null, role: null }] }),
    );
  });

  it("falls back to the package's path when ours differs on a single question, in answer or in fault", () => {
    const inputs = smokeInputs(DATA);
    const theirs = (input: object): unknown => [{ result: JSON.stringify(input).length }];
    assert.equal(choosePath(theirs, theirs, inputs), "direct");
    assert.equal(
      choosePath((input) => (input === inputs.at(-1) ? [] : theirs(input)), theirs, inputs),
      "fallback",
    );
    const asked = new Set<object>();
    const forgetful = (input: object): unknown => (asked.has(input) ? [] : (asked.add(input), theirs(input)));
    assert.equal(choosePath(forgetful, theirs, inputs), "fallback", "kept documents are asked about as well");
    const throwing = (): unknown => {
      throw new EvaluationFault("policy_failed", "x");
    };
    assert.equal(choosePath(throwing, theirs, inputs), "fallback");
    assert.equal(choosePath(throwing, throwing, inputs), "direct");
  });

  it("asks about roles that there are, so that allows are compared as well as denials", async () => {
    const engine = await engineOf({});
    const entrypoint = engine.entrypoint("postern/decision") ?? -1;
    const data = fixtureData({ any: { re: ["^(?:.*)$"] } });
    const own = await Engine.load({
      ...(await fixtureBundle()),
      data: mergeData((await fixtureBundle()).data, { ...data }),
      fuel: BigInt(DEFAULT_FUEL),
    });
    const said = smokeInputs(data).map((input) =>
      JSON.stringify(own.evaluate(input, entrypoint)).includes('"allow":true'),
    );
    assert.ok(said.includes(true) && said.includes(false));
  });
});

async function engineOf(answers: Record<string, unknown>, maxMemoryBytes?: number): Promise<Engine> {
  const { wasm, data } = await fixtureBundle(answers);
  return Engine.load({ wasm, data: mergeData(data, { ...DATA }), fuel: BigInt(DEFAULT_FUEL), maxMemoryBytes });
}

describe("Engine", () => {
  it("answers as the npm package does on thousands of seeded questions, well-formed or not", async () => {
    const engine = await engineOf({});
    const entrypoint = engine.entrypoint("postern/decision") ?? -1;
    let seed = 20_261_122;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const words = [
      "orders",
      "audit",
      "logs-1",
      "logs-x",
      "é",
      "😀",
      "\u0000",
      '"\\',
      "\u2028",
      "",
      "ключ",
      "\\ud800",
      "a".repeat(5_000),
    ];
    const word = (): string => words[random(words.length)] ?? "";
    const junk = (): unknown => [null, 1e21, -0.5, true, [], {}, "x", [[[1]]], 9_007_199_254_740_993][random(9)];
    const allows = [0, 0];
    for (let round = 0; round < 3_000; round++) {
      const roles = Array.from({ length: random(4) }, () => ["dev", "ops", "none", word()][random(4)] ?? "");
      const input: Record<string, unknown> = { ...fixtureInput(roles, word(), word()) };
      if (random(5) === 0) input[["user", "request", "version", "extra"][random(4)] ?? ""] = junk();
      const ours = engine.evaluate(input, entrypoint, { path: "direct" });
      const theirs = engine.evaluate(input, entrypoint, { path: "fallback" });
      assert.deepEqual(ours, theirs, JSON.stringify(input).slice(0, 300));
      const which = JSON.stringify(ours).includes('"allow":true') ? 1 : 0;
      allows[which] = (allows[which] ?? 0) + 1;
    }
    assert.ok(
      allows.every((count) => count > 100),
      String(allows),
    );
  });

  it("keeps shared documents apart and true, however many there are and whatever else it is asked", async () => {
    const engine = await engineOf({});
    const entrypoint = engine.entrypoint("postern/decision") ?? -1;
    const sharing = (roles: readonly string[], padding: string): PolicyInput => {
      const { user, database, ...rest } = fixtureInput(roles, "orders");
      return {
        ...rest,
        user: Object.freeze({ ...user, traits: { padding: [padding] } }),
        database: Object.freeze(database),
      };
    };
    // Together they are larger than what is kept at a time.
    const inputs = Array.from({ length: 60 }, (_, at) =>
      sharing([["dev", "ops", "none"][at % 3] ?? ""], "é".repeat(at * 3_000)),
    );
    let allowed = 0;
    for (let round = 0; round < 3; round++) {
      for (const [at, input] of inputs.entries()) {
        const ours = engine.evaluate(input, entrypoint);
        if (round === 1 && at % 7 === 0)
          assert.throws(() => engine.evaluate(fixtureInput(["dev"], "\ud800"), entrypoint));
        if (round === 2 && at % 5 === 0)
          engine.evaluate(fixtureInput(["ops"], "audit"), entrypoint, { path: "fallback" });
        assert.deepEqual(ours, engine.evaluate(structuredClone(input), entrypoint), `${round} ${at}`);
        assert.deepEqual(engine.evaluate(input, entrypoint), ours, `${round} ${at}, again`);
        if (JSON.stringify(ours).includes('"allow":true')) allowed += 1;
      }
    }
    assert.equal(allowed, 60);
  });

  it("leaves a small memory enough to evaluate, however many documents are shared", async () => {
    const engine = await engineOf({}, 4 * 1024 * 1024);
    const entrypoint = engine.entrypoint("postern/decision") ?? -1;
    const { user, database, ...rest } = fixtureInput(["dev"], "orders");
    for (let at = 0; at < 400; at++) {
      const traits = { padding: [String(at), "é".repeat(10_000)] };
      const input = { ...rest, user: Object.freeze({ ...user, traits }), database: Object.freeze({ ...database }) };
      assert.match(JSON.stringify(engine.evaluate(input, entrypoint)), /"allow":true/);
    }
  });

  it("knows no entrypoint by an inherited name", async () => {
    assert.equal((await engineOf({})).entrypoint("toString"), undefined);
  });
});
