/** The children of the bench: started, waited for, and ended by their ids, also when the bench fails or is interrupted. */

import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processTree } from "./proc.ts";

const alive = new Set<ChildProcess>();
const cleanups = new Set<() => void>();
const READY_MS = 60_000;
/** For an orderly end. Whoever takes longer has nothing to lose here. */
const STOP_MS = 1_500;
/** Characters of a child's stderr that are kept, to say why it ended. */
const KEPT = 4_000;

/** A child that runs until it is stopped. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** The last of what it said on stderr. */
  said(): string;
  /** The first group of the pattern, as soon as some line on stderr matches it, `count` times over. */
  says(pattern: RegExp, count?: number): Promise<string[]>;
  stop(): Promise<void>;
}

/** Runs when the bench ends, however it ends; must not wait for anything. */
export function atEnd(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
    cleanup();
  };
}

/** A directory that is gone when the bench ends. */
export function temporaryDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "postern-bench-"));
  return { path, remove: atEnd(() => rmSync(path, { recursive: true, force: true })) };
}

/** Ends what is left and exits when the bench is interrupted; to be called once, first. */
export function endWithChildren(): void {
  process.once("exit", () => {
    for (const child of alive) for (const pid of treeOf(child)) kill(pid);
    for (const cleanup of cleanups) cleanup();
  });
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.once(signal, () => {
      process.stderr.write("\npostern: bench: interrupted; ending what was started\n");
      process.exit(code);
    });
  }
}

/** Starts a program. */
export function startProgram(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  return watched(
    command,
    spawn(command, [...args], { env: { ...plainEnvironment(), ...env }, stdio: ["ignore", "ignore", "pipe"] }),
  );
}

/** Starts a script of ours with a channel to it. */
export function startScript(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  execArgv: readonly string[] = [],
): Child {
  return watched(
    script,
    fork(script, [...args], {
      execArgv: [...execArgv],
      env: { ...plainEnvironment(), ...env },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    }),
  );
}

/** Sends a message to a script of ours and gives its answer. */
export async function ask<T>(child: Child, question: unknown): Promise<T> {
  const answer = message<T>(child);
  child.process.send(question as object);
  return await answer;
}

/** The next message of a script of ours. */
export async function message<T>(child: Child): Promise<T> {
  const { process: script } = child;
  return await new Promise<T>((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(late);
      script.off("exit", onExit).off("message", onMessage);
      act();
    };
    const onExit = (): void => settle(() => reject(new Error(`A process of the bench ended:\n${child.said()}`)));
    const onMessage = (value: unknown): void => settle(() => resolve(value as T));
    const late = setTimeout(() => settle(() => reject(new Error("A process of the bench does not answer"))), READY_MS);
    script.on("exit", onExit).on("message", onMessage);
    if (script.exitCode !== null || script.signalCode !== null) onExit();
  });
}

/** Waits until something accepts connections there. */
export async function accepting(port: number, child: Child): Promise<void> {
  for (const giveUp = Date.now() + READY_MS; Date.now() < giveUp; await sleep(50)) {
    if (await accepts(port)) return;
    if (child.process.exitCode !== null) throw new Error(`A program of the bench ended:\n${child.said()}`);
  }
  throw new Error(`Nothing listens on port ${port}:\n${child.said()}`);
}

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  return await new Promise((done) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => done(port));
    });
  });
}

function watched(name: string, child: ChildProcess): Child {
  alive.add(child);
  let text = "";
  let over = false;
  const listeners = new Set<() => void>();
  const hear = (): void => {
    for (const listener of listeners) listener();
  };
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    hear();
    if (listeners.size === 0) text = text.slice(-KEPT);
  });
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      over = true;
      alive.delete(child);
      hear();
      resolve();
    };
    child.once("exit", end);
    child.once("error", (error) => {
      text += error.message;
      end();
    });
  });
  return {
    pid: child.pid ?? 0,
    process: child,
    said: () => text.slice(-KEPT),
    says: (pattern, count = 1) =>
      new Promise((resolve, reject) => {
        const global = new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`);
        const settle = (act: () => void): void => {
          listeners.delete(look);
          clearTimeout(late);
          act();
        };
        const look = (): void => {
          const found = [...text.matchAll(global)].map((match) => match[1] ?? "");
          if (found.length >= count) settle(() => resolve(found));
          else if (over) settle(() => reject(new Error(`${name} ended:\n${text.slice(-KEPT)}`)));
        };
        const late = setTimeout(
          () => settle(() => reject(new Error(`${name} never said ${pattern.source}:\n${text.slice(-KEPT)}`))),
          READY_MS,
        );
        listeners.add(look);
        look();
      }),
    async stop() {
      if (over) return;
      const tree = treeOf(child);
      child.kill("SIGTERM");
      await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
      if (!over) {
        for (const pid of tree) kill(pid);
        await ended;
      }
    },
  };
}

/** The environment without what would point an AWS SDK elsewhere, or change how Node and Deno run. */
function plainEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !/^(AWS_|NODE_|DENO_|NPM_CONFIG_|npm_)/.test(entry[0]),
    ),
  );
}

function treeOf(child: ChildProcess): number[] {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null ? [] : processTree(child.pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}
