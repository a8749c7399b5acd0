/** `postern ctl`: administers a cluster's users, roles, locks, join tokens and databases. */

import { Command } from "commander";
import type { Config } from "../../config/config.ts";
import { authCommand } from "./auth.ts";
import { backupCommand, restoreCommand } from "./backup.ts";
import { createCommand, editCommand, getCommand, rmCommand } from "./resources.ts";
import { sealingCommand } from "./sealing.ts";
import { dbCommand, statusCommand } from "./status.ts";
import { storeCommand } from "./store.ts";
import type { ConfigOf } from "./surroundings.ts";
import { tokensCommand } from "./tokens.ts";
import { usersCommand } from "./users.ts";
import { CommandError } from "../command-error.ts";

/** The `ctl` command; `read` loads a configuration file. */
export function ctlCommand(read: (file: string) => Config): Command {
  const command = new Command("ctl")
    .description("administer a cluster")
    .option("-c, --config <file>", "configuration of the auth service, on its own machine: needs no login");
  const configOf: ConfigOf = () => {
    const { config } = command.opts<{ config?: string }>();
    if (config !== undefined) return read(config);
    throw new CommandError(2, "Cannot tell which cluster to administer", {
      hint: "name the auth service's configuration on its own machine: postern ctl -c postern.yaml …",
    });
  };
  return command
    .addCommand(statusCommand(configOf))
    .addCommand(createCommand(configOf))
    .addCommand(getCommand(configOf))
    .addCommand(editCommand(configOf))
    .addCommand(rmCommand(configOf))
    .addCommand(usersCommand(configOf))
    .addCommand(tokensCommand(configOf))
    .addCommand(dbCommand(configOf))
    .addCommand(sealingCommand(configOf))
    .addCommand(authCommand(configOf))
    .addCommand(backupCommand(configOf))
    .addCommand(restoreCommand(configOf))
    .addCommand(storeCommand(configOf))
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  postern ctl -c postern.yaml create -f role.yaml
  postern ctl -c postern.yaml users add alice --roles=access
  postern ctl -c postern.yaml get role -f text`;
