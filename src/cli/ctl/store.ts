/** `postern ctl store`: where the cluster's resources lie, and in which form. */

import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../../base/clock.ts";
import { jsonText } from "../plain-text.ts";
import { type Ctl, tell } from "./surroundings.ts";

/** The `store` command with its subcommands. */
export function storeCommand(ctl: Ctl): Command {
  return new Command("store")
    .description("show the store, and take it back to an earlier schema")
    .addCommand(statusCommand(ctl))
    .addCommand(migrateCommand(ctl))
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml store status\n  postern ctl -c postern.yaml store migrate --to 1",
    );
}

function statusCommand(ctl: Ctl): Command {
  return new Command("status")
    .description("show where the store is, its schema, and how many resources of each kind it holds")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const { storePlaceOf } = await import("../../compose/store.ts");
      const { type, place, known } = await storePlaceOf(await ctl.configOf());
      const resources = await ctl.onOwnMachine("reads", async ({ administration, actor, cluster }) => {
        await administration.list(actor, "role");
        const counts: Record<string, number> = {};
        for await (const { kind } of cluster.store.snapshot()) counts[kind] = (counts[kind] ?? 0) + 1;
        return counts;
      });
      // Opening has taken it to the newest one.
      const facts = { type, place, schema: known, resources };
      if (format === "json") {
        ctl.surroundings().write(jsonText(facts, 2));
        return;
      }
      ctl.surroundings().write(`Store   ${type} ${place}\nSchema  ${known}\n`);
      for (const [kind, count] of Object.entries(resources))
        ctl.surroundings().write(`${String(count).padStart(6)}  ${kind}\n`);
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml store status\n  postern ctl -c postern.yaml store status -f json",
    );
}

function migrateCommand(ctl: Ctl): Command {
  return new Command("migrate")
    .description("take the store back to an earlier schema, for an older Postern; stop every auth service first")
    .requiredOption("--to <schema>", "number of the schema", schemaNumber)
    .action(async ({ to }: { to: number }) => {
      const config = await ctl.configOf();
      const [{ migrateStore, storePlaceOf }, { withLocalEvents }, { recorded }] = await Promise.all([
        import("../../compose/store.ts"),
        import("./local.ts"),
        import("./recorded.ts"),
      ]);
      const { type, place, known } = await storePlaceOf(config);
      await withLocalEvents(config, (local) =>
        recorded(local, { kind: "store", name: "migrate", verb: "update" }, async () => {
          await migrateStore(config, to, { clock: systemClock, env: process.env, events: local.events });
          if (to === known) return;
          const facts = { store: type, from_version: known, to_version: to };
          await local.events.record({ event: "postern.store.migrated", code: "PST03I", ...facts });
        }),
      );
      ctl.surroundings().write(`The store ${place} has schema ${to}\n`);
      if (to < known)
        tell(
          ctl.surroundings(),
          "start the older Postern now: this one takes the store forward again when it opens it",
        );
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml store migrate --to 1");
}

function schemaNumber(text: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("it is not the number of a schema: 1, 2 …");
}
