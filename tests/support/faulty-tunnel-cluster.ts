/** A cluster as people run it: two proxies over one store behind a balancer, agents, and a local port; all processes. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { type Balancer, startBalancer } from "./balancer.ts";
import { eventually } from "./eventually.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
import { auditOf, ORDERS } from "./gateway.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";

/** A process of the cluster; ended and begun again under the same name. */
export interface Service {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** What it said on stderr. */
  log(): string;
  out(): string;
}

export const ROLE = (actions = '"*"'): string =>
  `{kind: role, version: v7, metadata: {name: dev}, spec: {allow: {db_labels: {env: dev}, db_users: [ExampleRole], db_rules: [{actions: [${actions}], tables: ["*"]}]}}}\n`;

export interface TunnelClusterOptions {
  readonly proxies: readonly string[];
  readonly agents: readonly string[];
}

/** Started with everything up; `stop` ends every process. */
export class TunnelCluster {
  readonly directory: string = mkdtempSync(join(tmpdir(), "postern-tunnels-"));
  readonly sandbox: Sandbox;
  /** Between agents and balancer, and between the local port and balancer. */
  readonly agentsNet: FaultProxy;
  readonly clientsNet: FaultProxy;
  readonly #balancer: Balancer;
  readonly #services = new Map<string, Service>();
  readonly #doors = new Map<string, string>();
  pin = "";

  static async start({ proxies, agents }: TunnelClusterOptions): Promise<TunnelCluster> {
    const sandbox = await startSandbox({ remember: 1_000_000 });
    await sandbox.seed([ORDERS]);
    const doors = new Map<string, string>();
    const balancer = await startBalancer(() => [...doors.values()]);
    const [agentsNet, clientsNet] = [
      await startFaultProxy(() => balancer.address),
      await startFaultProxy(() => balancer.address),
    ];
    const cluster = new TunnelCluster(sandbox, { balancer, agentsNet, clientsNet, doors });
    try {
      await cluster.#begin(proxies, agents);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private constructor(
    sandbox: Sandbox,
    nets: { balancer: Balancer; agentsNet: FaultProxy; clientsNet: FaultProxy; doors: Map<string, string> },
  ) {
    this.sandbox = sandbox;
    this.#balancer = nets.balancer;
    this.agentsNet = nets.agentsNet;
    this.clientsNet = nets.clientsNet;
    this.#doors = nets.doors;
  }

  async #begin(proxies: readonly string[], agents: readonly string[]): Promise<void> {
    mkdirSync(join(this.directory, "shared"), { mode: 0o700 });
    for (const name of proxies) await this.startProxy(name);
    this.pin = (JSON.parse(await this.ctl(["status", "-f", "json"])) as { ca_pins: string[] }).ca_pins[0] ?? "";
    await this.ctl(["create", "-f"], ROLE());
    await this.ctl(["users", "add", "alice", "--roles=dev", "--password-stdin"], PASSWORD);
    for (const name of agents) await this.startAgent(name);
    for (const name of agents) await eventually(() => this.service(name).log().includes("A tunnel is open"));
    await this.logIn();
  }

  service(name: string): Service {
    const found = this.#services.get(name);
    if (found === undefined) throw new Error(`There is no ${name}`);
    return found;
  }

  /** How many proxies an agent holds a tunnel to, by its own log. */
  tunnelsOf(agent: string): number {
    const log = this.service(agent).log();
    const count = (text: string): number => log.split(text).length - 1;
    return count("A tunnel is open") - count("A tunnel has ended");
  }

  async startProxy(name: string): Promise<void> {
    const file = join(this.directory, `${name}.yaml`);
    const port = this.#doors.get(name)?.split(":")[1] ?? "0";
    writeFileSync(
      file,
      `
version: v3
postern: {nodename: ${name}, data_dir: ./${name}}
auth_service:
  enabled: "yes"
  cluster_name: example
  storage: {type: sqlite, path: ./shared/store.sqlite}
  sealing: {type: file, path: ./shared/sealing.key}
  authentication: {second_factor: "off"}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:${port}", max_connections_per_address: 1000}
db_service: {enabled: "no"}
`,
    );
    const service = this.#spawn(name, ["start", "-c", file]);
    await up(service, () => /Listening.*address=/.test(service.log()));
    this.#doors.set(name, /Listening.*address=(\S+)/.exec(service.log())?.[1] ?? "");
  }

