/** `postern audit`: reading and verifying the audit log of a data directory. */

import process from "node:process";
import { Command } from "commander";
import { auditDirectoryOf } from "../../audit/files.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { auditLsCommand } from "./ls.ts";
import { directoryOfLog } from "../default-configuration.ts";
import type { AuditSurroundings } from "./surroundings.ts";
import { auditTailCommand } from "./tail.ts";
import { auditVerifyCommand } from "./verify.ts";

/** What the audit commands need of their surroundings; all but `dataDirOf` has the terminal's as default. */
export interface AuditCommandPorts {
  /** The `data_dir` of a configuration file. */
  readonly dataDirOf: (configFile: string) => string | Promise<string>;
  /** Writes the answer. */
  readonly write?: (text: string) => void;
  /** Tells a person something that is no part of the answer. */
  readonly say?: (text: string) => void;
  /** Whether the answer may have colours. */
  readonly color?: boolean;
  readonly clock?: Clock;
  /** Resolves after some milliseconds; `false` ends what repeats. */
  readonly wait?: (milliseconds: number) => Promise<boolean>;
}

/** The `audit` command with its subcommands `ls`, `tail` and `verify`. */
export function auditCommand(ports: AuditCommandPorts): Command {
  const surroundings: AuditSurroundings = {
    directoryOf: async ({ dataDir, config }) =>
      auditDirectoryOf(dataDir ?? (config === undefined ? directoryOfLog(process.env) : await ports.dataDirOf(config))),
    write: ports.write ?? ((text) => void process.stdout.write(text)),
    say: ports.say ?? ((text) => void process.stderr.write(text)),
    color: ports.color ?? (process.stdout.isTTY === true && (process.env["NO_COLOR"] ?? "") === ""),
    clock: ports.clock ?? systemClock,
    wait: ports.wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(() => resolve(true), milliseconds))),
  };
  return new Command("audit")
    .description("read and verify the audit log")
    .addCommand(auditLsCommand(surroundings))
    .addCommand(auditTailCommand(surroundings))
    .addCommand(auditVerifyCommand(surroundings))
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  postern audit ls -c postern.yaml --since 1h --denied
  postern audit tail -c postern.yaml --follow
  postern audit verify -c postern.yaml`;
