/** The facts that a figure is worth nothing without: machine, versions, revision, settings, and whether it was quiet. */

import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { run } from "../../scripts/lib/compile-policy.mjs";
import { PROJECT } from "./build.ts";
import type { Parts } from "./ways.ts";

export interface Facts {
  readonly at: string;
  readonly revision: string;
  /** Whether the checkout differed from that revision. */
  readonly changed: boolean;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGiB: number;
    readonly kernel: string;
    readonly platform: string;
    /** Of the last minute, before anything was started. */
    readonly loadBefore: number;
  };
  readonly versions: Readonly<Record<string, string>>;
}

/** Above this share of the machine for programs that are no part of the bench, figures are not to be kept. */
export const QUIET_BELOW = 0.1;

export const CORES: number = availableParallelism();

export async function gatherFacts(parts?: Pick<Parts, "deno" | "opa">): Promise<Facts> {
  return {
    at: new Date().toISOString(),
    ...(await revisionOf(PROJECT)),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: CORES,
      memoryGiB: Math.round(totalmem() / 1024 ** 3),
      kernel: release(),
      platform: `${process.platform}-${process.arch}`,
      loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    },
    versions: {
      node: process.versions.node,
      ...(parts?.deno === undefined ? {} : { deno: parts.deno.version }),
      ...(parts?.opa === undefined ? {} : { opa: parts.opa.version }),
    },
  };
}

/** The commit of a checkout. */
export async function revisionOf(checkout: string): Promise<{ revision: string; changed: boolean }> {
  const head = await run("git", ["rev-parse", "--short=12", "HEAD"], { cwd: checkout });
  const status = await run("git", ["status", "--porcelain", "--", "src", "policies", "package.json"], {
    cwd: checkout,
  });
  return { revision: head.stdout.trim(), changed: status.stdout.trim() !== "" };
}

/** What is said of a run in which others used the machine. */
export function quietness(foreignShares: readonly number[]): { quiet: boolean; foreignShare: number } {
  const sorted = [...foreignShares].sort((a, b) => a - b);
  const foreignShare = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return { quiet: foreignShare < QUIET_BELOW, foreignShare: Math.round(foreignShare * 1000) / 1000 };
}

/** Writes a result to bench/results. @returns its path below the project */
export function writeResult(name: string, result: object): string {
  const directory = join(PROJECT, "bench", "results");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), `${JSON.stringify(result, rounded, 1)}\n`);
  return `bench/results/${name}`;
}

/** Nobody reads the fourteenth digit. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

/** One line for the foot of a report or a chart. */
export function footnote(facts: Facts, quiet: { quiet: boolean; foreignShare: number }): string {
  const { machine, versions, revision, changed, at } = facts;
  const busy = quiet.quiet ? "" : ` · BUSY MACHINE: others took ${Math.round(quiet.foreignShare * 100)} % of it`;
  return `${at.slice(0, 10)} · ${revision}${changed ? " with changes" : ""} · ${machine.cpu}, ${machine.cores} cores · Node ${versions["node"]}${busy}`;
}
