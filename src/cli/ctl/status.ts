/** `postern ctl status` and `postern ctl db ls`: what a cluster is and has. */

import { Command, Option } from "commander";
import { renderResources, type ResourceFormat } from "./render.ts";
import { rotationOf } from "../../control/authority-facts.ts";
import type { Ctl } from "./surroundings.ts";

/** The `status` command. */
export function statusCommand({ reach, surroundings }: Ctl): Command {
  return new Command("status")
    .description("show the cluster's name, version, authorities and CA pins")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const status = await reach("reads", (administrator) => administrator.status());
      const { write } = surroundings();
      if (format === "json") {
        write(`${JSON.stringify(status, null, 2)}\n`);
        return;
      }
      const { cluster, version, authorities, ca_pins: pins } = status;
      const rows = [
        ["Cluster", cluster],
        ["Version", version],
        ...authorities.map((authority) => [`${authority.kind} CA`, rotationOf(authority)]),
        ...pins.map((pin) => ["CA pin", pin]),
      ];
      for (const [label = "", value = ""] of rows) write(`${label.padEnd(8)} ${value}\n`);
    })
    .addHelpText("after", "\nExamples:\n  postern ctl status\n  postern ctl -c postern.yaml status -f json");
}

/** The `db` command with its subcommand `ls`. */
export function dbCommand({ reach, surroundings }: Ctl): Command {
  const ls = new Command("ls")
    .description("list the databases that the cluster keeps")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async ({ format }: { format: ResourceFormat }) => {
      const databases = await reach("reads", (administrator) => administrator.list("db"));
      surroundings().write(renderResources(databases, "db", format));
    })
    .addHelpText("after", "\nExamples:\n  postern ctl db ls\n  postern ctl -c postern.yaml db ls -f json");
  return new Command("db")
    .description("list databases")
    .addCommand(ls)
    .addHelpText("after", "\nExamples:\n  postern ctl db ls");
}
