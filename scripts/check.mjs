// The gate before a commit: format, lint, types, architecture, unit and policy tests, documents; in under ten seconds.
// --static runs no tests. --all adds what takes longer: every test with the real parts, dead code, licences, the bill
// of materials, Deno.

import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

import { programOf, root, runSteps, typescript } from "./lib/steps.mjs";

const all = process.argv.includes("--all");
const tests = !process.argv.includes("--static");
const env = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
const quiet = true;
const spec = ["--test-reporter=spec"];
const remembered = ["--incremental", "--tsBuildInfoFile", "build/types.tsbuildinfo"];
const units = ["tests/unit/", "tests/contract/", "tests/architecture"];
// Half of their time is waiting, for files and for children.
const width = Math.min(4, Math.max(2, availableParallelism()));

const steps = [];
if (tests) {
  // The longest first: the others fit beside them.
  for (let shard = 1; shard <= width; shard += 1) {
    const words = ["--quick", `--shard=${shard}/${width}`, ...units];
    steps.push({ name: `unit tests ${shard} of ${width}`, args: typescript("tests/main.ts", words, spec), env, quiet });
  }
  steps.push({ name: "opa fmt, check and test", args: ["scripts/rego.mjs", "--quick"], quiet });
}
steps.push(
  { name: "lint", args: programOf("oxlint"), quiet },
  { name: "types", args: programOf("typescript", ["-p", ".", ...remembered], "bin/tsc"), quiet },
  { name: "format", args: programOf("oxfmt", ["--check"]), quiet },
);
// What each document is made from is compared with it by a test, in tests/unit; links and paths in tests/architecture.
if (all) {
  steps.push(
    { name: "every TypeScript test", args: typescript("tests/main.ts", ["--scenario"], spec), env, quiet },
    { name: "dead code", args: programOf("knip"), quiet },
    { name: "licences", args: ["scripts/licenses.mjs"], quiet },
    { name: "bill of materials", args: ["scripts/sbom.mjs", "--check"], quiet },
    { name: "Deno: pure rooms", args: programOf("deno", ["task", "test"]), quiet },
    { name: "Deno: gateway", args: programOf("deno", ["task", "test:gateway"]), quiet },
  );
  if (existsSync(join(root, "src/mod.ts"))) {
    steps.push({ name: "API documents", args: programOf("deno", ["doc", "--lint", "src/mod.ts"]), quiet });
  }
}
await runSteps(steps, all ? 1 : width + 1);
