/** What the commands that reach databases have in common. */

import { InvalidArgumentError } from "commander";
import { PosternError } from "../../base/errors.ts";
import { quoted } from "../../identity/names.ts";
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

/**
 * The region of a database, as its document says. It is an agent's word, and ends up in files and commands of the user's.
 *
 * @throws PosternError `region_invalid`
 */
export function regionOf({ metadata, spec }: DatabaseDocument): string {
  const region = spec?.aws?.region ?? "us-east-1";
  if (/^[a-z0-9-]{1,64}$/.test(region)) return region;
  throw new PosternError(
    "region_invalid",
    `Cannot use database ${quoted(metadata.name)}: ${quoted(region)} is not an AWS region`,
    { hint: "ask whoever administers the cluster which agent serves it: postern ctl db ls" },
  );
}
