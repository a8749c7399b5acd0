/** `postern ctl status` and `postern ctl db ls`: what a cluster is and has. */

import { Command, Option } from "commander";
import { packageVersion } from "../version.ts";
import { authorityFacts, rotationOf } from "./auth.ts";
import { withAdministration } from "./local.ts";
import { renderResources, type ResourceFormat } from "./render.ts";
import { answer, type ConfigOf } from "./surroundings.ts";

/** The `status` command. */
export function statusCommand(configOf: ConfigOf): Command {
  return new Command("status")
    .description("show the cluster's name, version, authorities and CA pins")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const config = configOf();
      const version = packageVersion();
      const { name, id, authorities, pins } = await withAdministration(
        config,
        "reads",
        async ({ administration, actor, cluster }) => {
          // That the store can be read is what a status is about.
          await administration.list(actor, "role");
          const kinds = await Promise.all((["host", "user"] as const).map((kind) => cluster.authority(kind)));
          const { name: clusterName, id: clusterId } = cluster;
          return { name: clusterName, id: clusterId, authorities: kinds, pins: await cluster.pins() };
        },
      );
      const facts = authorities.map(authorityFacts);
      if (format === "json") {
        answer(`${JSON.stringify({ cluster: name, id, version, ca_pins: pins, authorities: facts }, null, 2)}\n`);
        return;
      }
      const rows = [
        ["Cluster", name],
        ["Version", version],
        ...authorities.map((authority) => [`${authority.kind} CA`, rotationOf(authority)]),
        ...pins.map((pin) => ["CA pin", pin]),
      ];
      for (const [label = "", value = ""] of rows) answer(`${label.padEnd(8)} ${value}\n`);
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
