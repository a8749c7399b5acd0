// Installs the real parts that tests hold Postern against: DynamoDB Local (Maven), moto, boto3, the aws CLI and pytest
// (pip), moto's own tests of DynamoDB (its source distribution), Kubernetes' schemas with what holds manifests to them (pip),
// dynamodb-admin (npm), and Chromium (apt-get).
// Usage: node scripts/peers.mjs [--only dynamodb-local,moto] [--paths]
// Each part lies under a key made of what it is built from, so a second run does nothing and a changed pin builds anew.
// --paths installs nothing and prints, as JSON, where each part is, or null.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { parseArgs } from "node:util";

const dynamodbLocal = "3.3.1";
// DynamoDB Local names SDK jars that were never published; a later SDK serves it as well.
const awsSdkBom = "2.54.15";
const moto = "5.2.5";
const clients = ["boto3==1.44.5", "botocore==1.44.8", "awscli==1.46.3"];
const kubernetesValidate = "kubernetes-validate==1.37.0";
const dynamodbAdmin = "dynamodb-admin@5.3.3";
const wheels = [`moto[server]==${moto}`, ...clients, "pytest==9.2.0", "freezegun==1.5.5"];

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postern</groupId><artifactId>peers</artifactId><version>1</version><packaging>pom</packaging>
  <dependencyManagement><dependencies><dependency>
    <groupId>software.amazon.awssdk</groupId><artifactId>bom</artifactId><version>${awsSdkBom}</version>
    <type>pom</type><scope>import</scope>
  </dependency></dependencies></dependencyManagement>
  <dependencies><dependency>
    <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId><version>${dynamodbLocal}</version>
  </dependency></dependencies>
</project>
`;

const cache = join(process.env.XDG_CACHE_HOME || join(process.env.HOME || homedir(), ".cache"), "postern", "peers");
const parts = {
  "dynamodb-local": { place: placeOf("dynamodb-local", pom), install: installDynamodbLocal },
  moto: { place: placeOf("moto", wheels.join("\n")), install: (place) => installWheels(place, wheels) },
  "kubernetes-validate": {
    place: placeOf("kubernetes-validate", kubernetesValidate),
    install: (place) => installWheels(place, [kubernetesValidate]),
  },
  // Needs the pip that moto brings.
  "moto-tests": { place: placeOf("moto-tests", moto), install: installMotoTests },
  "dynamodb-admin": { place: placeOf("dynamodb-admin", dynamodbAdmin), install: installDynamodbAdmin },
  chromium: { place: placeOf("chromium", "system"), install: installChromium },
};

const { values } = parseArgs({ options: { only: { type: "string" }, paths: { type: "boolean", default: false } } });

if (values.paths) {
  process.stdout.write(`${JSON.stringify(paths(), null, 2)}\n`);
} else {
  try {
    await installAll(values.only?.split(",") ?? Object.keys(parts));
  } catch (error) {
    process.stderr.write(`postern: error: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function placeOf(name, content) {
  return join(cache, `${name}-${createHash("sha256").update(content).digest("hex").slice(0, 12)}`);
}

function paths() {
  const jars = parts["dynamodb-local"].place;
  const bin = join(parts.moto.place, "bin");
  const tests = parts["moto-tests"].place;
  const hasPython = existsSync(join(parts.moto.place, "complete"));
  return {
    dynamodbLocal: existsSync(join(jars, "complete")) ? jars : null,
    motoServer: hasPython ? join(bin, "moto_server") : null,
    python: hasPython ? join(bin, "python") : null,
    awsCli: hasPython ? join(bin, "aws") : null,
    kubernetesValidate: programIn(parts["kubernetes-validate"].place, "kubernetes-validate"),
    motoTests: existsSync(join(tests, "complete")) ? tests : null,
    dynamodbAdmin: existsSync(join(parts["dynamodb-admin"].place, "complete"))
      ? join(parts["dynamodb-admin"].place, "node_modules", "dynamodb-admin", "dist", "dynamodb-admin.js")
      : null,
    chromium: onPath("chromium") ?? onPath("chromium-browser") ?? onPath("google-chrome"),
  };
}

function onPath(program) {
  const found = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, program));
  return found.find((path) => isAbsolute(path) && existsSync(path)) ?? null;
}

function programIn(place, name) {
  return existsSync(join(place, "complete")) ? join(place, "bin", name) : null;
}

