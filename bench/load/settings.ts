/** How long and how often is measured: the whole in under ten minutes, a quick form in one. */

import { availableParallelism } from "node:os";

export interface Settings {
  readonly mode: "whole" | "quick";
  /** Rounds of the base cell, and seconds of each. */
  readonly baseRounds: number;
  readonly baseSeconds: number;
  /** The same of every other cell. */
  readonly rounds: number;
  readonly seconds: number;
  /** Before each round, on its connections. */
  readonly roundWarmUpSeconds: number;
  /** Before the first round of a process: so many requests, for at most so many seconds. */
  readonly warmUpRequests: number;
  readonly warmUpSeconds: number;
  readonly halfLoadRounds: number;
  readonly halfLoadSeconds: number;
  readonly starts: number;
  readonly partsRounds: number;
  readonly scalingRounds: number;
  readonly scalingSeconds: number;
  /** After so many seconds no further cell is begun. */
  readonly budgetSeconds: number;
}

export const WHOLE: Settings = {
  mode: "whole",
  baseRounds: 5,
  baseSeconds: 1.6,
  rounds: 3,
  seconds: 1,
  roundWarmUpSeconds: 0.2,
  warmUpRequests: 20_000,
  warmUpSeconds: 8,
  halfLoadRounds: 3,
  halfLoadSeconds: 3,
  starts: 7,
  partsRounds: 15,
  scalingRounds: 3,
  scalingSeconds: 1.5,
  budgetSeconds: 530,
};

export const QUICK: Settings = {
  mode: "quick",
  baseRounds: 2,
  baseSeconds: 0.6,
  rounds: 1,
  seconds: 0.4,
  roundWarmUpSeconds: 0.1,
  warmUpRequests: 5_000,
  warmUpSeconds: 1.2,
  halfLoadRounds: 1,
  halfLoadSeconds: 1,
  starts: 2,
  partsRounds: 3,
  scalingRounds: 1,
  scalingSeconds: 0.5,
  budgetSeconds: 45,
};

/** Numbers of workers that are tried. */
export function workerCounts(): number[] {
  const cores = availableParallelism();
  return [...new Set([1, 2, 4, 8, cores])].filter((count) => count <= cores).sort((a, b) => a - b);
}
