/** What the commands of users need of their surroundings. */

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Input } from "./ask.ts";
import { openBrowser } from "./browser.ts";
import { Profiles } from "./profiles.ts";

export interface ClientSurroundings {
  readonly profiles: Profiles;
  readonly input: Input;
  /** Writes the answer. */
  readonly write: (text: string) => void;
  /** Tells a person something that is no part of the answer, as it is. */
  readonly say: (text: string) => void;
  readonly clock: Clock;
  /** Opens an address in a browser; false when there is none. */
  readonly openBrowser: (url: string) => boolean;
}

/** The terminal's, and the profiles of POSTERN_HOME or ~/.postern. */
export function clientSurroundings(): ClientSurroundings {
  const told = process.env["POSTERN_HOME"];
  return {
    profiles: new Profiles(told === undefined || told === "" ? join(homedir(), ".postern") : resolve(told)),
    input: process.stdin,
    write: (text) => void process.stdout.write(text),
    say: (text) => void process.stderr.write(text),
    clock: systemClock,
    openBrowser,
  };
}
