/** `postern ctl status` and `postern ctl db ls`: what a cluster is and has. */

import { Command, Option } from "commander";
import { packageVersion } from "../version.ts";
import { withAdministration } from "./local.ts";
import { renderResources, type ResourceFormat } from "./render.ts";
import { answer, type ConfigOf } from "./surroundings.ts";

/** The `status` command. */
export function statusCommand(configOf: ConfigOf): Command {
  return new Command("status")
    .description("show the cluster's name and version")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const config = configOf();
      // That the store can be read is what a status is about.
      await withAdministration(config, "reads", ({ administration, actor }) => administration.list(actor, "role"));
      const cluster = config.auth_service?.cluster_name ?? "";
      const version = packageVersion();
      answer(
        format === "json"
          ? `${JSON.stringify({ cluster, version }, null, 2)}\n`
          : `Cluster  ${cluster}\nVersion  ${version}\n`,
      );
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml status\n  postern ctl -c postern.yaml status -f json",
    );
}

/** The `db` command with its subcommand `ls`. */
export function dbCommand(configOf: ConfigOf): Command {
  const ls = new Command("ls")
    .description("list the databases that the cluster keeps")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async ({ format }: { format: ResourceFormat }) => {
      const databases = await withAdministration(configOf(), "reads", ({ administration, actor }) =>
        administration.list(actor, "db"),
      );
      answer(renderResources(databases, "db", format));
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml db ls\n  postern ctl -c postern.yaml db ls -f json",
    );
  return new Command("db")
    .description("list databases")
    .addCommand(ls)
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml db ls");
}
