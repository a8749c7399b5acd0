import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { loadBuiltinBundle, loadControlBundle } from "../../../src/cli/policy/builtin.ts";
import { Authorizer, CONTROL_REASONS, type ControlInput } from "../../../src/control/authorize.ts";

const QUESTION: ControlInput = {
  version: 1,
  time: "2026-11-26T12:00:00.000Z",
  actor: { name: "ada", roles: ["editor"], traits: {}, kind: "user" },
  verb: "list",
  resource: { kind: "role", name: null },
  change: { before: null, after: null },
  roles: {},
  editors: { before: 1, after: 1 },
  reach: { before: false, after: false },
};

describe("Authorizer", async () => {
  const authorizer = await Authorizer.load(await loadControlBundle());

  it("answers in WebAssembly as the Rego says", () => {
    assert.deepEqual(authorizer.decide(QUESTION), { allow: true });
    assert.deepEqual(authorizer.decide({ ...QUESTION, actor: { ...QUESTION.actor, roles: ["access"] } }), {
      allow: false,
      reasons: [{ code: "not_granted", message: 'user "ada" holds no role that grants list on role' }],
    });
  });

  it("denies a question that cannot be asked, and answers the next", () => {
    const name = "\ud800";
    const decision = authorizer.decide({ ...QUESTION, resource: { kind: "role", name } });
    assert.equal(decision.allow, false);
    assert.equal(decision.allow || decision.reasons[0]?.code, "control_failed");
    assert.deepEqual(authorizer.decide(QUESTION), { allow: true });
  });

  it("denies a question of the wrong shape", () => {
    const decision = authorizer.decide({ ...QUESTION, version: 2 } as unknown as ControlInput);
    assert.equal(decision.allow || decision.reasons[0]?.code, "control_undefined");
  });

  it("takes no other policy for it", async () => {
    await assert.rejects(Authorizer.load(await loadBuiltinBundle()), { code: "control_policy_invalid" });
  });

  it("knows every reason that the schema of answers names", () => {
    const file = new URL("../../../policies/schemas/control-decision.json", import.meta.url);
    const schema = JSON.parse(readFileSync(file, "utf8")) as {
      properties: { reasons: { items: { properties: { code: { enum: string[] } } } } };
    };
    const said = schema.properties.reasons.items.properties.code.enum;
    assert.deepEqual([...said, "control_failed", "locked"].sort(), Object.keys(CONTROL_REASONS).sort());
  });
});
