import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";

import * as opaWasm from "@open-policy-agent/opa-wasm";
import * as z from "zod";

import { type PolicySource, readSources } from "../../../scripts/lib/compile-policy.mjs";
import { anchorOf, CASES_PAGE, casesPage, readCases, runnable } from "../../../scripts/policy-cases.ts";
import { parseBundle } from "../../../src/policy/bundle.ts";
import { REASONS } from "../../../src/policy/decision.ts";
import { compileCached } from "../../support/cached-policy.ts";

const policies = new URL("../../../policies/", import.meta.url).pathname;
const files = await readCases();

interface Reason {
  readonly code: string;
  readonly message: string;
}

interface Answer {
  readonly allow: boolean;
  readonly reasons: readonly Reason[];
  readonly obligations: readonly unknown[];
}

type Policy = Awaited<ReturnType<typeof opaWasm.loadPolicy>>;

async function loadPolicy(extra: readonly PolicySource[] = []): Promise<Policy> {
  const sources = [...(await readSources(policies)), ...extra];
  const bundle = await compileCached({ sources, capabilities: `${policies}capabilities.json`, revision: "test" });
  const wasm = (await parseBundle(bundle, "test")).wasm.slice();
  assert.ok(WebAssembly.validate(wasm));
  return opaWasm.loadPolicy(wasm);
}

function answer(policy: Policy, data: object, input: unknown): Answer {
  policy.setData(data);
  const results = policy.evaluate(input, "postern/decision") as { result: Answer }[];
  assert.equal(results.length, 1);
  return (results[0] as { result: Answer }).result;
}

describe("golden cases in WebAssembly", () => {
  let policy: Policy;
  before(async () => {
    policy = await loadPolicy();
  });

  for (const file of files) {
    for (const golden of file.cases) {
      it(`${file.name}: ${golden.name}`, () => {
        const { input, data, want } = runnable(golden);
        assert.deepEqual(answer(policy, data, input), want);
      });
    }
  }

  it("tells which regular expressions RE2 refuses", () => {
    const patterns = ["^a$", "^(a$", "^a)|(b$", "^(?=a)$", String.raw`^\Qa$`, String.raw`^(?:^\Qa$)$`];
    const results = policy.evaluate({ patterns }, "postern/patterns/invalid") as { result: string[] }[];
    assert.deepEqual(results[0]?.result.toSorted(), ["^(a$", "^(?=a)$", "^a)|(b$", String.raw`^(?:^\Qa$)$`].toSorted());
  });
});

