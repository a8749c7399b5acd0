import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { PosternError } from "../../src/base/errors.ts";
import { compileDirectory } from "../../src/cli/policy/index.ts";
import { ACTION_TABLE } from "../../src/dynamodb/catalogue.ts";
import { parseBundle } from "../../src/policy/bundle.ts";
import { compilePolicyData } from "../../src/policy/data.ts";
import { PolicyDecisionPoint } from "../../src/policy/pdp.ts";
import { fixtureInput } from "../support/policy-fixture.ts";

const DATA = compilePolicyData(
  [
    {
      name: "everything",
      allow: { db_labels: { "*": ["*"] }, db_users: ["*"] },
      deny: { db_labels: {}, db_users: [] },
    },
  ],
  ACTION_TABLE,
);

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "postern-custom-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Whether a user whom roles allow everything is allowed, with this Rego beside the built-in policy. */
async function allowedWith(rego: string): Promise<boolean> {
  await writeFile(join(directory, "custom.rego"), rego);
  const bundle = await parseBundle(await compileDirectory(directory), "custom");
  const pdp = await PolicyDecisionPoint.load({ bundle, data: DATA });
  return pdp.decide(fixtureInput(["everything"], "orders")).allow;
}

describe("a denial in a package of one's own", () => {
  it("counts one level below postern.custom", async () => {
    assert.equal(await allowedWith('package postern.custom.freeze\n\ndeny contains "frozen" if false\n'), true);
    assert.equal(await allowedWith('package postern.custom.freeze\n\ndeny contains "frozen"\n'), false);
  });

  it("cannot be written where nobody would ask for it", async () => {
    for (const name of ["team.freeze", "team.payments.freeze"]) {
      await assert.rejects(
        allowedWith(`package postern.custom.${name}\n\ndeny contains "frozen"\n`),
        (error: unknown) => {
          assert.ok(error instanceof PosternError && error.code === "policy_package_refused", String(error));
          assert.match(error.message, /more than one level below postern\.custom/);
          return true;
        },
      );
    }
  });

  it("does not stop tests from having packages of their own", async () => {
    await writeFile(join(directory, "freeze_test.rego"), "package postern.custom.freeze.test\n");
    assert.equal(await allowedWith('package postern.custom.freeze\n\ndeny contains "frozen"\n'), false);
  });

  it("counts in every shape that is not a set of messages", async () => {
    for (const deny of [
      "deny if true",
      "default deny := false",
      'deny := {"a": true}',
      'deny := "no"',
      "deny := [1]",
    ]) {
      assert.equal(await allowedWith(`package postern.custom.odd\n\n${deny}\n`), false, deny);
    }
  });
});
