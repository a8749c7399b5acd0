/** Whether there is a log where a command looks: an empty answer from the wrong directory would read as "nothing happened". */

import { listAuditFiles } from "../../audit/files.ts";
import { reasonOf } from "../../config/problem.ts";
import { CommandError } from "../command-error.ts";

const ELSEWHERE = "name it with -c postern.yaml or --data-dir DIR";

/** Whether the directory holds any trace of a log: a head record alone is what is left of one. @throws CommandError when it cannot be read */
export async function hasLog(directory: string): Promise<boolean> {
  try {
    const { streams, heads, foreign } = await listAuditFiles(directory);
    return streams.size + heads.length + foreign.length > 0;
  } catch (cause) {
    throw new CommandError(1, `Cannot read the audit log in "${directory}": ${reasonOf(cause)}`, {
      hint: "read it as the user that runs the service",
    });
  }
}

/** @throws CommandError (failed) when the directory holds no audit log, or cannot be read */
export async function requireLog(directory: string, verb: "list" | "verify"): Promise<void> {
  if (await hasLog(directory)) return;
  throw new CommandError(1, `Cannot ${verb} "${directory}": there is no audit log`, { hint: ELSEWHERE });
}

/** What to say before waiting for a log that is not there yet. */
export function waitingFor(directory: string): string {
  return `postern: there is no audit log in "${directory}" yet; waiting for one\npostern: hint: ${ELSEWHERE}\n`;
}
