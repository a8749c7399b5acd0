/** `postern audit ls`: the newest records that fit. */

import { Command, Option } from "commander";
import { type AuditFilter, type AuditRecord, isNamed, searchAudit } from "../../audit/search.ts";
import { EVENTS } from "../../audit/events.ts";
import { nearMiss } from "../../identity/near-miss.ts";
import { CommandError } from "../command-error.ts";
import { jsonText } from "../plain-text.ts";
import { yamlText } from "../yaml-text.ts";
import { requireLog } from "./log-at.ts";
import { type ListFormat, parseCount, parseMoment, withFormat, withWhere } from "./options.ts";
import { renderTable, rowOf } from "./table.ts";
import type { AuditSurroundings, WhereOptions } from "./surroundings.ts";

/** Options that choose records. */
export interface FilterOptions {
  readonly since?: number;
  readonly until?: number;
  readonly user?: string;
  readonly event?: string;
  /** The same as `event`, as Teleport's users call it. */
  readonly type?: string;
  readonly database?: string;
  readonly operation?: string;
  readonly denied?: boolean;
  readonly decision?: string;
}

interface LsOptions extends WhereOptions, FilterOptions {
  readonly format: ListFormat;
  readonly limit: number;
}

/** The `ls` command. */
export function auditLsCommand(surroundings: AuditSurroundings): Command {
  const command = new Command("ls").description("list the newest audit events, oldest first");
  withFilter(withFormat(withWhere(command), ["text", "json", "yaml"]), surroundings)
    .option("--limit <n>", "how many at most", parseCount, 100)
    .addHelpText("after", EXAMPLES)
    .action(async (options: LsOptions) => {
      const filter = filterOf(options);
      const directory = await surroundings.directoryOf(options);
      await requireLog(directory, "list");
      const records = await searchAudit(directory, filter, options.limit);
      surroundings.write(render(records, options.format, surroundings.color));
    });
  return command;
}

/** Adds the options of `FilterOptions`. */
export function withFilter(command: Command, { clock }: AuditSurroundings): Command {
  return command
    .option("--since <when>", "from this long ago (30m, 1h, 7d) or this time on", (text) =>
      parseMoment(text, clock.now()),
    )
    .option("--until <when>", "up to this long ago or this time", (text) => parseMoment(text, clock.now()))
    .option("--user <name>", "only this user")
    .option("--event <name>", "only this event, such as db.session.start, or a family, such as 'user.*'")
    .addOption(new Option("--type <name>", "the same as --event").conflicts("event"))
    .option("--database <name>", "only this database")
    .option("--operation <name>", "only this operation, such as GetItem")
    .option("--denied", "only what policy denied")
    .option("--decision <id>", "only the request of this decision, which a denial's message names");
}

/** The filter that options make. Intents are shown only when asked for by name: their events say the same and more. */
export function filterOf(options: FilterOptions): AuditFilter {
  const { since, until, user, database, operation, denied, decision } = options;
  const event = options.event ?? options.type;
  const known = Object.keys(EVENTS);
  if (event !== undefined && !known.some((name) => isNamed(name, event))) {
    const meant = nearMiss(event, known);
    throw new CommandError(2, `Cannot list events named "${event}": there are none`, {
      hint: meant === undefined ? `the events are ${known.join(", ")}` : `did you mean ${meant}?`,
    });
  }
  return {
    withoutIntents: event === undefined,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(user === undefined ? {} : { user }),
    ...(event === undefined ? {} : { event }),
    ...(database === undefined ? {} : { database }),
    ...(operation === undefined ? {} : { operation }),
    ...(denied === undefined ? {} : { denied }),
    ...(decision === undefined ? {} : { decision }),
  };
}

function render(records: readonly AuditRecord[], format: ListFormat, color: boolean): string {
  if (format === "json") return jsonText(records, 2);
  if (format === "yaml") return yamlText(records);
  return renderTable(records.map(rowOf), color);
}

const EXAMPLES = `
Examples:
  postern audit ls --since 1h --denied
  postern audit ls --decision b4fb8258-f527-47e0-918a-d259a33ef4ff -f yaml
  postern audit ls --user alice --operation DeleteTable -f json
  postern audit ls --type 'user.*' --since 7d -f json
  postern audit ls --event postern.policy.activated --limit 10`;
