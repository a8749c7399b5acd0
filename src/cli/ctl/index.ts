/** `postern ctl`: administers a cluster's users, roles, locks, join tokens and databases. */

import { Command } from "commander";
import type { Config } from "../../config/config.ts";
import { CommandError } from "../command-error.ts";
import { type ClientSurroundings, clientSurroundings } from "../login/surroundings.ts";
import { authCommand } from "./auth.ts";
import { backupCommand, restoreCommand } from "./backup.ts";
import { createCommand, editCommand, getCommand, rmCommand } from "./resources.ts";
import { sealingCommand } from "./sealing.ts";
import { dbCommand } from "./databases.ts";
import { isMeant, LOG_OUT } from "./own-cluster.ts";
import { statusCommand } from "./status.ts";
import { storeCommand } from "./store.ts";
import type { ConfigOf, Ctl, OnOwnMachine, Reach } from "./surroundings.ts";
import { tokensCommand } from "./tokens.ts";
import { usersCommand } from "./users.ts";

/** The `ctl` command; `read` loads a configuration file. */
export function ctlCommand(
  read: (file: string) => Config | Promise<Config>,
  surroundings: () => ClientSurroundings = clientSurroundings,
): Command {
  const command = new Command("ctl")
    .description("administer a cluster: the one that you are logged in to, or the one of this machine with -c")
    .option("-c, --config <file>", "configuration of the auth service, on its own machine: needs no login")
    .option("--proxy <host:port>", "of the cluster behind this proxy (default: the current profile's)")
    .option("--cluster <name>", "of this cluster, which you are logged in to");
  // What either way needs is loaded when it is taken: most of a command's time is the loading of files.
  const reach: Reach = async (mode, work) => {
    const { config, proxy, cluster } = command.opts<{ config?: string; proxy?: string; cluster?: string }>();
    if (config === undefined) {
      const around = surroundings();
      const isNamed = proxy !== undefined || cluster !== undefined || around.profiles.current() !== undefined;
      const own = isNamed ? undefined : (await import("../default-configuration.ts")).configurationOfOwnCluster();
      if (own !== undefined) {
        const { withAdministration } = await import("./local.ts");
        return await withAdministration(own, mode, ({ administrator }) => work(administrator));
      }
      const { administratorAt } = await import("./remote.ts");
      return await work(await administratorAt({ proxy, cluster }, around));
    }
    if (proxy !== undefined || cluster !== undefined) throw twoPlaces();
    const { withAdministration } = await import("./local.ts");
    return await withAdministration(await read(config), mode, ({ administrator }) => work(administrator));
  };
  // On the auth service's own machine only.
  const configOf: ConfigOf = async () => {
    const { config, proxy, cluster } = command.opts<{ config?: string; proxy?: string; cluster?: string }>();
    const isNamed = proxy !== undefined || cluster !== undefined;
    if (config !== undefined && isNamed) throw twoPlaces();
    if (config !== undefined) return await read(config);
    const own = isNamed ? undefined : (await import("../default-configuration.ts")).configurationOfOwnCluster();
    if (own !== undefined && (await isMeant(own, surroundings()))) return own;
    const hint = "name the auth service's configuration on its own machine: postern ctl -c postern.yaml …";
    throw new CommandError(2, "Cannot do that over the network", {
      hint: own === undefined ? hint : `${hint}; ${LOG_OUT}`,
    });
  };
  const onOwnMachine: OnOwnMachine = async (mode, work) => {
    const config = await configOf();
    const { withAdministration } = await import("./local.ts");
    return await withAdministration(config, mode, (local) => work(local, config));
  };
  const ctl: Ctl = { reach, surroundings, configOf, onOwnMachine };
  for (const make of [
    statusCommand,
    createCommand,
    getCommand,
    editCommand,
    rmCommand,
    usersCommand,
    tokensCommand,
    dbCommand,
    sealingCommand,
    authCommand,
    backupCommand,
    restoreCommand,
    storeCommand,
  ])
    command.addCommand(make(ctl));
  return command.addHelpText("after", EXAMPLES);
}

function twoPlaces(): CommandError {
  return new CommandError(2, "Cannot administer with -c what --proxy or --cluster name", {
    hint: "-c FILE is for the auth service's own machine; leave it out to go through the proxy",
  });
}

const EXAMPLES = `
Examples:
  postern ctl create -f role.yaml
  postern ctl users add alice --roles=access
  postern ctl get role -f text
  postern ctl -c postern.yaml status`;
