/** The ways to DynamoDB that are compared: each started as its users would, with every process that it needs. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readSources, run } from "../../scripts/lib/compile-policy.mjs";
import { findOpa } from "../../scripts/lib/find-opa.mjs";
import { PROJECT, toolPath } from "./build.ts";
import type { Target } from "./driver.ts";
import { GATEWAY_KEY } from "./operations.ts";
import { denoProgram, type RunningPostern, startPostern } from "./postern.ts";
import {
  accepting,
  type Child,
  freePort,
  message,
  startProgram,
  startScript,
  temporaryDirectory,
} from "./processes.ts";
import { ACCOUNT, compiledRoles, DATABASE, DB_USER, rolesHeld, userNames, type World } from "./roles.ts";
import type { Upstream } from "./upstream.ts";

export const WAYS = [
  "direct",
  "bare proxy",
  "aws-sigv4-proxy",
  "aws-sigv4-proxy + OPA",
  "Postern on Node",
  "Postern on Deno",
] as const;
export type WayName = (typeof WAYS)[number];

/** A way that runs. */
export interface Way {
  readonly name: WayName;
  readonly target: Target;
  /** The first of each of its process trees; none for the direct way. */
  readonly roots: readonly number[];
  /** Whether the upstream must see the gateway's signature. */
  readonly signs: boolean;
  /** Whether it can deny. */
  readonly judges: boolean;
  stop(): Promise<void>;
}

/** What the ways are made of, and which of them cannot be had here. */
export interface Parts {
  /** The package of Postern. */
  readonly postern: string;
  readonly deno: Program | undefined;
  readonly opa: Program | undefined;
  readonly sigv4Proxy: Program | undefined;
  readonly missing: readonly string[];
}

interface Program {
  readonly path: string;
  readonly version: string;
}

/** Finds the programs of others. What is not there is left out, with a line that says so. */
export async function findParts(postern: string): Promise<Parts> {
  const missing: string[] = [];
  const signer = process.env["SIGV4_PROXY_BIN"];
  let sigv4Proxy: Program | undefined;
  if (signer === undefined || signer === "")
    missing.push("aws-sigv4-proxy, alone and with OPA: SIGV4_PROXY_BIN does not name a built one");
  else if (!(await starts(signer, ["--version"])))
    missing.push("aws-sigv4-proxy, alone and with OPA: what SIGV4_PROXY_BIN names cannot be run");
  else sigv4Proxy = { path: signer, version: "unknown" };
  let opa: Program | undefined;
  try {
    opa = await findOpa({ say: (line) => process.stderr.write(`postern: ${line}\n`) });
  } catch (error) {
    missing.push(`aws-sigv4-proxy with OPA: ${String((error as Error).message).split("\n", 1)[0]}`);
  }
  const program = denoProgram();
  let deno: Program | undefined;
  const version =
    program === undefined
      ? undefined
      : /^deno (\S+)/.exec((await run(program, ["--version"]).catch(() => ({ stdout: "" }))).stdout)?.[1];
  if (program === undefined || version === undefined)
    missing.push("Postern on Deno: there is no deno in DENO_BIN, node_modules or PATH");
  else deno = { path: program, version };
  return { postern, deno, opa, sigv4Proxy, missing };
}

export interface Setting {
  readonly parts: Parts;
  readonly upstream: Upstream;
  readonly world: World;
  readonly tls: boolean;
}

/** The ways that can be had, in the order of the table. */
export function availableWays({ deno, opa, sigv4Proxy }: Parts): WayName[] {
  const has: Readonly<Record<WayName, boolean>> = {
    direct: true,
    "bare proxy": true,
    "aws-sigv4-proxy": sigv4Proxy !== undefined,
    "aws-sigv4-proxy + OPA": sigv4Proxy !== undefined && opa !== undefined,
    "Postern on Node": true,
    "Postern on Deno": deno !== undefined,
  };
  return WAYS.filter((name) => has[name]);
}

/** Ways whose work depends on how many roles there are. */
export function asksRoles(name: WayName): boolean {
  return name === "aws-sigv4-proxy + OPA" || name.startsWith("Postern");
}

export async function startWay(name: WayName, setting: Setting): Promise<Way> {
  return { ...(await STARTERS[name](setting)), name };
}

type Started = Omit<Way, "name">;

