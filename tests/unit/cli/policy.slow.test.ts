import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { PosternError } from "../../../src/base/errors.ts";
import { CommandError } from "../../../src/cli/command-error.ts";
import { compileDirectory, policyCommand } from "../../../src/cli/policy/index.ts";
import { loadBundle, parseBundle } from "../../../src/policy/bundle.ts";
import { PolicyDecisionPoint } from "../../../src/policy/pdp.ts";
import { fixtureInput } from "../../support/policy-fixture.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "postern-user-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function write(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(directory, name)), { recursive: true });
  await writeFile(join(directory, name), text);
}

const HOURS = `package postern.custom.hours

deny contains "closed" if {
	input.request.operation == data.postern.custom.hours.closed
}
`;
const EMPTY = { postern: { compiled: { version: 1, roles: {}, indexes: {} } } } as const;

describe("postern policy build, by OPA", () => {
  it("joins the user's packages and data to the built-in policy, where their deny counts", async () => {
    await write("hours.rego", HOURS);
    await write("hours_test.rego", "package postern.custom.hours_test\n");
    await write("postern/custom/hours/data.yaml", "closed: GetItem\n");
    const bundle = await parseBundle(await compileDirectory(directory), "user");
    assert.deepEqual(bundle.data, { postern: { custom: { hours: { closed: "GetItem" } } } });
    const pdp = await PolicyDecisionPoint.load({ bundle, data: EMPTY });
    const decision = pdp.decide(fixtureInput([], "orders"));
    assert.ok(
      !decision.allow && decision.reasons.some(({ code }) => code === "custom_denied"),
      JSON.stringify(decision),
    );
    assert.equal((await parseBundle(await compileDirectory(directory), "user")).revision, bundle.revision);
  });

  it("writes the bundle in one step, under the revision asked for", async () => {
    await write("hours.rego", HOURS);
    const file = join(directory, "out.tar.gz");
    await policyCommand().parseAsync(["build", directory, "-o", file, "--revision", "r7"], { from: "user" });
    assert.equal((await loadBundle(file)).revision, "r7");
    assert.deepEqual((await readdir(directory)).toSorted(), ["hours.rego", "out.tar.gz"]);
  });

  it("refuses what OPA refuses: a misspelt field of input, a builtin that WebAssembly has not, a syntax error", async () => {
    const bodies: readonly [string, RegExp][] = [
      ['deny contains "x" if input.reqest', /input\.reqest[\s\S]*x\.rego:3|x\.rego:3[\s\S]*input\.reqest/],
      ['deny contains "x" if time.now_ns() > 0', /x\.rego:3[\s\S]*time\.now_ns/],
      ["deny contains if", /x\.rego:3/],
    ];
    for (const [body, message] of bodies) {
      await write("x.rego", `package postern.custom.x\n\n${body}\n`);
      await assert.rejects(compileDirectory(directory), (error) => {
        assert.ok(error instanceof PosternError && error.code === "policy_build_failed", String(error));
        assert.match(error.message, message);
        assert.ok(error.message.includes(directory));
        return true;
      });
    }
  });
});

describe("postern policy test", () => {
  const example = fileURLToPath(new URL("../../../examples/tenants/", import.meta.url));
  const launcher = fileURLToPath(new URL("../../../bin/postern", import.meta.url));
  // In a process of its own: what OPA says of tests that are meant to fail is not for whoever reads of ours.
  const test = (policies: string, resources: string): Promise<unknown> =>
    promisify(execFile)(process.execPath, [launcher, "policy", "test", policies, "--resources", resources]);

  it("holds the roles of a directory to the tests of another, as in the example of tenants", async () => {
    await test(join(example, "policies"), join(example, "resources"));
    await cp(join(example, "resources"), join(directory, "resources"), { recursive: true });
    const file = join(directory, "resources", "roles.yaml");
    const roles = await readFile(file, "utf8");
    // Each slip in a role fails a test of the example.
    for (const [right, wrong] of [
      ['leading_keys: ["{{external.tenant}}"]', 'leading_keys: ["*"]'],
      ['attributes: [tenant, id, status, "address.city"]', "attributes: [tenant, id, status, address, card]"],
      ["attributes: [tenant, id, status]\n", "attributes: [tenant, id, status, total]\n"],
      ["db_users: [OrdersApp]", "db_users: [Another]"],
    ] as const) {
      assert.ok(roles.includes(right), right);
      await writeFile(file, roles.replace(right, wrong));
      await assert.rejects(test(join(example, "policies"), join(directory, "resources")), /Policy tests failed/, wrong);
    }
  });

  it("fails where there is no test, and where the resources cannot be used", async () => {
    await write("x.rego", HOURS);
    await assert.rejects(policyCommand().parseAsync(["test", directory], { from: "user" }), (error) => {
      assert.ok(error instanceof CommandError && error.exitCode === 1);
      assert.match(error.hint ?? "", /_test\.rego/);
      return true;
    });
    await write(
      "roles.yaml",
      "kind: role\nversion: v7\nmetadata: {name: r}\nspec: {allow: {db_rules: [{actions: [reed]}]}}\n",
    );
    await assert.rejects(test(directory, directory), /roles\.yaml:4:.*"reed"[^]*did you mean "read"/);
  });
});

describe("docs/policy/custom.md", () => {
  const page = new URL("../../../docs/policy/custom.md", import.meta.url);

  it("shows packages that compile", async () => {
    const blocks = [...(await readFile(page, "utf8")).matchAll(/```rego\n([^]*?)```/g)].map(([, rego = ""]) => rego);
    assert.ok(blocks.length >= 2);
    for (const [at, rego] of blocks.entries()) await write(`${at}.rego`, rego);
    await compileDirectory(directory);
  });

  it("has a row for every function of the library", async () => {
    const library = await readFile(new URL("../../../policies/postern/lib/lib.rego", import.meta.url), "utf8");
    const functions = [...library.matchAll(/^# title:.*\n(?:#.*\n)*([a-z]\w*)\(/gm)].map(([, name = ""]) => name);
    assert.ok(functions.length >= 14, functions.join());
    const text = await readFile(page, "utf8");
    assert.deepEqual(
      functions.filter((name) => !text.includes(`\`${name}(`)),
      [],
    );
  });
});
