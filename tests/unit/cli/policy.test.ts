import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
import { CommandError } from "../../../src/cli/command-error.ts";
import { compileDirectory, loadBuiltinBundle, policyCommand } from "../../../src/cli/policy/index.ts";
import { idlePackages, readUserPolicy } from "../../../src/cli/policy/user-policy.ts";
import { parseBundle } from "../../../src/policy/bundle.ts";
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

function refused(code: string, line: number, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PosternError, String(error));
    assert.deepEqual([error.code, error.position?.line], [code, line]);
    assert.match(error.message, message);
    return true;
  };
}

describe("postern policy build", () => {
  it("refuses packages that are not below postern.custom.NAME, with their place", async () => {
    const packages: readonly [string, RegExp][] = [
      ["postern.custom", /miscompiles/],
      ["postern", /change the built-in policy/],
      ["postern.allow", /change the built-in policy/],
      ["system.log", /only packages below/],
      ['postern.custom["a b"]', /only packages below/],
      ["postern.customs.x", /./],
    ];
    for (const [name, message] of packages) {
      await write("x.rego", `# first\n\npackage ${name} # why\n\ndeny := set()\n`);
      await assert.rejects(compileDirectory(directory), refused("policy_package_refused", 3, message), name);
    }
    await write("x.rego", "deny := set()\n");
    await assert.rejects(compileDirectory(directory), refused("policy_package_refused", 1, /no package statement/));
  });

  it("refuses data outside of the user's packages, and two values for one place", async () => {
    await write("hours.rego", HOURS);
    for (const [name, text] of [
      ["data.json", '{"postern": {"compiled": {}}}'],
      ["postern/custom/data.json", "1"],
      ["a/b.yaml", "c: 1"],
    ] as const) {
      await write(name, text);
      await assert.rejects(
        compileDirectory(directory),
        refused("policy_data_refused", 1, /not below data\.postern\.custom/),
        name,
      );
      await rm(join(directory, name));
    }
    await write("postern/custom/hours/a.json", '{"x": 1}');
    await write("postern/custom/hours/b.json", '{"x": 2}');
    await assert.rejects(compileDirectory(directory), refused("policy_data_refused", 1, /"x" is defined/));
  });

  it("warns of a package that neither denies nor obliges, as one whose deny is mistyped", async () => {
    await write("a.rego", 'package postern.custom.a\n\nDeny contains "x"\n');
    await write("b1.rego", "package postern.custom.b\n\nhelp := 1\n");
    await write("b2.rego", 'package postern.custom.b\n\ndeny contains "x" if help == 2\n');
    await write("c.rego", "package postern.custom.c\n\ndefault obligations := []\n");
    assert.deepEqual(idlePackages(await readUserPolicy(directory)), [
      "package postern.custom.a has neither deny nor obligations: by itself it does nothing",
    ]);
  });

  it("stops a package that never ends, and says that the policy ran out of steps", async () => {
    await write(
      "slow.rego",
      'package postern.custom.slow\n\ndeny contains "never" if {\n\tinput.user.name == "alice"\n\tsome i in numbers.range(1, 5000)\n\tsome j in numbers.range(1, 5000)\n\ti * j == -1\n}\n',
    );
    const bundle = await parseBundle(await compileDirectory(directory), "user");
    const pdp = await PolicyDecisionPoint.load({ bundle, data: EMPTY });
    const decision = pdp.decide(fixtureInput([], "orders"));
    assert.ok(!decision.allow);
    assert.deepEqual(
      decision.reasons.map(({ code }) => code),
      ["policy_timeout"],
    );
  });
});

describe("the built-in bundle", () => {
  it("is found from a checkout's build and from a package's dist, and missed with a remedy", async () => {
    const bytes = await readFile(new URL("../../../build/policy/bundle.tar.gz", import.meta.url));
    const from = new URL(`file://${join(directory, "dist", "main.js")}`).href;
    await write("package.json", "{}");
    await assert.rejects(
      loadBuiltinBundle(from),
      (error) => error instanceof PosternError && error.code === "policy_not_built",
    );
    await mkdir(join(directory, "dist", "policy"), { recursive: true });
    await writeFile(join(directory, "dist", "policy", "bundle.tar.gz"), bytes);
    const { revision } = await parseBundle(bytes, "x");
    assert.equal((await loadBuiltinBundle(from)).revision, revision);
  });
});

describe("postern policy", () => {
  it("ends every help in examples that name their own command", () => {
    for (const command of policyCommand().commands) {
      let help = "";
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      const last = help.trim().split("\n").at(-1) ?? "";
      assert.match(last, new RegExp(`^  postern policy ${command.name()} `));
    }
  });

  it("is misused when DIR is not a directory", async () => {
    for (const name of ["check", "test", "fmt"]) {
      const running = policyCommand().parseAsync([name, join(directory, "none")], { from: "user" });
      await assert.rejects(running, (error) => error instanceof CommandError && error.exitCode === 2);
    }
  });

  it("fmt --check fails on what fmt then puts right", async () => {
    await write("x.rego", "package postern.custom.x\n\ndeny   :=   set()\n");
    const fmt = (...flags: string[]): Promise<unknown> =>
      policyCommand().parseAsync(["fmt", ...flags, directory], { from: "user" });
    await fmt();
    await fmt("--check");
    assert.equal(await readFile(join(directory, "x.rego"), "utf8"), "package postern.custom.x\n\ndeny := set()\n");
  });
});
