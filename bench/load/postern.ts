/** Postern in the bench: the shipped package with a configuration of the bench's world, on Node or on Deno. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { toolPath } from "./build.ts";
import { type Child, startProgram, startScript, temporaryDirectory } from "./processes.ts";
import { ACCOUNT, DATABASE, DB_USER, resourceFiles, userNames, type World } from "./roles.ts";
import type { Upstream } from "./upstream.ts";

export interface PosternOptions {
  /** The package's directory. */
  readonly place: string;
  readonly runtime: "node" | "deno";
  readonly upstream: Upstream;
  readonly world: World;
  readonly tls: boolean;
  readonly workers?: number;
  /** Lets the bench ask a Node process for its heap. */
  readonly probe?: boolean;
  /** Options of Node itself, before the script. */
  readonly nodeOptions?: readonly string[];
}

export interface RunningPostern {
  readonly child: Child;
  /** One for each session. */
  readonly ports: readonly number[];
  /** On the clock of `performance`: when it was started, and when its last listener was bound. */
  readonly startedAt: number;
  readonly readyAt: number;
  stop(): Promise<void>;
}

/** Starts it and waits until every listener is bound. */
export async function startPostern(options: PosternOptions): Promise<RunningPostern> {
  const { place, runtime, upstream, world, tls, workers = 1, probe = false, nodeOptions = [] } = options;
  const directory = temporaryDirectory();
  mkdirSync(join(directory.path, "resources"));
  for (const [name, text] of resourceFiles(world)) writeFileSync(join(directory.path, "resources", name), text);
  const file = join(directory.path, "postern.yaml");
  writeFileSync(file, configuration(directory.path, upstream.origin(tls), world, workers));
  const env = posternEnvironment(upstream);
  const start = ["start", "-c", file];
  const script = join(place, "dist", "postern.mjs");
  const startedAt = performance.now();
  const child =
    runtime === "deno"
      ? startProgram(denoProgram() ?? "deno", ["run", "--no-check", "--allow-all", script, ...start], env)
      : probe
        ? startScript(script, start, env, ["--expose-gc", "--import", toolPath("heap-probe")])
        : startProgram(process.execPath, [...nodeOptions, join(place, "bin", "postern"), ...start], env);
  const sessions = userNames(world).length;
  const said = await child.says(/"address":"127\.0\.0\.1:(\d+)".*"Listening"/, sessions * workers);
  const readyAt = performance.now();
  return {
    child,
    startedAt,
    readyAt,
    ports: [...new Set(said.map(Number))],
    async stop() {
      await child.stop();
      directory.remove();
    },
  };
}

/** What AWS would be. */
export function posternEnvironment(upstream: Upstream): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: "AKIABENCHOWN00000000",
    AWS_SECRET_ACCESS_KEY: "bench",
    AWS_REGION: DATABASE.region,
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${upstream.ports.sts}`,
    NODE_EXTRA_CA_CERTS: upstream.caFile,
    DENO_CERT: upstream.caFile,
  };
}

/** The deno program itself: DENO_BIN, the one that npm installed, PATH. npm's launcher would be a process of its own. */
export function denoProgram(): string | undefined {
  const named = process.env["DENO_BIN"];
  if (named !== undefined && named !== "") return named;
  const candidates: string[] = [];
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("deno/package.json"));
    const libc = process.platform === "linux" ? "-glibc" : "";
    const name = `@deno/${process.platform}-${process.arch}${libc}/package.json`;
    candidates.push(join(dirname(require.resolve(name)), "deno"));
  } catch {
    // It is not installed.
  }
  for (const directory of (process.env["PATH"] ?? "").split(delimiter))
    if (isAbsolute(directory) && !directory.includes("node_modules")) candidates.push(join(directory, "deno"));
  return candidates.find((candidate) => existsSync(candidate));
}

function configuration(directory: string, uri: string, world: World, workers: number): string {
  const { region, labels } = DATABASE;
  const listeners = userNames(world).map((user) => ({
    address: "127.0.0.1:0",
    user,
    database: DATABASE.name,
    db_user: DB_USER,
  }));
  const databases = Array.from({ length: world.databases }, (_, at) => ({
    name: `example-${at}`,
    protocol: "dynamodb",
    uri,
    static_labels: labels,
    aws: { region, account_id: ACCOUNT },
  }));
  // YAML is a superset of JSON.
  return JSON.stringify({
    version: "v3",
    postern: {
      data_dir: join(directory, "data"),
      resources: join(directory, "resources"),
      workers,
      log: { format: "json" },
    },
    db_service: { enabled: "yes", listeners, databases },
  });
}
