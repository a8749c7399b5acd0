/** Postern as users run it: the launcher, a configuration file, an environment; addresses are read off its log. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

export interface PosternProcessOptions {
  /** YAML of roles, users and locks. */
  readonly resources: string;
  /** The `databases` entry's uri. */
  readonly uri: string;
  readonly env: Readonly<Record<string, string>>;
  readonly dbUser?: string;
  readonly accountId?: string;
  /** One database and one listener for each; absent: us-east-1. */
  readonly regions?: readonly string[];
  readonly workers?: number;
  /** An existing data directory; absent: one of its own. */
  readonly dataDir?: string;
  /** More YAML below `postern:`. */
  readonly postern?: string;
  /** More YAML beside `postern:`. */
  readonly sections?: string;
  /** Another program than the sources of this checkout. */
  readonly launcher?: string;
}

export interface PosternProcess {
  /** Of the first region. */
  readonly url: string;
  /** By region. */
  readonly urls: Readonly<Record<string, string>>;
  readonly diagnostics: string;
  readonly directory: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly child: ChildProcess;
  /** What it said on stderr so far. */
  log(): string;
  /** Sends a signal and waits for the end. @returns the exit code, or the signal's name */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
  /** Stops it and removes its files. */
  close(): Promise<void>;
}

/** Starts a process with one listener for alice and waits until it is ready. */
export async function startPostern(options: PosternProcessOptions): Promise<PosternProcess> {
  const directory = mkdtempSync(join(tmpdir(), "postern-process-"));
  mkdirSync(join(directory, "resources"));
  writeFileSync(join(directory, "resources", "all.yaml"), options.resources);
  const configFile = join(directory, "postern.yaml");
  writeFileSync(configFile, configuration(options));
  const child = spawn(
    process.execPath,
    [options.launcher ?? LAUNCHER, "start", "-c", configFile, "--diag-addr", "127.0.0.1:0"],
    {
      env: { ...environment(), ...options.env },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code ?? -1));
  });
  const found = (pattern: RegExp): Promise<string> =>
    waitFor(
      () => pattern.exec(text)?.[1],
      ended,
      () => text,
    );
  const diagnostics = `http://${await found(/Diagnostics.*address=(\S+)/)}`;
  const url = `http://${await found(/Listening.*address=(\S+)/)}`;
  const urls: Record<string, string> = {};
  for (const [at, region] of (options.regions ?? ["us-east-1"]).entries()) {
    urls[region] = `http://${await found(new RegExp(`Listening.*address=(\\S+).*database=${nameOf(at)}(?!\\S)`))}`;
  }
  await waitFor(
    async () => ((await fetch(`${diagnostics}/readyz`).catch(() => undefined))?.status === 200 ? true : undefined),
    ended,
    () => text,
  );
  const stop = (signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> => {
    child.kill(signal);
    return ended;
  };
  return {
    url,
    urls,
    diagnostics,
    directory,
    dataDir: options.dataDir ?? join(directory, "data"),
    configFile,
    child,
    log: () => text,
    stop,
    async close() {
      if (child.exitCode === null && child.signalCode === null) await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The environment without anything that would point an AWS SDK elsewhere. */
function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("AWS_"),
    ),
  );
}

function configuration({
  uri,
  dbUser = "ExampleRole",
  accountId = "123456789012",
  regions = ["us-east-1"],
  workers = 1,
  dataDir = "./data",
  postern = "",
  sections = "",
}: PosternProcessOptions): string {
  const listeners = regions.map(
    (_, at) => `    - {address: "127.0.0.1:0", user: alice, database: ${nameOf(at)}, db_user: "${dbUser}"}`,
  );
  const databases = regions.map(
    (region, at) =>
      `    - {name: ${nameOf(at)}, protocol: dynamodb, uri: "${uri}", static_labels: {env: dev}, aws: {region: ${region}, account_id: "${accountId}"}}`,
  );
  return `
version: v3
postern:
  nodename: test
  data_dir: ${dataDir}
  resources: ./resources
  workers: ${workers}
  ${postern}
${sections}
db_service:
  enabled: "yes"
  listeners:
${listeners.join("\n")}
  databases:
${databases.join("\n")}
`;
}

/** Of the database of the region that stands there. */
function nameOf(at: number): string {
  return at === 0 ? "example" : `example-${at + 1}`;
}

/** Asks again and again, until it is there, the process has ended, or half a minute is over. */
async function waitFor<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  ended: Promise<number | string>,
  log: () => string,
): Promise<T> {
  let over: number | string | undefined;
  void ended.then((how) => (over = how));
  for (const giveUp = Date.now() + 30_000; Date.now() < giveUp;) {
    const value = await ask();
    if (value !== undefined) return value;
    if (over !== undefined) throw new Error(`Postern ended with ${over}:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Postern did not become ready:\n${log()}`);
}
