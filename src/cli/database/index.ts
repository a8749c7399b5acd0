/** `postern db`: the databases of a cluster, and how AWS's tools reach them. */

import { Command } from "commander";
import { type ClientSurroundings, clientSurroundings } from "../login/surroundings.ts";
import { profileCommand } from "./aws-profile.ts";
import { envCommand, execCommand } from "./exec.ts";
import { listCommand } from "./list.ts";

/** The `db` command; where nothing says another, its surroundings are the terminal's. */
export function dbCommand(surroundings: () => ClientSurroundings = clientSurroundings): Command {
  return new Command("db")
    .description("work with databases")
    .addCommand(listCommand(surroundings))
    .addCommand(execCommand(surroundings))
    .addCommand(envCommand(surroundings))
    .addCommand(profileCommand(surroundings))
    .addHelpText(
      "after",
      "\nExamples:\n  postern db ls\n  postern db exec example-dynamodb --db-user=ExampleRole -- aws dynamodb list-tables",
    );
}