describe("golden cases", () => {
  it("are many, and each has a name of its own", () => {
    const names = files.flatMap((file) => file.cases.map((golden) => `${file.name}: ${golden.name}`));
    assert.ok(names.length >= 40);
    assert.equal(new Set(names).size, names.length);
  });

  it("are shown as they are in docs/policy/cases.md", async () => {
    assert.equal(await readFile(CASES_PAGE, "utf8"), casesPage(files), "run: npx tsx scripts/policy-cases.ts");
  });

  it("have the shapes of policies/schemas, questions, data and answers alike", async () => {
    const schemaOf = async (name: string): Promise<z.ZodType> =>
      z.fromJSONSchema(
        JSON.parse(await readFile(`${policies}schemas/${name}.json`, "utf8")) as z.core.JSONSchema.JSONSchema,
      );
    const [question, document, decision] = await Promise.all([
      schemaOf("input"),
      schemaOf("data"),
      schemaOf("decision"),
    ]);
    for (const golden of files.flatMap((file) => file.cases)) {
      const { input, data, want } = runnable(golden);
      question.parse(input);
      document.parse(data.postern.compiled);
      decision.parse(want);
      assert.equal(question.safeParse({ ...input, more: 1 }).success, false);
    }
  });

  it("are there wherever docs/policy/roles.md points at one", async () => {
    const roles = await readFile(new URL("../../../docs/policy/roles.md", import.meta.url), "utf8");
    const anchors = new Set(files.flatMap((file) => [file.title, ...file.cases.map(({ name }) => name)]).map(anchorOf));
    const pointed = [...roles.matchAll(/cases\.md#([^)]*)\)/g)].map((found) => found[1] ?? "");
    assert.ok(pointed.length > 10);
    assert.deepEqual(
      pointed.filter((anchor) => !anchors.has(anchor)),
      [],
    );
  });

  it("know every reason code that the Rego gives, and the Rego gives none that is not listed", async () => {
    const sources = await readSources(policies);
    const given = new Set(
      sources.flatMap(({ text }) =>
        [...text.matchAll(/_reason\("(\w+)"|"code": "(\w+)"/g)].map((found) => found[1] ?? found[2] ?? ""),
      ),
    );
    const wanted = new Set(
      files.flatMap((file) => file.cases.flatMap((golden) => (golden.want.reasons ?? []).map(({ code }) => code))),
    );
    assert.deepEqual(
      [...given].filter((code) => !Object.hasOwn(REASONS, code)),
      [],
    );
    // The two that a question of the right shape to the built-in policy cannot get.
    assert.deepEqual([...given].filter((code) => !wanted.has(code)).toSorted(), ["custom_denied", "policy_undefined"]);
  });
});

describe("policy packages of an installation", () => {
  const HOURS = `package postern.custom.hours

is_night(time) if substring(time, 11, 2) < "06"

deny contains {"message": concat("", ["closed for ", input.user.name]), "access": 0} if is_night(input.time)

obligations contains {"kind": "note", "text": "day"} if not is_night(input.time)
`;
  const [golden] = files[0]?.cases ?? [];
  assert.ok(golden !== undefined && golden.want.allow);
  const { input, data } = runnable(golden);

  it("may hold functions, deny, and add obligations", async () => {
    const policy = await loadPolicy([{ name: "postern/custom/hours/hours.rego", text: HOURS }]);
    assert.deepEqual(answer(policy, data, input).obligations, [{ kind: "note", text: "day" }]);
    assert.deepEqual(answer(policy, data, { ...input, time: "2026-11-22T03:00:00.000Z" }), {
      allow: false,
      reasons: [{ code: "custom_denied", message: 'policy package "hours": closed for alice', access: 0, role: null }],
      roles: [],
      obligations: [],
    });
  });

  it("join several at once", async () => {
    const strict = `package postern.custom.strict\n\ndeny contains "only with MFA" if not input.user.mfa_verified\n`;
    const policy = await loadPolicy([
      { name: "postern/custom/hours/hours.rego", text: HOURS },
      { name: "postern/custom/strict/strict.rego", text: strict },
    ]);
    const night = answer(policy, data, { ...input, time: "2026-11-22T03:00:00.000Z" });
    assert.deepEqual(
      night.reasons.map(({ message }) => message),
      ['policy package "strict": only with MFA', 'policy package "hours": closed for alice'],
    );
  });

  const wrong: [string, string, RegExp][] = [
    ["boolean", "deny := false", /must be a set of messages, not a value of type boolean/],
    ["text", 'deny := "no"', /must be a set of messages, not a value of type string/],
    ["numbers", "deny contains 7", /neither a string nor/],
    ["object_of_texts", 'deny := {"a": "b"}', /must be a set of messages, not a value of type object/],
    ["kindless", 'obligations contains {"attribute": "ssn"}', /obligations hold an entry without a kind/],
    ["object", 'obligations := {"kind": "mask"}', /must be a set of objects, not a value of type object/],
  ];
  it("deny when they hold what has the wrong type, and say what", async () => {
    const sources = wrong.map(([name, rule]) => ({
      name: `postern/custom/${name}/${name}.rego`,
      text: `package postern.custom.${name}\n\n${rule}\n`,
    }));
    const { allow, reasons } = answer(await loadPolicy(sources), data, input);
    assert.equal(allow, false);
    for (const [name, , message] of wrong) {
      const told = reasons.filter((reason) => reason.message.startsWith(`policy package "${name}": `));
      assert.ok(
        told.some((reason) => reason.code === "custom_denied" && message.test(reason.message)),
        name,
      );
    }
  });

  it("cannot use builtins that WebAssembly lacks, that would run outside the meter, or that break its memory", async () => {
    const calls = [
      "time.now_ns()",
      'regex.split("a", "b")',
      'yaml.unmarshal("a")',
      "http.send({})",
      'io.jwt.decode("x")',
      // In OPA 1.22 "true" and "false" make it let go of memory that all evaluations share.
      'json.is_valid("x")',
    ];
    const text = `package postern.custom.odd\n\n${calls.map((call) => `deny contains "x" if ${call}\n`).join("\n")}`;
    await assert.rejects(loadPolicy([{ name: "postern/custom/odd/odd.rego", text }]), (error: Error) => {
      for (const call of calls)
        assert.match(error.message, new RegExp(`undefined function ${call.split("(")[0] ?? ""}`));
      return true;
    });
  });
});
