/** What a start without a configuration file tells whoever sits before it: how to get in. */

import { existsSync, realpathSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, join, relative, resolve } from "node:path";
import process from "node:process";
import { nameFault } from "../../identity/names.ts";

/** What is told. */
export interface Greeting {
  readonly dataDirectory: string;
  /** Where the door listens. */
  readonly door: string;
  readonly pin: string;
  readonly hasUsers: boolean;
  /** How this program is called from here, and what `ctl` needs of the environment to find the same cluster. */
  readonly program: string;
  readonly environment: string;
  /** A name for the first user. */
  readonly user: string;
}

/** The text, with lines to copy. */
export function greeting({ dataDirectory, door, pin, hasUsers, program, environment, user }: Greeting): string {
  const who = hasUsers ? "NAME" : user;
  const login = `${program} login --proxy=${door} --user=${who} --ca-pin=${pin}`;
  const lines = [
    `A cluster is running at ${door}, for this machine only; it is kept in ${dataDirectory}.`,
    ...(hasUsers
      ? []
      : [
          "It has no users yet. In another terminal, make yourself one who administers it, with a password of 12 characters or more:",
          "",
          `  ${environment}${program} ctl users add ${user} --roles=editor,access --password-stdin`,
          "",
        ]),
    ...(hasUsers ? ["To log in:"] : ["Then log in:"]),
    "",
    `  ${login}`,
    "",
    `Its CA pin is ${pin}`,
    "Control-C stops it; the next postern start goes on with it.",
  ];
  return `\n${lines.join("\n")}\n\n`;
}

/** How to call this program in the shell that it was called from: by its name where PATH leads to it, else by its path. */
export function programName(script: string = process.argv[1] ?? "postern", path = process.env["PATH"] ?? ""): string {
  const own = resolve(script);
  const found = path
    .split(delimiter)
    .map((directory) => join(directory, "postern"))
    .find((candidate) => existsSync(candidate));
  if (found !== undefined && isSame(found, own)) return "postern";
  const near = relative(process.cwd(), own);
  return quoted(near.startsWith("..") ? own : `./${near}`);
}

/** What another shell must be told of this one's environment so that `ctl` finds the same cluster. */
export function environmentFor(env: Readonly<Record<string, string | undefined>>): string {
  const told = env["POSTERN_DATA_DIR"];
  return told === undefined || told === "" ? "" : `POSTERN_DATA_DIR=${quoted(resolve(told))} `;
}

/** This user's name on the machine, which `postern login` takes when it is told none. */
export function firstUserName(): string {
  const { username } = userInfo();
  return nameFault(username) === undefined && /^[\w.@-]+$/.test(username) ? username : "admin";
}

function isSame(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

function quoted(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
