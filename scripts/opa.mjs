// Runs the OPA that this project uses, with the arguments given: node scripts/opa.mjs test policies

import { spawn } from "node:child_process";

import { findOpa } from "./lib/find-opa.mjs";

try {
  const opa = await findOpa({ say: (line) => process.stderr.write(`postern: ${line}\n`) });
  const child = spawn(opa.path, process.argv.slice(2), { stdio: "inherit" });
  child.on("close", (code, signal) => {
    process.exitCode = signal === null ? code : 1;
  });
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}
