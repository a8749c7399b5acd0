/** What the ctl commands share. */

import { InvalidArgumentError } from "commander";
import type { Config } from "../../config/config.ts";
import type { Administrator } from "../../control/administrator.ts";
import { parseDuration } from "../../identity/duration.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import type { LocalAdministration } from "./local.ts";

/**
 * Gives whoever administers the cluster that is meant to one piece of work. Which cluster, and by which way, no command knows.
 *
 * @throws CommandError when it cannot be told which cluster
 */
export type Reach = <T>(mode: "reads" | "writes", work: (administrator: Administrator) => Promise<T>) => Promise<T>;

/** The configuration of the auth service on this machine. @throws CommandError when there is none */
export type ConfigOf = () => Promise<Config>;

/**
 * Opens the cluster of the auth service on this machine for one piece of work, with its configuration. What that needs is loaded then:
 * most of a command's time is the loading of files.
 */
export type OnOwnMachine = <T>(
  mode: "reads" | "writes",
  work: (local: LocalAdministration, config: Config) => Promise<T>,
) => Promise<T>;

/** What a command has at hand. */
export interface Ctl {
  readonly reach: Reach;
  /** For what is done beside the store, and so on its own machine only. */
  readonly configOf: ConfigOf;
  readonly onOwnMachine: OnOwnMachine;
  readonly surroundings: () => ClientSurroundings;
}

/** Tells a person something that is no part of the answer. */
export function tell({ say }: ClientSurroundings, text: string): void {
  say(`postern: ${text}\n`);
}

/** `a,b` as a list; what is empty does not count, as in `"$ROLES,new"` where there were no roles. */
export function commaList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Milliseconds of an option such as `30m`. */
export function durationOf(text: string): number {
  const duration = parseDuration(text);
  if (duration === undefined) throw new InvalidArgumentError("it is not a duration: write it as 30m or 1h30m");
  return duration;
}

/** A whole number of an option. */
export function wholeNumberOf(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError("it is not a whole number");
  return Number(text);
}
