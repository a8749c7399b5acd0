// Makes a fresh clone ready: dependencies, the OPA compiler, the compiled policy. Does nothing when nothing has changed.
// What `npm test` and `npm run demo` call first, so it needs nothing but Node.

import { run } from "./lib/compile-policy.mjs";
import { buildPolicy, PROJECT } from "./lib/built-policy.mjs";
import { dependenciesAreFresh } from "./lib/dependencies.mjs";
import { findOpa } from "./lib/find-opa.mjs";
import { withLock } from "./lib/lock.mjs";

const say = (line) => process.stderr.write(`postern: ${line}\n`);

try {
  await setUp();
} catch (error) {
  process.stderr.write(`postern: error: ${error.message}\n`);
  process.exitCode = 1;
}

async function setUp() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    throw new Error(`Node ${process.version} is too old: 20.19 is needed`);
  if (!(await dependenciesAreFresh(PROJECT))) {
    await withLock(`${PROJECT}/build/.setup.lock`, say, async () => {
      if (!(await dependenciesAreFresh(PROJECT))) await install();
    });
  }
  // Held by the cache's own renames: two that look for OPA at once do the work twice, and neither harms the other.
  const opa = await findOpa({ say });
  await buildPolicy({ opa, say });
  await buildPolicy({ opa, say, name: "control" });
}

async function install() {
  say("Installing dependencies with npm ci");
  const ci = await npm("ci");
  if (ci.code === 0) return;
  // A registry that lacks the optional packages of other platforms cannot give a lock file that names them, and npm ci
  // insists that it does. What the lock file does name, npm install takes from it, and --no-save leaves it as it is.
  if (!/can only install packages when your package\.json and/.test(ci.stderr)) throw failed("ci", ci);
  say("The lock file does not name every optional package; installing what it names with npm install");
  const install = await npm("install", "--no-save");
  if (install.code !== 0) throw failed("install", install);
}

function npm(...args) {
  const program = process.env.npm_execpath;
  const [command, first] = program?.endsWith(".js") ? [process.execPath, [program]] : ["npm", []];
  return run(command, [...first, ...args, "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: PROJECT });
}

function failed(command, { code, stdout, stderr }) {
  return new Error(`npm ${command} ended with ${code}:\n${(stderr || stdout).trim()}`);
}
