// Compiles policies/ to build/policy/bundle.tar.gz and control.tar.gz where their builds are out of date.

import { buildPolicy } from "./lib/built-policy.mjs";
import { findOpa } from "./lib/find-opa.mjs";

const say = (line) => process.stderr.write(`postern: ${line}\n`);

try {
  const opa = await findOpa({ say });
  for (const name of ["bundle", "control"]) {
    const { output, revision } = await buildPolicy({ opa, say, name });
    process.stdout.write(`${output} ${revision}\n`);
  }
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}