  async startAgent(name: string): Promise<void> {
    const file = join(this.directory, `${name}.yaml`);
    if (!this.#services.has(name)) {
      const token = join(this.directory, `${name}.token`);
      writeFileSync(token, await this.ctl(["tokens", "add", "--type=db", "--format=text"]));
      writeFileSync(
        file,
        `
version: v3
postern:
  nodename: ${name}
  data_dir: ./${name}
  proxy_server: ${this.agentsNet.address}
  auth_token: ${token}
  ca_pin: ${this.pin}
db_service:
  enabled: "yes"
  databases:
  - name: example
    protocol: dynamodb
    uri: ${this.sandbox.dynamodb.url}
    static_labels: {env: dev}
    aws: {region: us-east-1, account_id: "123456789012"}
`,
      );
    }
    const service = this.#spawn(name, ["start", "-c", file], this.sandbox.env);
    await up(service, () => service.log().includes("A tunnel is open"));
  }

  /** @returns the local port */
  async openLocalPort(name = "local"): Promise<number> {
    const service = this.#spawn(name, ["proxy", "db", "--tunnel", "--db-user=ExampleRole", "example"]);
    await up(service, () => /on 127\.0\.0\.1:\d+\./.test(service.out()));
    return Number(/on 127\.0\.0\.1:(\d+)\./.exec(service.out())?.[1]);
  }

  async logIn(): Promise<void> {
    await this.run(
      ["login", `--proxy=${this.clientsNet.address}`, "--user=alice", "--password-stdin", `--ca-pin=${this.pin}`],
      PASSWORD,
    );
  }

  /** `postern ctl` with the configuration of a proxy. */
  ctl(words: readonly string[], input = ""): Promise<string> {
    const [first = ""] = this.#doors.keys();
    return this.run(["ctl", "-c", join(this.directory, `${first}.yaml`), ...words], input);
  }

  /** @returns what it prints. @throws when it fails, with what it said */
  run(words: readonly string[], input = ""): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        process.execPath,
        [LAUNCHER, ...words],
        { cwd: this.directory, env: this.#env() },
        (error, stdout, stderr) =>
          error === null ? resolve(stdout) : reject(new Error(`${words.join(" ")}: ${stderr}`)),
      );
      child.stdin?.on("error", () => undefined).end(input);
    });
  }

  /** Ends a process by a signal, and waits until it is gone. */
  async kill(name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { child, ended } = this.service(name);
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  }

  /** What all agents have on record. */
  audit(agents: readonly string[]): Record<string, unknown>[] {
    return agents.flatMap((name) => {
      const directory = join(this.directory, name, "audit");
      return readdirSync(directory, { withFileTypes: true }).some((entry) => entry.name.endsWith(".jsonl"))
        ? auditOf(directory)
        : [];
    });
  }

  async stop(): Promise<void> {
    for (const [name] of [...this.#services].toReversed()) await this.kill(name);
    await Promise.all([this.agentsNet.close(), this.clientsNet.close()]);
    await this.#balancer.close();
    await this.sandbox.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #env(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "",
      HOME: this.directory,
      POSTERN_HOME: join(this.directory, "home"),
      NO_COLOR: "1",
    };
  }

  #spawn(name: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Service {
    const child = spawn(process.execPath, [LAUNCHER, ...words], {
      cwd: this.directory,
      env: { ...this.#env(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [log, out] = ["", ""];
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const service = { child, ended, log: () => log, out: () => out };
    this.#services.set(name, service);
    return service;
  }
}

async function up(service: Service, isUp: () => boolean): Promise<void> {
  await eventually(() => {
    if (service.child.exitCode !== null) throw new Error(service.log());
    return isUp();
  });
}
