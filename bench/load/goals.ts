/** The goals of the project in figures, and whether a run met them. */

import { spreadOf } from "./statistics.ts";

export interface Verdict {
  readonly goal: string;
  /** `not measured` where a part was missing: never met for want of a figure. */
  readonly verdict: "met" | "not met" | "not measured";
  readonly figure: string;
  readonly limit: string;
}

/** What a run measured; a part that it did not is absent. */
export interface Measured {
  /** CPU of a request in the base cell, in microseconds. */
  readonly cpuUs?: {
    readonly postern: number;
    readonly sigv4Proxy?: number | undefined;
    readonly gluedPair?: number | undefined;
  };
  readonly halfLoad?: { readonly addedP50: number; readonly addedP99: number } | undefined;
  /** CPU of a decision at each number of roles, in microseconds. */
  readonly decisions?: readonly { readonly roles: number; readonly us: number }[] | undefined;
  readonly signatureUs?: number | undefined;
  readonly memory?: MemoryVerdict | undefined;
  readonly startMs?: number | undefined;
  readonly scaling?: readonly { readonly workers: number; readonly perSecond: number; readonly expected: number }[];
}

export interface MemoryVerdict {
  readonly flat: boolean;
  readonly requests: number;
  /** Growth over all requests that the regression line foretells, as a share of the mean. */
  readonly heapGrowth: number;
  readonly rssGrowth: number;
}

/** Limits, each with the unit in which it is judged. */
export const LIMITS = {
  cpuOfSigv4Proxy: 0.8,
  cpuOfGluedPair: 0.35,
  addedP50Us: 150,
  addedP99Us: 1_000,
  decisionUs: 10,
  decisionSpread: 0.2,
  signatureUs: 12,
  startMs: 300,
  /** Share of what the cores allow. */
  scaling: 0.8,
} as const;

/** Judges every goal, in the order in which they are told. */
export function judgeGoals(measured: Measured): Verdict[] {
  const { cpuUs, halfLoad, decisions, signatureUs, memory, startMs, scaling } = measured;
  const usual = decisions?.find(({ roles }) => roles === 100)?.us;
  const spread = decisions === undefined || decisions.length < 2 ? undefined : spreadOf(decisions.map(({ us }) => us));
  const efficiency = scaling
    ?.filter(({ workers }) => workers > 1)
    .map(({ perSecond, expected }) => perSecond / expected);
  return [
    atMost(
      "CPU of a request, whole, of aws-sigv4-proxy's",
      quotient(cpuUs?.postern, cpuUs?.sigv4Proxy),
      LIMITS.cpuOfSigv4Proxy,
      times,
    ),
    atMost(
      "CPU of a request, whole, of that of aws-sigv4-proxy with an OPA server",
      quotient(cpuUs?.postern, cpuUs?.gluedPair),
      LIMITS.cpuOfGluedPair,
      times,
    ),
    atMost("Added latency at half load, median", halfLoad?.addedP50, LIMITS.addedP50Us, micros),
    atMost("Added latency at half load, 99 of 100", halfLoad?.addedP99, LIMITS.addedP99Us, micros),
    atMost("A decision, with labels, database user and ten rules", usual, LIMITS.decisionUs, micros),
    atMost("A decision's cost from 10 to 10,000 roles", plusOne(spread), 1 + LIMITS.decisionSpread, times),
    atMost("A signature", signatureUs, LIMITS.signatureUs, micros),
    memoryVerdict(memory),
    atMost("Start to ready", startMs, LIMITS.startMs, (ms) => `${ms.toFixed(0)} ms`),
    atLeast(
      "More workers, of what the cores leave them",
      efficiency === undefined || efficiency.length === 0 ? undefined : Math.min(...efficiency),
      LIMITS.scaling,
    ),
  ];
}

function atMost(goal: string, figure: number | undefined, limit: number, unit: (value: number) => string): Verdict {
  if (!isFigure(figure)) return { goal, verdict: "not measured", figure: "–", limit: `≤ ${unit(limit)}` };
  return { goal, verdict: figure <= limit ? "met" : "not met", figure: unit(figure), limit: `≤ ${unit(limit)}` };
}

function atLeast(goal: string, figure: number | undefined, limit: number): Verdict {
  if (!isFigure(figure)) return { goal, verdict: "not measured", figure: "–", limit: `≥ ${times(limit)}` };
  return { goal, verdict: figure >= limit ? "met" : "not met", figure: times(figure), limit: `≥ ${times(limit)}` };
}

export function memoryVerdict(memory: MemoryVerdict | undefined): Verdict {
  const goal = "Memory over a million requests";
  if (memory === undefined || memory.requests < 1_000_000)
    return { goal, verdict: "not measured", figure: "–", limit: "flat" };
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const figure = `heap ${percent(memory.heapGrowth)}, RSS ${percent(memory.rssGrowth)}`;
  return { goal, verdict: memory.flat ? "met" : "not met", figure, limit: "flat" };
}

/** A median of no rounds is no figure. */
function isFigure(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value);
}

function quotient(above: number | undefined, below: number | undefined): number | undefined {
  return above === undefined || below === undefined ? undefined : above / below;
}

function plusOne(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value + 1;
}

function times(value: number): string {
  return `${value.toFixed(2)} ×`;
}

function micros(value: number): string {
  return `${value.toFixed(value < 20 ? 1 : 0)} µs`;
}
