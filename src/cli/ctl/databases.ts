/** `postern ctl db ls`: the databases of a cluster, and which agents serve them now. */

import { Command, Option } from "commander";
import type { DatabaseServer } from "../../control/presence.ts";
import type { ShownResource } from "../../control/shown.ts";
import { jsonText } from "../plain-text.ts";
import { renderTable } from "../render-table.ts";
import type { Ctl } from "./surroundings.ts";

/** An agent that serves a database, however many tunnels it holds. */
interface ServingAgent {
  readonly node_name: string;
  readonly host_id: string;
  readonly version: string;
  /** When a proxy last noted that it holds a tunnel of it; ISO 8601. */
  readonly heard: string;
  readonly draining: boolean;
  /** Why it cannot serve the database now; null when it can. */
  readonly fault: string | null;
  /** To how many proxies it has a tunnel. */
  readonly proxies: number;
}

/** A document of kind db, kept or told of by an agent. */
interface ListedDatabase {
  readonly kind: "db";
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly protocol?: string;
    readonly uri?: string;
    readonly aws?: { readonly region?: string; readonly account_id?: string };
  };
  readonly status: { readonly agents: readonly ServingAgent[] };
}

/** The `db` command with its subcommand `ls`. */
export function dbCommand({ reach, surroundings }: Ctl): Command {
  const ls = new Command("ls")
    .description("list the databases that the cluster keeps or that agents serve, and by which agents")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" | "yaml" }) => {
      const [kept, servers] = await reach("reads", async (administrator) => [
        await administrator.list("db"),
        await administrator.databaseServers(),
      ]);
      const databases = listed(kept, servers);
      const { write, clock } = surroundings();
      if (format === "json") write(jsonText(databases, 4));
      else if (format === "yaml") {
        const { yamlText } = await import("../yaml-text.ts");
        write(databases.map((one) => yamlText(one)).join("---\n"));
      } else write(textOf(databases, clock.now()));
    })
    .addHelpText("after", "\nExamples:\n  postern ctl db ls\n  postern ctl -c postern.yaml db ls -f json");
  return new Command("db")
    .description("list databases")
    .addCommand(ls)
    .addHelpText("after", "\nExamples:\n  postern ctl db ls");
}

function listed(kept: readonly ShownResource[], servers: readonly DatabaseServer[]): readonly ListedDatabase[] {
  const documents = new Map<string, object>();
  for (const { databases } of servers) {
    for (const { name, labels, uri, region, account_id } of databases) {
      const spec = { protocol: "dynamodb", uri, aws: { region, account_id } };
      documents.set(name, { kind: "db", version: "v3", metadata: { name, labels }, spec });
    }
  }
  // What the cluster keeps is what counts.
  for (const { name, value } of kept) documents.set(name, value as object);
  return [...documents]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, document]) => ({ ...document, status: { agents: agentsOf(name, servers) } }) as ListedDatabase);
}

function agentsOf(name: string, servers: readonly DatabaseServer[]): readonly ServingAgent[] {
  const found = new Map<string, ServingAgent>();
  // The latest word of an agent is the last.
  for (const server of servers.toSorted((one, other) => one.heard - other.heard)) {
    const { host_id, node_name, version, draining, heard } = server;
    const served = server.databases.find((database) => database.name === name);
    if (served === undefined) continue;
    const proxies = (found.get(host_id)?.proxies ?? 0) + 1;
    const { fault } = served;
    found.set(host_id, { node_name, host_id, version, heard: new Date(heard).toISOString(), draining, fault, proxies });
  }
  return [...found.values()];
}

function textOf(databases: readonly ListedDatabase[], now: number): string {
  return renderTable(
    ["Name", "Protocol", "URI", "Labels", "Agents"],
    databases.map(({ metadata, spec, status }) => [
      metadata.name,
      spec.protocol ?? "",
      spec.uri ?? [spec.aws?.region, spec.aws?.account_id].filter((part) => part !== undefined).join("/"),
      Object.entries(metadata.labels ?? {})
        .map(([name, value]) => `${name}=${value}`)
        .join(","),
      status.agents.length === 0 ? "none" : status.agents.map((agent) => agentText(agent, now)).join("; "),
    ]),
  );
}

function agentText({ node_name, host_id, heard, draining, fault }: ServingAgent, now: number): string {
  const age = `${Math.max(0, Math.round((now - Date.parse(heard)) / 1000))} s ago`;
  const state = draining ? ", draining" : fault === null ? "" : `, ${fault}`;
  return `${node_name === "" ? host_id : node_name} (${age}${state})`;
}
