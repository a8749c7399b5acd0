/** A cluster as people run it, on three kinds of processes: auth and proxy, agents, and the user's own commands. */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { eventually } from "./eventually.ts";
import { ORDERS } from "./gateway.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
export const PASSWORD = "correct horse battery";

/** A process that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** What it wrote on stderr. */
  log(): string;
  /** What it wrote on stdout. */
  out(): string;
}

export interface TunnelCluster {
  readonly directory: string;
  readonly sandbox: Sandbox;
  readonly proxy: string;
  readonly pin: string;
  /** `postern ctl` on the auth service's machine. */
  readonly ctl: string;
  write(file: string, text: string): void;
  /** Runs a line of bash in the cluster's directory. */
  line(text: string): Promise<{ code: number; stdout: string; stderr: string }>;
  /** The same; what fails is an error. */
  said(text: string): Promise<string>;
  start(words: readonly string[], options?: { program?: string; env?: Readonly<Record<string, string>> }): Running;
  /** Starts a database service whose `db_service`, and `postern`, go on with this YAML, and waits for its tunnel. */
  agent(dbService: string, postern?: string): Promise<Running>;
  logIn(user: string, more?: string): Promise<string>;
  stop(running: Running, signal?: NodeJS.Signals): Promise<void>;
  close(): Promise<void>;
}

/** Starts all but agents; `roles` is YAML, and alice has the roles of these names. */
export async function startTunnelCluster(roles: string, held: readonly string[]): Promise<TunnelCluster> {
  const directory = mkdtempSync(join(tmpdir(), "postern-cluster-"));
  const sandbox = await startSandbox();
  await sandbox.seed([ORDERS]);
  sandbox.putRole({ name: "ExampleRole", trust: { principals: ["123456789012"] } });
  const surroundings = {
    PATH: `${join(directory, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: join(directory, "home"),
    POSTERN_HOME: join(directory, "home", ".postern"),
    NO_COLOR: "1",
  };
  const running: Running[] = [];
  let agents = 0;
  const write = (file: string, text: string): void => writeFileSync(join(directory, file), text);
  const line: TunnelCluster["line"] = (text) =>
    new Promise((resolve) => {
      execFile("/bin/bash", ["-c", text], { cwd: directory, env: surroundings }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const said: TunnelCluster["said"] = async (text) => {
    const { code, stdout, stderr } = await line(text);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const start: TunnelCluster["start"] = (words, { program, env = {} } = {}) => {
    const all = program === undefined ? [LAUNCHER, ...words] : words;
    const child = spawn(program ?? process.execPath, all, {
      cwd: directory,
      env: { ...surroundings, ...env },
      stdio: [program === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    let [log, out] = ["", ""];
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const one = { child, ended, log: () => log, out: () => out };
    running.push(one);
    return one;
  };
  const stop: TunnelCluster["stop"] = async ({ child, ended }, signal = "SIGTERM") => {
    child.kill(signal);
    await ended;
  };

  mkdirSync(join(directory, "bin"));
  mkdirSync(join(directory, "home"));
  write("bin/postern", `#!/bin/sh\nexec "${process.execPath}" "${LAUNCHER}" "$@"\n`);
  chmodSync(join(directory, "bin", "postern"), 0o755);
  write("password", PASSWORD);
  write("roles.yaml", roles);
  write(
    "auth.yaml",
    `version: v3
postern: {nodename: auth-1, data_dir: ./auth}
auth_service: {enabled: "yes", cluster_name: example, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
db_service: {enabled: "no"}
`,
  );
  const auth = start(["start", "-c", "auth.yaml"]);
  await eventually(() => /Listening.*address=(\S+)/.test(auth.log()));
  const proxy = /Listening.*address=(\S+)/.exec(auth.log())?.[1] ?? "";
  const ctl = "postern ctl -c auth.yaml";
  const pin = (await said(`${ctl} status -f json | jq -r '.ca_pins[0]'`)).trim();
  await said(`${ctl} create -f roles.yaml`);
  await said(`${ctl} users add alice --roles=${held.join(",")} --password-stdin < password`);

  return {
    directory,
    sandbox,
    proxy,
    pin,
    ctl,
    write,
    line,
    said,
    start,
    stop,
    async agent(dbService, postern = "") {
      const name = `agent-${++agents}`;
      await said(`${ctl} tokens add --type=db --format=text > ${name}.token`);
      write(
        `${name}.yaml`,
        `version: v3
postern:
  nodename: ${name}
  data_dir: ./${name}
  proxy_server: ${proxy}
  auth_token: ${join(directory, `${name}.token`)}
  ca_pin: ${pin}
${postern}db_service:
  enabled: "yes"
${dbService}`,
      );
      const agent = start(["start", "-c", `${name}.yaml`], { env: sandbox.env });
      await eventually(() => agent.log().includes("A tunnel is open"));
      return agent;
    },
    logIn: (user, more = "") =>
      said(`postern login --proxy=${proxy} --user=${user} --password-stdin --ca-pin=${pin} ${more} < password`),
    async close() {
      for (const one of running.toReversed())
        if (one.child.exitCode === null && one.child.signalCode === null) await stop(one);
      await sandbox.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
