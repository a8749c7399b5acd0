import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
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
