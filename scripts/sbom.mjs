// Writes the bill of materials of what ships (CycloneDX JSON, from package-lock.json) to standard output.
// Usage: node scripts/sbom.mjs [--check]; with --check it writes nothing and fails if the bill lacks a dependency.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { run } from "./lib/compile-policy.mjs";
import { root } from "./lib/steps.mjs";

const npm = process.env.npm_execpath;
const [command, first] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
// Not `--omit dev`, which also leaves out what both we and a tool of ours depend on.
const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
const { code, stdout, stderr } = await run(command, [...first, ...args], { cwd: root });

try {
  if (code !== 0) throw new Error(`npm sbom ended with ${code}: ${stderr.trim()}`);
  const bill = shipped(JSON.parse(stdout));
  const { name, dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  // npm calls the project after the folder that it lies in.
  bill.metadata.component.name = name;
  const listed = new Set(
    bill.components.map((component) => `${component.group ? `${component.group}/` : ""}${component.name}`),
  );
  const absent = Object.keys(dependencies).filter((dependency) => !listed.has(dependency));
  if (absent.length > 0) throw new Error(`The bill of materials lacks ${absent.join(", ")}`);
  if (process.argv.includes("--check")) {
    process.stderr.write(`postern: the bill of materials lists ${bill.components.length} components\n`);
  } else {
    process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
  }
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}

/** The bill without what is there for development only. */
function shipped(bill) {
  const isForDevelopment = (component) =>
    component.properties?.some((property) => property.name === "cdx:npm:package:development") ?? false;
  const left = bill.components.filter((component) => !isForDevelopment(component));
  const refs = new Set([bill.metadata.component["bom-ref"], ...left.map((component) => component["bom-ref"])]);
  const dependencies = bill.dependencies
    .filter((dependency) => refs.has(dependency.ref))
    .map((dependency) => ({ ...dependency, dependsOn: dependency.dependsOn.filter((ref) => refs.has(ref)) }));
  return { ...bill, components: left, dependencies };
}
