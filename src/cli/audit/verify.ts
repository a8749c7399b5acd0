/** `postern audit verify`: proves that no line was changed, or says which were. */

import { Command, InvalidArgumentError } from "commander";
import { isStreamName } from "../../audit/files.ts";
import {
  type AuditReport,
  type Finding,
  type StreamReport,
  verifyAudit,
  type VerifyOptions,
} from "../../audit/verify.ts";
import { printable } from "../../base/printable.ts";
import { CommandError } from "../command-error.ts";
import { jsonText } from "../plain-text.ts";
import { yamlText } from "../yaml-text.ts";
import { requireLog } from "./log-at.ts";
import { type ListFormat, withFormat, withWhere } from "./options.ts";
import type { AuditSurroundings, WhereOptions } from "./surroundings.ts";

type Anchor = NonNullable<VerifyOptions["anchors"]>[number];

interface VerifyCommandOptions extends WhereOptions {
  readonly format: ListFormat;
  readonly allowPruned?: boolean;
  readonly anchor: readonly Anchor[];
}

/** The `verify` command. Fails when anything is wrong. */
export function auditVerifyCommand(surroundings: AuditSurroundings): Command {
  const command = new Command("verify").description(
    "find every line that was removed, altered, inserted, moved or cut off",
  );
  withFormat(withWhere(command), ["text", "json", "yaml"])
    .option("--allow-pruned", "accept that the oldest files were deleted to make room")
    .option("--anchor <stream:seq:hash>", "a place that must be in the log unchanged; may be repeated", addAnchor, [])
    .addHelpText("after", EXAMPLES)
    .action(async (options: VerifyCommandOptions) => {
      const directory = await surroundings.directoryOf(options);
      await requireLog(directory, "verify");
      const report = await verifyAudit(directory, {
        allowPruned: options.allowPruned === true,
        anchors: options.anchor,
      });
      surroundings.write(render(report, options.format));
      if (report.ok) return;
      throw new CommandError(
        1,
        `The audit log in "${directory}" was tampered with or damaged: ${countOf(report.findingsTotal, "finding")}`,
        {
          hint: report.findings.some((finding) => finding.kind === "pruned")
            ? "if the oldest files were deleted on purpose, add --allow-pruned"
            : "keep the directory as it is, and compare it with a copy kept elsewhere",
        },
      );
    });
  return command;
}

function render(report: AuditReport, format: ListFormat): string {
  if (format === "json") return jsonText(report, 2);
  if (format === "yaml") return yamlText(report);
  const more = report.findingsTotal - report.findings.length;
  return [
    ...report.findings.map(renderFinding),
    ...(more > 0 ? [`and ${countOf(more, "finding")} more`] : []),
    ...report.streams.map((stream) => renderStream(stream, report)),
    "",
  ].join("\n");
}

function renderFinding({ file, line, kind, message }: Finding): string {
  const where = [file, line].filter((part) => part !== null).join(":");
  return printable(`${where === "" ? "" : `${where}: `}${kind}: ${message}`);
}

function renderStream(stream: StreamReport, report: AuditReport): string {
  const wrong = report.findings.some((finding) => finding.stream === stream.stream);
  const what = `${countOf(stream.lines, "line")} in ${countOf(stream.files, "file")}`;
  const anchor = stream.last === 0 ? "" : `, anchor ${stream.stream}:${stream.last}:${stream.hash}`;
  return `${wrong ? "BAD" : "ok"}  ${stream.stream}: ${what}${anchor}`;
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function addAnchor(text: string, before: readonly Anchor[]): Anchor[] {
  const [, stream = "", seq = "", hash = ""] = /^([^:]*):([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (isStreamName(stream)) return [...before, { stream, seq: Number(seq), hash }];
  throw new InvalidArgumentError("give what an earlier `audit verify` printed after the word anchor");
}

const EXAMPLES = `
Examples:
  postern audit verify
  postern audit verify --data-dir /var/lib/postern -f json
  postern audit verify --anchor main:1024:<hash of an earlier run>`;
