// Runs every check of `npm test`: the TypeScript tests in one process, then the policy's own. Words given narrow the
// TypeScript tests to files with one of them in their path, and leave the policy's out.
// Scenarios that need parts which are not installed are skipped and say why; POSTERN_REQUIRE_PEERS=1 makes that a failure.

import { runSteps, typescript } from "./lib/steps.mjs";

// Its warning that Node 20 has an end is no news in every run.
const env = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
const words = process.argv.slice(2);
const tests = typescript("tests/main.ts", words.length > 0 ? words : ["--scenario"], ["--test-reporter=spec"]);
const steps = [{ name: "TypeScript tests", args: tests, env }];
if (words.length === 0) {
  steps.push({ name: "opa fmt, check and test", args: ["scripts/rego.mjs"] });
}
await runSteps(steps);