async function installAll(names) {
  for (const name of names) {
    const part = parts[name];
    if (part === undefined) throw new Error(`Cannot install "${name}": the parts are ${Object.keys(parts).join(", ")}`);
    if (existsSync(join(part.place, "complete"))) {
      say(`${name} is installed`);
      continue;
    }
    await mkdir(cache, { recursive: true });
    await part.install(part.place);
    say(`${name} installed`);
  }
}

async function installDynamodbLocal(place) {
  await need("java", ["-version"], ["default-jre-headless"]);
  await need("mvn", ["-v"], ["maven"]);
  say(`Fetching DynamoDB Local ${dynamodbLocal} with Maven`);
  const building = await mkdtemp(join(cache, "building-"));
  try {
    await writeFile(join(building, "pom.xml"), pom);
    await run(
      "mvn",
      ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${join(building, "lib")}`],
      building,
    );
    // The library is loaded by its name without a version.
    for (const file of await readdir(join(building, "lib"))) {
      const unversioned = file.replace(/^(libsqlite4java-.+)-[\d.]+(\.(?:so|dylib))$/, "$1$2");
      if (unversioned !== file) await symlink(file, join(building, "lib", unversioned));
    }
    await writeFile(join(building, "complete"), `${dynamodbLocal}\n`);
    await adopt(building, place);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function installWheels(place, names) {
  await need("python3", ["-c", "import ensurepip, venv"], ["python3", "python3-venv"]);
  say(`Installing ${names.join(", ")} with pip`);
  // A virtual environment cannot be moved: it is built in place and counts only once "complete" is there.
  await rm(place, { recursive: true, force: true });
  await run("python3", ["-m", "venv", place], tmpdir());
  await run(join(place, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", ...names], tmpdir());
  await writeFile(join(place, "complete"), `${names.join("\n")}\n`);
}

/** A part and no development dependency: what it brings along is nobody's who works on Postern. */
async function installDynamodbAdmin(place) {
  say(`Installing ${dynamodbAdmin} with npm`);
  const building = await mkdtemp(join(cache, "building-"));
  try {
    const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    await run("npm", ["install", "--prefix", building, ...quiet, dynamodbAdmin], building);
    await writeFile(join(building, "complete"), `${dynamodbAdmin}\n`);
    await adopt(building, place);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

/** The system's own: whatever version it has is one that people have. */
async function installChromium(place) {
  if (paths().chromium === null) await need("chromium", ["--version"], ["chromium"]);
  await mkdir(place, { recursive: true });
  await writeFile(join(place, "complete"), `${paths().chromium}\n`);
}

async function installMotoTests(place) {
  const pip = join(parts.moto.place, "bin", "pip");
  if (!existsSync(pip)) throw new Error("Cannot install moto-tests without moto: leave out --only, or name both");
  say(`Fetching the tests of moto ${moto} with pip`);
  const building = await mkdtemp(join(cache, "building-"));
  try {
    const source = ["--no-deps", "--no-binary", "moto", `moto==${moto}`];
    await run(pip, ["download", "--quiet", "--disable-pip-version-check", "-d", building, ...source], tmpdir());
    const archive = `moto-${moto}.tar.gz`;
    await run("tar", ["-xzf", archive, "--strip-components=1", `moto-${moto}/tests`, `moto-${moto}/LICENSE`], building);
    await rm(join(building, archive));
    await writeFile(join(building, "complete"), `${moto}\n`);
    await adopt(building, place);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function adopt(building, place) {
  await rm(place, { recursive: true, force: true });
  await rename(building, place);
}

/** Makes sure that a program runs; on a Debian machine where we are root, installs the packages that bring it. */
async function need(program, args, packages) {
  if (await works(program, args)) return;
  if (process.getuid?.() !== 0 || !(await works("apt-get", ["--version"]))) {
    throw new Error(`Cannot run ${program}: it is missing (on Debian: apt-get install ${packages.join(" ")})`);
  }
  say(`Installing ${packages.join(" ")} with apt-get`);
  const options = { DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-qq"], tmpdir(), options);
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], tmpdir(), options);
  if (!(await works(program, args))) throw new Error(`Cannot run ${program} though ${packages.join(" ")} is installed`);
}

async function works(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "ignore" });
    child.once("error", () => resolve(false));
    child.once("close", (code) => resolve(code === 0));
  });
}

async function run(program, args, cwd, env = {}) {
  await new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk) => {
      output = (output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", (error) => reject(new Error(`Cannot run ${program}: ${error.message}`)));
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args[0] ?? ""} ended with ${code}:\n${output.trim()}`));
    });
  });
}

function say(line) {
  process.stderr.write(`postern: ${line}\n`);
}
