/**
 * Runs every test in one process: node --import tsx tests/main.ts [--scenario] [--quick] [--shard=1/2] [part of a path …].
 * Files under tests/scenario run only with --scenario or when a part of their path is given; --quick leaves out what is
 * named *.slow.test.ts; --shard takes one of n parts, of neighbours, which need much the same of src/.
 */

import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const words = process.argv.slice(2);
const filters = words.filter((word) => !word.startsWith("--"));
const quick = words.includes("--quick");
const withScenarios = words.includes("--scenario") || filters.some((filter) => filter.includes("scenario"));

const shard = words.find((word) => word.startsWith("--shard="))?.slice("--shard=".length) ?? "1/1";
const [which = 1, of = 1] = shard.split("/").map(Number);

const files = (await readdir(folder, { recursive: true }))
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => withScenarios || !file.startsWith("scenario/"))
  .filter((file) => !quick || !file.endsWith(".slow.test.ts"))
  .filter((file) => filters.length === 0 || filters.some((filter) => `tests/${file}`.includes(filter)))
  .sort()
  .filter((_, index, all) => Math.floor((index * of) / all.length) === which - 1);

if (files.length === 0) {
  process.stderr.write(`postern: error: No test has ${filters.join(" or ")} in its path\n`);
  process.exitCode = 2;
}

// What started us sends this when nothing has happened for long: then say what keeps the process alive.
process.once("SIGTERM", () => {
  process.stderr.write(`postern: error: Still open: ${process.getActiveResourcesInfo().join(", ") || "nothing"}\n`);
  process.exit(1);
});

// The cluster and the logins of whoever runs the tests are not theirs.
const nowhere = join(tmpdir(), `postern-tests-${process.pid}-none`);
process.env["XDG_DATA_HOME"] = nowhere;
process.env["POSTERN_HOME"] = nowhere;

for (const file of files) await import(pathToFileURL(folder + file).href);
