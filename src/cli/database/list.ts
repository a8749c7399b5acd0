/** `postern db ls`: the databases of a cluster that somebody may know of, and the AWS roles that they may name there. */

import { Command, Option } from "commander";
import { jsonText } from "../plain-text.ts";
import { renderTable } from "../render-table.ts";
import { doorOf } from "../login/door-of.ts";
import type { DatabaseDocument } from "../login/door.ts";
import type { Choice } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { labelText, matching } from "./choose.ts";

interface ListOptions extends Choice {
  readonly format: "text" | "json" | "yaml";
  readonly search?: string;
  readonly verbose?: boolean;
}

/** The `ls` command. */
export function listCommand(surroundings: () => ClientSurroundings): Command {
  return new Command("ls")
    .description("list the databases that you may use")
    .argument("[LABELS]", "only those with these labels: key1=value1,key2=value2")
    .option("--search <words>", "only those that mention all of these words: foo,bar")
    .option("-v, --verbose", "tell more of each, and cut nothing off")
    .option("--proxy <host:port>", "of the cluster behind this proxy")
    .option("--cluster <name>", "of this cluster")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async (labels: string | undefined, options: ListOptions) => {
      const { format, search, verbose = false, proxy, cluster } = options;
      const around = surroundings();
      const { door } = await doorOf({ proxy, cluster }, around);
      const found = matching(await door.databases(), { labels, search });
      around.write(await renderDatabases(found, format, verbose));
      if (format === "text" && labels === undefined && search === undefined && found.length >= MANY)
        around.say(
          "hint: use 'postern db ls --search foo,bar' to search keywords\n      use 'postern db ls key1=value1,key2=value2' to filter databases by labels\n",
        );
    })
    .addHelpText(
      "after",
      `
Examples:
  postern db ls
  postern db ls env=dev --search orders
  postern db ls -v
  postern db ls -f json --cluster=example`,
    );
}

/** From here on whoever looks for one needs help. */
const MANY = 20;
const LABELS_WIDTH = 40;

/** Databases in a format. */
async function renderDatabases(
  databases: readonly DatabaseDocument[],
  format: ListOptions["format"],
  verbose: boolean,
): Promise<string> {
  if (format === "json") return jsonText(databases, 2);
  if (format === "yaml") {
    const { yamlText } = await import("../yaml-text.ts");
    return databases.map((one) => yamlText(one)).join("---\n");
  }
  const more = verbose ? ["Protocol", "Type", "URI"] : [];
  return renderTable(
    ["Name", "Description", ...more, "Allowed Users", "Labels", "Connect"],
    databases.map((database) => {
      const { metadata, spec, users } = database;
      const labels = labelText(database);
      return [
        metadata.name,
        metadata.description ?? "",
        ...(verbose ? [spec?.protocol ?? "", "dynamodb", spec?.uri ?? ""] : []),
        users === undefined ? "" : usersText(users.allowed ?? [], users.denied ?? []),
        verbose || labels.length <= LABELS_WIDTH ? labels : `${labels.slice(0, LABELS_WIDTH - 1)}…`,
        connectText(database),
      ];
    }),
  );
}

function usersText(allowed: readonly string[], denied: readonly string[]): string {
  if (allowed.length === 0) return "(none)";
  return denied.length === 0 ? `[${allowed.join(" ")}]` : `[${allowed.join(" ")}], except: [${denied.join(" ")}]`;
}

/** What to type next; nothing where no name would be let in. */
function connectText({ metadata, users }: DatabaseDocument): string {
  const allowed = users?.allowed ?? [];
  if (allowed.length === 0) return "";
  const role = allowed.find((text) => /^[\w+=,.@/-]+$/.test(text)) ?? "ROLE";
  return `postern proxy db --db-user=${role} ${word(metadata.name)}`;
}

/** An agent's word, which people copy into a shell. */
function word(name: string): string {
  return /^[\w+=,.@/-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
