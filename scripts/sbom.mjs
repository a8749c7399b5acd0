// Writes the bill of materials of what ships (CycloneDX JSON, from package-lock.json) to standard output.
// Usage: node scripts/sbom.mjs [--check]; with --check it writes nothing and fails if the bill lacks a dependency.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { run } from "./lib/compile-policy.mjs";
import { root } from "./lib/steps.mjs";

const npm = process.env.npm_execpath;
const [command, first] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
const args = ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--package-lock-only"];
const { code, stdout, stderr } = await run(command, [...first, ...args], { cwd: root });

try {
  if (code !== 0) throw new Error(`npm sbom ended with ${code}: ${stderr.trim()}`);
  const bill = JSON.parse(stdout);
  const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const listed = new Set(bill.components.map((component) => `${component.group ? `${component.group}/` : ""}${component.name}`));
  const absent = Object.keys(dependencies).filter((name) => !listed.has(name));
  if (absent.length > 0) throw new Error(`The bill of materials lacks ${absent.join(", ")}`);
  if (process.argv.includes("--check")) {
    process.stderr.write(`postern: the bill of materials lists ${bill.components.length} components\n`);
  } else {
    process.stdout.write(stdout);
  }
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}
