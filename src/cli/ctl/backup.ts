/** `postern ctl backup` and `postern ctl restore`: a cluster as one file. */

import { statSync } from "node:fs";
import process from "node:process";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/printable.ts";
import { packageVersion } from "../version.ts";
import { type Ctl, tell } from "./surroundings.ts";

/** The `backup` command. */
export function backupCommand(ctl: Ctl): Command {
  return new Command("backup")
    .description("write all that the store holds to a file, of one moment, while the cluster runs")
    .requiredOption("-o, --output <file>", "the file, which must not be there yet")
    .action(async ({ output }: { output: string }) => {
      const [{ backUp }, { recorded }] = await Promise.all([
        import("../../compose/backups.ts"),
        import("./recorded.ts"),
      ]);
      const file = resolve(output);
      const { resources, keys } = await ctl.onOwnMachine("writes", (local, config) =>
        recorded(local, { kind: "store", name: "backup", verb: "read" }, async () => {
          // That somebody may read here at all is for policy to say.
          await local.administration.list(local.actor, "role");
          const progress = (lines: number): void => tell(ctl.surroundings(), `${lines} lines written`);
          const report = await backUp(local, file, { clock: systemClock, version: packageVersion(), progress });
          const store = config.auth_service?.storage.type ?? "sqlite";
          const { counts } = report;
          const event = { user: local.actor.name, store, counts };
          await local.events.record({ event: "postern.store.backup", code: "PST01I", ...event });
          return report;
        }),
      );
      ctl.surroundings().write(`${resources} resources are in ${file}, ${statSync(file).size} bytes\n`);
      tell(
        ctl.surroundings(),
        `it opens nothing without sealing key ${keys.join(", ")}: keep a copy of that, elsewhere`,
      );
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml backup -o /backup/postern-2026-11-27.jsonl");
}

interface RestoreOptions {
  readonly force?: true;
  readonly keepIssued?: true;
}

/** The `restore` command. */
export function restoreCommand(ctl: Ctl): Command {
  return new Command("restore")
    .description("put a backup into the empty store that the configuration names; broken off, run it again")
    .argument("<FILE>", "what ctl backup wrote")
    .option("--force", "replace all that the store holds")
    .addOption(
      new Option(
        "--keep-issued",
        "certificates, links and join tokens from before stay good: for moving a cluster that nobody changed since",
      ),
    )
    .action(async (file: string, { force, keepIssued }: RestoreOptions) => {
      const config = await ctl.configOf();
      const [{ restoreFile }, { withLocalEvents }, { recorded }] = await Promise.all([
        import("../../compose/backups.ts"),
        import("./local.ts"),
        import("./recorded.ts"),
      ]);
      if (force === true) tell(ctl.surroundings(), "what the store holds and the backup does not is removed");
      const { header, counts, leftOut } = await withLocalEvents(config, async (local) =>
        recorded(local, { kind: "store", name: "restore", verb: "update" }, async () => {
          const report = await restoreFile(config, file, {
            clock: systemClock,
            env: process.env,
            force: force === true,
            keepIssued: keepIssued === true,
          });
          const store = config.auth_service?.storage.type ?? "sqlite";
          const event = { user: local.actor.name, store, counts: report.counts };
          await local.events.record({ event: "postern.store.restored", code: "PST02I", ...event });
          return report;
        }),
      );
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      ctl
        .surroundings()
        .write(
          `${total} resources of cluster ${printable(header.cluster ?? "?")} are back as of ${header.created_at}\n`,
        );
      if (keepIssued === true)
        tell(ctl.surroundings(), "logins, links, join tokens and services that were revoked since are good again");
      else
        ctl
          .surroundings()
          .write(
            `Everybody must log in, and services join, again; ${leftOut} links, join tokens and services were left out\n`,
          );
      tell(
        ctl.surroundings(),
        "removed users and roles are back, and locks, passwords and roles given since are not: look at what was done",
      );
      tell(ctl.surroundings(), `since then: postern audit ls --since ${header.created_at}`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml restore /backup/postern-2026-11-27.jsonl
  postern ctl -c in-dynamodb.yaml restore --keep-issued /backup/postern-2026-11-27.jsonl
  postern ctl -c postern.yaml restore --force /backup/postern-2026-11-27.jsonl`,
    );
}
