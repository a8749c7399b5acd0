/** `postern audit tail`: the last records, and with `--follow` those to come. */

import { Command } from "commander";
import { followAudit } from "../../audit/follow.ts";
import { type AuditRecord, fits, searchAudit } from "../../audit/search.ts";
import { jsonText } from "../plain-text.ts";
import { yamlText } from "../yaml-text.ts";
import { type FilterOptions, filterOf, withFilter } from "./ls.ts";
import { hasLog, requireLog, waitingFor } from "./log-at.ts";
import { type ListFormat, parseCount, withFormat, withWhere } from "./options.ts";
import { HEADINGS, renderRow, rowOf } from "./table.ts";
import type { AuditSurroundings, WhereOptions } from "./surroundings.ts";

interface TailOptions extends WhereOptions, FilterOptions {
  readonly format: ListFormat;
  readonly lines: number;
  readonly follow?: boolean;
}

const POLL_MS = 250;

/** The `tail` command. `-f` is the format, as in every command; following has the long name only. */
export function auditTailCommand(surroundings: AuditSurroundings): Command {
  const command = new Command("tail").description("print the last audit events, one a line");
  withFilter(withFormat(withWhere(command), ["text", "json", "yaml"]), surroundings)
    .option("-n, --lines <n>", "how many of the last to print", parseCount, 10)
    .option("--follow", "go on with new events as they come (-f is the format)")
    .addHelpText("after", EXAMPLES)
    .action(async (options: TailOptions) => {
      const filter = filterOf(options);
      const directory = await surroundings.directoryOf(options);
      if (options.follow !== true) await requireLog(directory, "list");
      else if (!(await hasLog(directory))) surroundings.say(waitingFor(directory));
      const print = (record: AuditRecord): void =>
        surroundings.write(render(record, options.format, surroundings.color));
      if (options.format === "text") surroundings.write(renderRow(HEADINGS, WIDTHS, false));
      for (const record of await searchAudit(directory, filter, options.lines)) print(record);
      if (options.follow !== true) return;
      for await (const record of followAudit(directory, { wait: () => surroundings.wait(POLL_MS) })) {
        if (fits(record, filter)) print(record);
      }
    });
  return command;
}

// Rows are printed as they come, so their widths are guessed.
const WIDTHS = [20, 12, 20, 20, 9, 6, 9, 0];

function render(record: AuditRecord, format: ListFormat, color: boolean): string {
  if (format === "json") return jsonText(record);
  // One document each, since there may be no end of them.
  return format === "yaml" ? `---\n${yamlText(record)}` : renderRow(rowOf(record), WIDTHS, color);
}

const EXAMPLES = `
Examples:
  postern audit tail -n 50
  postern audit tail --follow --denied
  postern audit tail -f json --follow | jq -c '{user, target, outcome}'`;
