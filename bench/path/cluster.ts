/** A cluster as the guide sets it up, each part a process of the shipped package: auth and proxy service, an agent, a local port. */

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { posternEnvironment } from "../load/postern.ts";
import { accepting, type Child, freePort, startProgram, temporaryDirectory } from "../load/processes.ts";
import { ACCOUNT, DATABASE, DB_USER, roleDocuments, rolesHeld, userNames, type World } from "../load/roles.ts";
import type { Upstream } from "../load/upstream.ts";

export interface ClusterOptions {
  /** The package's directory. */
  readonly place: string;
  readonly upstream: Upstream;
  readonly world: World;
  /** Options of Node itself for the process of each part, before the script. */
  readonly nodeOptions?: (part: Part) => readonly string[];
}

/** The processes of a cluster, in the order in which a request meets them. */
export const PARTS = ["local port", "proxy", "agent"] as const;
export type Part = (typeof PARTS)[number];

/** What `postern credentials` prints. */
export interface SdkCredentials {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly SessionToken: string;
}

export interface RunningCluster {
  readonly children: Readonly<Record<Part, Child>>;
  readonly ports: { readonly door: number; readonly local: number };
  /** PEM of those who vouch for the door. */
  readonly ca: string;
  readonly credentials: SdkCredentials;
  stop(): Promise<void>;
}

const PASSWORD = "correct horse battery";
/** As many resources as `ctl` takes. */
const AT_A_TIME = 24;

/** Starts it and waits until the local port listens and keys for SDKs have been had. */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { place, upstream, world, nodeOptions = () => [] } = options;
  const directory = temporaryDirectory();
  const home = join(directory.path, "home");
  const launcher = join(place, "bin", "postern");
  const env = { HOME: home, POSTERN_HOME: join(home, ".postern"), NO_COLOR: "1" };
  const file = (name: string, document: object): string => {
    const path = join(directory.path, `${name}.yaml`);
    // YAML is a superset of JSON.
    writeFileSync(path, JSON.stringify(document));
    return path;
  };
  const start = (part: Part, words: readonly string[], more: Readonly<Record<string, string>> = {}): Child =>
    startProgram(process.execPath, [...nodeOptions(part), launcher, ...words], { ...env, ...more });
  const run = (words: readonly string[], input = ""): Promise<string> =>
    succeed(process.execPath, [launcher, ...words], { cwd: directory.path, env, input });
  mkdirSync(home);

  const started: Child[] = [];
  const stop = async (): Promise<void> => {
    for (const child of started.toReversed()) await child.stop();
    directory.remove();
  };
  try {
    const auth = file("auth", authConfiguration(directory.path));
    const proxy = start("proxy", ["start", "-c", auth]);
    started.push(proxy);
    const [door = ""] = await proxy.says(/"address":"127\.0\.0\.1:(\d+)".*"Listening"/);
    const ctl = (words: readonly string[], input = ""): Promise<string> => run(["ctl", "-c", auth, ...words], input);
    const [pin = ""] = (JSON.parse(await ctl(["status", "-f", "json"])) as { ca_pins: string[] }).ca_pins;
    const roles = roleDocuments(world);
    for (let at = 0; at < roles.length; at += AT_A_TIME)
      await ctl(["create", "-f"], roles.slice(at, at + AT_A_TIME).join("\n---\n"));
    const [user = ""] = userNames(world);
    await ctl(["users", "add", user, `--roles=${rolesHeld(world).join(",")}`, "--password-stdin"], PASSWORD);

    const token = join(directory.path, "token");
    writeFileSync(token, await ctl(["tokens", "add", "--type=db", "--format=text"]));
    const configuration = agentConfiguration(directory.path, { door, token, pin, uri: upstream.origin(false) });
    const agent = start("agent", ["start", "-c", file("agent", configuration)], posternEnvironment(upstream));
    started.push(agent);
    await agent.says(/(A tunnel is open)/);

    await run(
      ["login", `--proxy=127.0.0.1:${door}`, `--user=${user}`, "--password-stdin", `--ca-pin=${pin}`],
      PASSWORD,
    );
    const [database, dbUser] = [DATABASE.name, `--db-user=${DB_USER}`];
    const credentials = JSON.parse(await run(["credentials", dbUser, database])) as SdkCredentials;
    await run(["db", "profile", dbUser, database]);
    const port = await freePort();
    const local = start("local port", ["proxy", "db", "--tunnel", dbUser, `--port=${port}`, database]);
    started.push(local);
    await accepting(port, local);
    return {
      children: { "local port": local, proxy, agent },
      ports: { door: Number(door), local: port },
      ca: bundleIn(env.POSTERN_HOME),
      credentials,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function authConfiguration(directory: string): object {
  return {
    version: "v3",
    postern: { nodename: "proxy", data_dir: join(directory, "proxy"), log: { format: "json" } },
    auth_service: { enabled: "yes", cluster_name: "bench", authentication: { second_factor: "off" } },
    proxy_service: { enabled: "yes", listen_addr: "127.0.0.1:0" },
    db_service: { enabled: "no" },
  };
}

interface AgentWords {
  readonly door: string;
  readonly token: string;
  readonly pin: string;
  readonly uri: string;
}

/** All else is as in `startPostern`, so that the two differ in the way alone. */
function agentConfiguration(directory: string, { door, token, pin, uri }: AgentWords): object {
  const { name, region, labels } = DATABASE;
  return {
    version: "v3",
    postern: {
      nodename: "agent",
      data_dir: join(directory, "agent"),
      log: { format: "json" },
      proxy_server: `127.0.0.1:${door}`,
      auth_token: token,
      ca_pin: pin,
    },
    db_service: {
      enabled: "yes",
      databases: [{ name, protocol: "dynamodb", uri, static_labels: labels, aws: { region, account_id: ACCOUNT } }],
    },
  };
}

/** What `postern db profile` keeps for SDKs. */
function bundleIn(directory: string): string {
  const name = readdirSync(directory).find((each) => each.endsWith(".pem"));
  if (name === undefined) throw new Error("There is no CA bundle for SDKs");
  return readFileSync(join(directory, name), "utf8");
}

interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
}

/** @returns what it prints. @throws Error when it fails, with what it said */
function succeed(command: string, args: readonly string[], { cwd, env, input }: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, [...args], { cwd, env }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${args.join(" ")}: ${stderr}`)),
    );
    child.stdin?.on("error", () => undefined).end(input);
  });
}
