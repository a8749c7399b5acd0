/** `postern ctl status`: what a cluster is. */

import { Command, Option } from "commander";
import { jsonText } from "../plain-text.ts";
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
        write(jsonText(status, 2));
        return;
      }
      const { rotationOf } = await import("../../control/authority-facts.ts");
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
