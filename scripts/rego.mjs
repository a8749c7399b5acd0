// Checks the policy as OPA can: format, strict types against the schemas, tests, and how much of it the tests reach.
// The run that measures fails where a test does, but does not count: --quick is content with it.

import { run } from "./lib/compile-policy.mjs";
import { findOpa } from "./lib/find-opa.mjs";
import { root } from "./lib/steps.mjs";

const quick = process.argv.includes("--quick");
const threshold = 95;
const writeCases = `
  import { mkdir, writeFile } from "node:fs/promises";
  import { casesData, readCases } from "./scripts/policy-cases.ts";
  await mkdir("build", { recursive: true });
  await writeFile("build/policy-cases.json", JSON.stringify(casesData(await readCases())));
`;

try {
  const opa = await findOpa({ say: (line) => process.stderr.write(`postern: ${line}\n`) });
  const types = ["--strict", "--schema", "policies/schemas", "--capabilities", "policies/capabilities.json"];
  await Promise.all([
    expectNothing(opa.path, ["fmt", "--fail", "--list", "policies"], "These files are not formatted (opa fmt -w):"),
    expectNothing(opa.path, ["check", ...types, "policies"], "opa check found:"),
    // The golden cases, as data for the tests. Their page for people is not written here: a test compares it.
    expectSuccess(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", writeCases]),
  ]);
  // All golden cases are one test to OPA, and its own bound of five seconds is short on a busy machine.
  const bound = ["--timeout", "60s"];
  const test = ["test", "policies", "build/policy-cases.json", "--ignore", "cases", "--ignore", "schemas", ...bound];
  const [said, covered] = await Promise.all([
    quick ? "" : expectSuccess(opa.path, test),
    expectSuccess(opa.path, [...test, "--coverage"]),
  ]);
  process.stdout.write(said);
  const { coverage } = JSON.parse(covered);
  process.stdout.write(`opa coverage: ${coverage.toFixed(1)} % of the policy's lines, ${threshold} % asked for\n`);
  if (coverage < threshold)
    throw new Error(`Tests reach ${coverage.toFixed(1)} % of the policy, less than ${threshold} %`);
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}

async function expectSuccess(program, args) {
  const { code, stdout, stderr } = await run(program, args, { cwd: root });
  if (code !== 0) throw new Error(`opa ${args[0]} failed:\n${`${stdout}\n${stderr}`.trim()}`);
  return stdout;
}

async function expectNothing(program, args, complaint) {
  const { code, stdout, stderr } = await run(program, args, { cwd: root });
  const output = `${stdout}\n${stderr}`.trim();
  if (code !== 0 || output !== "") throw new Error(`${complaint}\n${output}`);
}
