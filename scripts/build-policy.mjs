// Compiles policies/ to build/policy/bundle.tar.gz when its build is out of date.

import { buildPolicy } from "./lib/built-policy.mjs";
import { findOpa } from "./lib/find-opa.mjs";

const say = (line) => process.stderr.write(`postern: ${line}\n`);

try {
  const { output, revision } = await buildPolicy({ opa: await findOpa({ say }), say });
  process.stdout.write(`${output} ${revision}\n`);
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}
