/** What the commands that reach databases have in common. */

import { InvalidArgumentError } from "commander";
import { CommandError } from "../command-error.ts";
import type { DatabaseDocument } from "../login/door.ts";

/** Reads `--port`. */
export function portOf(text: string): number {
  const port = Number(text);
  if (!/^[0-9]{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw new InvalidArgumentError("it is not a port: 1 to 65535");
  return port;
}

/** @throws CommandError when there is none: which role to be is nobody else's choice */
export function chosenDbUser(dbUser: string | undefined): string {
  if (dbUser !== undefined && dbUser !== "") return dbUser;
  throw new CommandError(2, "Cannot connect: no database user is given", {
    hint: "please provide the AWS role with --db-user=ROLE",
  });
}

/** The region of a database, as its document says. */
export function regionOf({ spec }: DatabaseDocument): string {
  return spec?.aws?.region ?? "us-east-1";
}
