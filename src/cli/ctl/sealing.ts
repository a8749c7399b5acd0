/** `postern ctl sealing`: the keys under which the secrets in the store lie. */

import { Command, Option } from "commander";
import { systemClock } from "../../base/clock.ts";
import type { SealingOptions } from "../../control/sealing.ts";
import { jsonText } from "../plain-text.ts";
import type { LocalAdministration } from "./local.ts";
import { renderTable } from "../render-table.ts";
import { type Ctl, tell } from "./surroundings.ts";

/** The `sealing` command with its subcommands. */
export function sealingCommand(ctl: Ctl): Command {
  return new Command("sealing")
    .description("show, rotate, retire and move the keys that seal the cluster's secrets")
    .addCommand(statusCommand(ctl))
    .addCommand(rotateCommand(ctl))
    .addCommand(retireCommand(ctl))
    .addCommand(wrapCommand(ctl))
    .addCommand(unwrapCommand(ctl))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml sealing status
  postern ctl -c postern.yaml sealing rotate
  postern ctl -c postern.yaml sealing retire`,
    );
}

function statusCommand(ctl: Ctl): Command {
  return new Command("status")
    .description("show which key seals, which others open, and what each has sealed")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const { sealingStatus } = await import("../../control/sealing.ts");
      const { type, keys } = await ctl.onOwnMachine("reads", async (local) => {
        // That somebody may read here at all is for policy to say.
        await local.administration.list(local.actor, "role");
        return { type: local.keys.type, keys: await sealingStatus(local) };
      });
      if (format === "json") {
        ctl.surroundings().write(jsonText({ type, keys }, 2));
        return;
      }
      const rows = keys.map(({ id, state, seals }) => [
        id,
        state,
        Object.entries(seals)
          .map(([kind, count]) => `${count} ${kind}`)
          .join(", "),
      ]);
      ctl.surroundings().write(renderTable(["Key", "State", "Has sealed"], rows));
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml sealing status\n  postern ctl -c postern.yaml sealing status -f json",
    );
}

function rotateCommand(ctl: Ctl): Command {
  return new Command("rotate")
    .description("let a new key seal, and seal everything anew; broken off, it goes on when it is called again")
    .option("--prepare", "only add the key, to carry sealing.key to other auth nodes before it seals")
    .action(async ({ prepare = false }: { prepare?: boolean }) => {
      const { rotateSealing } = await import("../../control/sealing.ts");
      const { key, done, resealed } = await ctl.onOwnMachine("writes", (local) =>
        acting(local, "rotate", () => rotateSealing(local.actor.name, { ...sealingOptions(ctl, local), prepare })),
      );
      if (done === "prepared") {
        ctl.surroundings().write(`Sealing key ${key} has been added\n`);
        tell(ctl.surroundings(), "copy the key file to every other auth node, then run it without --prepare");
        return;
      }
      ctl
        .surroundings()
        .write(
          done === "finished"
            ? `Sealing key ${key} seals; the rotation to it was finished, ${resealed} resources sealed anew\n`
            : `Sealing key ${key} seals; ${resealed} resources sealed anew\n`,
        );
      tell(ctl.surroundings(), "in a minute the old key can go: postern ctl sealing retire");
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml sealing rotate\n  postern ctl -c postern.yaml sealing rotate --prepare",
    );
}

function retireCommand(ctl: Ctl): Command {
  return new Command("retire")
    .description("drop old keys by which nothing is sealed any more")
    .action(async () => {
      const { retireSealing } = await import("../../control/sealing.ts");
      const retired = await ctl.onOwnMachine("writes", (local) =>
        acting(local, "retire", () => retireSealing(sealingOptions(ctl, local))),
      );
      ctl
        .surroundings()
        .write(
          retired.length === 0 ? "There is no old key\n" : retired.map((id) => `Key ${id} has been dropped\n`).join(""),
        );
      if (retired.length > 0)
        tell(ctl.surroundings(), "backups that were taken before need it: keep it with them, or take a new backup");
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml sealing retire");
}

interface WrapOptions {
  readonly keyId: string;
  readonly region: string;
  readonly endpoint?: string;
}

function wrapCommand(ctl: Ctl): Command {
  return new Command("wrap")
    .description("put the keys of the key file into the store, wrapped by AWS KMS; what they sealed stays as it is")
    .requiredOption("--key-id <arn>", "ARN of the KMS key")
    .requiredOption("--region <region>", "its AWS region")
    .option("--endpoint <url>", "endpoint of KMS, for an emulator")
    .action(async ({ keyId, region, endpoint }: WrapOptions) => {
      const { wrapKeys } = await import("../../compose/sealing.ts");
      const section = { type: "kms", key_id: keyId, region, ...(endpoint === undefined ? {} : { endpoint }) } as const;
      const ids = await ctl.onOwnMachine("writes", (local, config) =>
        acting(local, "wrap", async () => {
          const wrapped = await wrapKeys(config, local, section);
          await record(local, wrapped[0] ?? "");
          return wrapped;
        }),
      );
      ctl.surroundings().write(ids.map((id) => `Key ${id} has been wrapped\n`).join(""));
      tell(ctl.surroundings(), `now write on every auth node: auth_service: {sealing: ${JSON.stringify(section)}}`);
      tell(
        ctl.surroundings(),
        "restart them, delete their key files, and let a key seal that never was in a file: postern ctl sealing rotate",
      );
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml sealing wrap --key-id arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab --region us-east-1",
    );
}

function unwrapCommand(ctl: Ctl): Command {
  return new Command("unwrap")
    .description("make a key file of the keys that lie wrapped in the store; what they sealed stays as it is")
    .action(async () => {
      const { unwrapToFile } = await import("../../compose/sealing.ts");
      const path = await ctl.onOwnMachine("writes", (local, config) =>
        acting(local, "unwrap", async () => {
          const made = await unwrapToFile(config, local);
          await record(local, local.ring.ids[0] ?? "");
          return made;
        }),
      );
      ctl.surroundings().write(`The keys are in ${path}\n`);
      tell(
        ctl.surroundings(),
        "now write on every auth node: auth_service: {sealing: {type: file}}; copy the file there, and restart them",
      );
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml sealing unwrap");
}

async function acting<T>(local: LocalAdministration, name: string, work: () => Promise<T>): Promise<T> {
  const { recorded } = await import("./recorded.ts");
  return await recorded(local, { verb: "update", kind: "sealing", name }, work);
}

function record({ events, actor }: LocalAdministration, key: string): Promise<void> {
  return events.record({ event: "postern.sealing.rotated", code: "PSK01I", user: actor.name, key_id: key });
}

function sealingOptions({ surroundings }: Ctl, { cluster, ring, keys, events }: LocalAdministration): SealingOptions {
  return {
    cluster,
    ring,
    keys,
    events,
    clock: systemClock,
    progress: (count) => {
      if (count > 0 && count % 200 === 0) tell(surroundings(), `${count} resources sealed anew`);
    },
  };
}
