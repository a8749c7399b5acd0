// Checks that every package that runs with Postern comes under a licence that we accept and needs no install script.
// Usage: node scripts/licenses.mjs [--list]

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { root } from "./lib/steps.mjs";

const accepted = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Python-2.0",
  "Unlicense",
]);

const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
const faults = [];
const counts = new Map();
for (const [place, entry] of Object.entries(lock.packages)) {
  // A package for another platform is in the lock without being here.
  if (place === "" || entry.dev === true || entry.devOptional === true) continue;
  const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
  if (entry.hasInstallScript === true) faults.push(`${name} ${entry.version} runs a script when it is installed`);
  if (entry.optional === true && !existsSync(join(root, place))) continue;
  const licence = await licenceOf(place, entry);
  if (!isAccepted(licence)) faults.push(`${name} ${entry.version} is under "${licence}", which is not accepted`);
  counts.set(licence, (counts.get(licence) ?? 0) + 1);
  if (process.argv.includes("--list")) process.stdout.write(`${name} ${entry.version}: ${licence}\n`);
}

const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
const summary = [...counts].sort(([, one], [, other]) => other - one).map(([licence, count]) => `${count} ${licence}`);
process.stderr.write(`postern: ${total} packages run with Postern: ${summary.join(", ")}\n`);
if (total === 0) faults.push("package-lock.json names no package");
for (const fault of faults) process.stderr.write(`postern: error: ${fault}\n`);
if (faults.length > 0) process.exitCode = 1;

async function licenceOf(place, entry) {
  const manifest = JSON.parse(await readFile(join(root, place, "package.json"), "utf8"));
  const named = manifest.license ?? manifest.licenses ?? entry.license;
  if (typeof named === "string") return named;
  if (Array.isArray(named)) return named.map((one) => one.type).join(" OR ");
  return named?.type ?? "unknown";
}

/** One of the alternatives of an SPDX expression must be accepted, in all its parts. */
function isAccepted(expression) {
  const alternatives = expression.replaceAll(/[()]/g, "").split(" OR ");
  return alternatives.some((alternative) =>
    alternative.split(" AND ").every((licence) => accepted.has(licence.trim())),
  );
}