const STARTERS: Readonly<Record<WayName, (setting: Setting) => Promise<Started>>> = {
  direct: ({ upstream, tls }) => {
    const { http, https } = upstream.ports;
    const target = tls ? { ports: [https], ca: upstream.tls.ca } : { ports: [http] };
    return Promise.resolve({ target, roots: [], signs: false, judges: false, stop: () => Promise.resolve() });
  },
  "bare proxy": async ({ upstream, tls }) => {
    const env = { NODE_EXTRA_CA_CERTS: upstream.caFile };
    const child = startScript(toolPath("bare-proxy"), [upstream.origin(tls)], env);
    const { port } = await message<{ port: number }>(child);
    return started([child], port, { signs: false, judges: false });
  },
  "aws-sigv4-proxy": async (setting) => {
    const { child, port } = await startSigner(setting);
    return started([child], port, { signs: true, judges: false });
  },
  "aws-sigv4-proxy + OPA": async (setting) => {
    const signer = await startSigner(setting);
    const opa = await startOpa(setting);
    const caller = {
      user: { name: userNames(setting.world)[0], roles: rolesHeld(setting.world), traits: {}, mfa_verified: false },
      database: DATABASE,
      db_user: `arn:aws:iam::${ACCOUNT}:role/${DB_USER}`,
    };
    const origins = [opa.port, signer.port].map((port) => `http://127.0.0.1:${port}`);
    const glue = startScript(toolPath("glue-process"), [...origins, JSON.stringify(caller)]);
    const { port } = await message<{ port: number }>(glue);
    return started([glue, opa.child, signer.child], port, { signs: true, judges: true });
  },
  "Postern on Node": async ({ parts, ...setting }) =>
    posternWay(await startPostern({ ...setting, place: parts.postern, runtime: "node" })),
  "Postern on Deno": async ({ parts, ...setting }) =>
    posternWay(await startPostern({ ...setting, place: parts.postern, runtime: "deno" })),
};

function started(children: readonly Child[], port: number, { signs, judges }: Pick<Way, "signs" | "judges">): Started {
  return {
    target: { ports: [port] },
    roots: children.map(({ pid }) => pid),
    signs,
    judges,
    async stop() {
      await Promise.all(children.map((child) => child.stop()));
    },
  };
}

/** Postern as it runs, for one who has started it. */
export function posternWay(running: RunningPostern, name: WayName = "Postern on Node"): Way {
  return {
    name,
    target: { ports: running.ports },
    roots: [running.child.pid],
    signs: true,
    judges: true,
    stop: () => running.stop(),
  };
}

/** aws-sigv4-proxy with credentials of the same form as those that Postern assumes. */
async function startSigner({ parts, upstream, tls }: Setting): Promise<{ child: Child; port: number }> {
  if (parts.sigv4Proxy === undefined) throw new Error("There is no aws-sigv4-proxy");
  const port = await freePort();
  const { protocol, host } = new URL(upstream.origin(tls));
  const child = startProgram(
    parts.sigv4Proxy.path,
    [
      `--port=127.0.0.1:${port}`,
      `--host=${host}`,
      `--upstream-url-scheme=${protocol.slice(0, -1)}`,
      "--name=dynamodb",
      `--region=${DATABASE.region}`,
    ],
    {
      AWS_ACCESS_KEY_ID: GATEWAY_KEY,
      AWS_SECRET_ACCESS_KEY: "bench",
      AWS_SESSION_TOKEN: "t".repeat(800),
      AWS_REGION: DATABASE.region,
      SSL_CERT_FILE: upstream.caFile,
    },
  );
  await accepting(port, child);
  return { child, port };
}

/** OPA as a server, with the policy that Postern compiles and the roles as Postern compiles them. */
async function startOpa({ parts, world }: Setting): Promise<{ child: Child; port: number }> {
  if (parts.opa === undefined) throw new Error("There is no OPA");
  const directory = temporaryDirectory().path;
  for (const { name, text } of await readSources(join(PROJECT, "policies"))) {
    const file = join(directory, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  writeFileSync(join(directory, "data.json"), JSON.stringify(compiledRoles(world)));
  const port = await freePort();
  const flags = ["--log-level=error", "--disable-telemetry", "--optimize-store-for-read-speed"];
  const child = startProgram(parts.opa.path, ["run", "--server", `--addr=127.0.0.1:${port}`, ...flags, directory]);
  await accepting(port, child);
  return { child, port };
}

async function starts(program: string, args: readonly string[]): Promise<boolean> {
  return await run(program, args, { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}
