/** Postern as somebody has it who installed what `npm pack` made: nothing but Node and npm, and a home with nothing in it. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One that runs. */
export interface Service {
  readonly child: ChildProcess;
  log(): string;
  /** The address behind a pattern of its log, as soon as it is there. */
  found(pattern: RegExp): Promise<string>;
  stop(): Promise<number | null>;
}

export interface Installed {
  /** Where it was installed; what it runs has this for its working directory. */
  readonly directory: string;
  /** What npm says of the archive. */
  readonly archive: Archive;
  /** Of the package itself. */
  readonly packageDirectory: string;
  postern(words: readonly string[], more?: { readonly input?: string; readonly env?: Environment }): Promise<Ran>;
  start(words: readonly string[], env?: Environment): Service;
  close(): void;
}

export interface Archive {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

type Environment = Readonly<Record<string, string>>;

/** Packs this checkout and installs the archive. */
export async function install(): Promise<Installed> {
  const place = realpathSync(mkdtempSync(join(tmpdir(), "postern-installed-")));
  const [home, bin, directory] = ["home", "bin", "app"].map((name) => join(place, name)) as [string, string, string];
  for (const each of [home, bin, directory]) mkdirSync(each);
  symlinkSync(process.execPath, join(bin, "node"));
  symlinkSync(await npmHere(), join(bin, "npm"));
  const registry = (await run("npm", ["config", "get", "registry"], { cwd: ROOT })).stdout.trim();
  const env = { HOME: home, PATH: bin, LANG: "C.UTF-8", NO_COLOR: "1" };
  const pack = await run("npm", ["pack", "--json", "--pack-destination", place], { cwd: ROOT, maxBuffer: 1 << 24 });
  const [archive] = JSON.parse(pack.stdout.slice(pack.stdout.indexOf("[\n"))) as [Archive];
  const file = readdirSync(place).find((name) => name.endsWith(".tgz")) ?? "";
  writeFileSync(join(directory, "package.json"), "{}");
  await run("npm", ["install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", join(place, file)], {
    cwd: directory,
    env: { ...env, npm_config_registry: registry },
  });
  const launcher = join(directory, "node_modules", ".bin", "postern");
  return {
    directory,
    archive,
    packageDirectory: dirname(dirname(realpathSync(launcher))),
    postern: (words, { input = "", env: more = {} } = {}) =>
      new Promise((resolve) => {
        const child = spawn(launcher, words, { cwd: directory, env: { ...env, ...more } });
        let [out, err] = ["", ""];
        child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
        child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
        child.once("close", (code) => resolve({ code: code ?? -1, out, err }));
        child.stdin.end(input);
      }),
    start: (words, more = {}) => service(spawn(launcher, words, { cwd: directory, env: { ...env, ...more } })),
    close: () => rmSync(place, { recursive: true, force: true }),
  };
}

function service(child: ChildProcess): Service {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let over = false;
  void ended.then(() => (over = true));
  return {
    child,
    log: () => text,
    async found(pattern) {
      for (const giveUp = Date.now() + 30_000; Date.now() < giveUp && !over;) {
        const address = pattern.exec(text)?.[1];
        if (address !== undefined) return address;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`${over ? "It ended" : "It does not say"} ${pattern.source}:\n${text}`);
    },
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** The npm of the Node that runs us, or of PATH. */
async function npmHere(): Promise<string> {
  const { stdout } = await run("sh", ["-c", "command -v npm"]);
  return realpathSync(stdout.trim());
}
