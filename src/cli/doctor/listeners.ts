/** Whether each listener's user and database are there, and what was meant where one is not. */

import type { Database } from "../../aws/database.ts";
import { formatAddress } from "../../config/address.ts";
import type { Config } from "../../config/config.ts";
import type { Directory } from "../../identity/directory.ts";
import { nearMiss } from "../../identity/near-miss.ts";
import { type Finding, fail, warn } from "./findings.ts";

/** Findings about listeners that will deny every request; none about one that is well. */
export function* examineListeners(
  config: Config,
  directory: Directory,
  databases: ReadonlyMap<string, Database>,
): Generator<Finding, void, undefined> {
  const users = directory.users().map(({ name }) => name);
  for (const [at, { address, user, database }] of config.db_service.listeners.entries()) {
    const subject = `listener ${formatAddress(address)}`;
    const place = (key: string): string => {
      const { file, line } = config.positionOf(["db_service", "listeners", at, key]);
      return `${file}:${line}`;
    };
    if (!users.includes(user)) yield fail(subject, `there is no user "${user}"`, remedyFor("user", user, users, place));
    else if (!databases.has(database)) {
      yield fail(
        subject,
        `there is no database "${database}"`,
        remedyFor("database", database, databases.keys(), place),
      );
    } else if (directory.lockOf(user) !== undefined)
      yield warn(subject, `the user "${user}" is locked`, "remove the lock when its time is over");
  }
}

/** What to do about a name that nothing has. */
function remedyFor(kind: string, name: string, known: Iterable<string>, place: (key: string) => string): string {
  const names = [...known];
  const meant = nearMiss(name, names);
  const others = meant === undefined ? `${kind}s are ${listed(names)}` : `did you mean "${meant}"?`;
  return `correct ${place(kind)} (${others}), or define the ${kind}`;
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return "none";
  return names.length > SHOWN
    ? `${names.slice(0, SHOWN).join(", ")} and ${names.length - SHOWN} more`
    : names.join(", ");
}

const SHOWN = 8;
