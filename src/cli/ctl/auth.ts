/** `postern ctl auth`: the cluster's certificate authorities, and the change of their keys. */

import { Command, Option } from "commander";
import { systemClock } from "../../base/clock.ts";
import { type AuthorityKind, pinOf, pinsOf, type RotationPhase } from "../../identity/authority.ts";
import { jsonText } from "../plain-text.ts";
import { renderTable } from "../render-table.ts";
import { type Ctl, durationOf, tell } from "./surroundings.ts";

/** The `auth` command with its subcommands. */
export function authCommand(ctl: Ctl): Command {
  return new Command("auth")
    .description("show and rotate the certificate authorities")
    .addCommand(rotateCommand(ctl))
    .addCommand(statusCommand(ctl))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml auth status
  postern ctl -c postern.yaml auth rotate --type=host`,
    );
}

interface RotateOptions {
  readonly type: AuthorityKind | "all";
  readonly phase: RotationPhase;
  readonly manual?: true;
  readonly gracePeriod?: number;
}

function rotateCommand(ctl: Ctl): Command {
  return new Command("rotate")
    .description("replace the key of an authority, in phases in which old and new are both trusted")
    .addOption(new Option("--type <type>", "which authority").choices(["host", "user", "all"]).makeOptionMandatory())
    .addOption(
      new Option("--phase <phase>", "the step to take")
        .choices(["init", "update_clients", "update_servers", "standby", "rollback"])
        .default("init"),
    )
    .option("--manual", "take each step by hand")
    .option("--grace-period <duration>", "how long all steps take together, by themselves (default: 48h)", durationOf)
    .action(async ({ type, phase, manual = false as never, gracePeriod }: RotateOptions) => {
      const [{ authorityFacts, rotationOf }, { rotateAuthorities, USUAL_GRACE_MS }, { recorded }] = await Promise.all([
        import("../../control/authority-facts.ts"),
        import("../../control/rotation.ts"),
        import("./recorded.ts"),
      ]);
      const kinds = type === "all" ? (["host", "user"] as const) : [type];
      const request = { kinds, phase, manual, grace: gracePeriod ?? USUAL_GRACE_MS };
      const authorities = await ctl.onOwnMachine("writes", (local) =>
        recorded(local, { verb: "update", kind: "authority", name: type }, () =>
          rotateAuthorities(local.actor.name, request, { ...local, clock: systemClock }),
        ),
      );
      ctl
        .surroundings()
        .write(
          authorities.map((authority) => `${authority.kind} CA  ${rotationOf(authorityFacts(authority))}\n`).join(""),
        );
      if (phase !== "init") return;
      tell(
        ctl.surroundings(),
        "whoever logs in from now on learns the new pin; take a backup, as older ones do not have the new key",
      );
      if (!manual)
        tell(
          ctl.surroundings(),
          "an auth service must be running for the next steps: postern ctl auth status shows when",
        );
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml auth rotate --type=all
  postern ctl -c postern.yaml auth rotate --type=host --grace-period=8h
  postern ctl -c postern.yaml auth rotate --type=user --manual --phase=init
  postern ctl -c postern.yaml auth rotate --type=user --manual --phase=rollback`,
    );
}

function statusCommand(ctl: Ctl): Command {
  return new Command("status")
    .description("show the authorities, their pins, and where a rotation stands")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const { authorityFacts, rotationOf } = await import("../../control/authority-facts.ts");
      const authorities = await ctl.onOwnMachine("reads", async (local) => {
        await local.administration.list(local.actor, "role");
        return Promise.all((["host", "user"] as const).map((kind) => local.cluster.authority(kind)));
      });
      if (format === "json") {
        ctl.surroundings().write(jsonText(authorities.map(authorityFacts), 2));
        return;
      }
      const rows = authorities.flatMap((authority) =>
        pinsOf(authority).map((pin) => [
          authority.kind,
          pin === pinOf(authority.active.certificate) ? rotationOf(authorityFacts(authority)) : "trusted as well",
          pin,
        ]),
      );
      ctl.surroundings().write(renderTable(["Authority", "Rotation", "Pin"], rows));
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml auth status\n  postern ctl -c postern.yaml auth status -f json",
    );
}
