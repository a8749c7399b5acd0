/** `postern ctl auth`: the cluster's certificate authorities, and the change of their keys. */

import { Command, Option } from "commander";
import { systemClock } from "../../base/clock.ts";
import {
  type Authority,
  type AuthorityKind,
  nextStep,
  pinOf,
  pinsOf,
  type RotationPhase,
} from "../../identity/authority.ts";
import { rotateAuthorities, USUAL_GRACE_MS } from "../../control/rotation.ts";
import { withAdministration } from "./local.ts";
import { recorded } from "./recorded.ts";
import { renderTable } from "./render.ts";
import { answer, type ConfigOf, durationOf, tell } from "./surroundings.ts";

/** The `auth` command with its subcommands. */
export function authCommand(configOf: ConfigOf): Command {
  return new Command("auth")
    .description("show and rotate the certificate authorities")
    .addCommand(rotateCommand(configOf))
    .addCommand(statusCommand(configOf))
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
  readonly gracePeriod: number;
}

function rotateCommand(configOf: ConfigOf): Command {
  return new Command("rotate")
    .description("replace the key of an authority, in phases in which old and new are both trusted")
    .addOption(new Option("--type <type>", "which authority").choices(["host", "user", "all"]).makeOptionMandatory())
    .addOption(
      new Option("--phase <phase>", "the step to take")
        .choices(["init", "update_clients", "update_servers", "standby", "rollback"])
        .default("init"),
    )
    .option("--manual", "take each step by hand")
    .option("--grace-period <duration>", "how long all steps take together, by themselves", durationOf, USUAL_GRACE_MS)
    .action(async ({ type, phase, manual = false as never, gracePeriod }: RotateOptions) => {
      const kinds = type === "all" ? (["host", "user"] as const) : [type];
      const request = { kinds, phase, manual, grace: gracePeriod };
      const authorities = await withAdministration(configOf(), "writes", (local) =>
        recorded(local, { verb: "update", kind: "authority", name: type }, () =>
          rotateAuthorities(local.actor.name, request, { ...local, clock: systemClock }),
        ),
      );
      answer(authorities.map((authority) => `${authority.kind} CA  ${rotationOf(authority)}\n`).join(""));
      if (phase !== "init") return;
      tell("whoever logs in from now on learns the new pin; take a backup, as older ones do not have the new key");
      if (!manual) tell("an auth service must be running for the next steps: postern ctl auth status shows when");
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

function statusCommand(configOf: ConfigOf): Command {
  return new Command("status")
    .description("show the authorities, their pins, and where a rotation stands")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const authorities = await withAdministration(configOf(), "reads", async (local) => {
        await local.administration.list(local.actor, "role");
        return Promise.all((["host", "user"] as const).map((kind) => local.cluster.authority(kind)));
      });
      if (format === "json") {
        answer(`${JSON.stringify(authorities.map(authorityFacts), null, 2)}\n`);
        return;
      }
      const rows = authorities.flatMap((authority) =>
        pinsOf(authority).map((pin) => [
          authority.kind,
          pin === pinOf(authority.active.certificate) ? rotationOf(authority) : "trusted as well",
          pin,
        ]),
      );
      answer(renderTable(["Authority", "Rotation", "Pin"], rows));
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml auth status\n  postern ctl -c postern.yaml auth status -f json",
    );
}

/** What programs are told of an authority. Moments are RFC 3339. */
export function authorityFacts(authority: Authority): Readonly<Record<string, unknown>> {
  const { kind, phase, started, rotated } = authority;
  const next = nextStep(authority);
  return {
    kind,
    phase,
    started: momentOf(started),
    next_phase: next?.phase ?? null,
    next_at: momentOf(next?.at),
    last_rotated: momentOf(rotated),
    pins: pinsOf(authority),
  };
}

/** Where an authority's rotation stands, in words. */
export function rotationOf(authority: Authority): string {
  const { phase, rotated } = authority;
  if (phase === "standby") return rotated === undefined ? "never updated" : `rotated ${momentOf(rotated)}`;
  const next = nextStep(authority);
  const goesOn = next === undefined ? "by hand" : `${next.phase} at ${momentOf(next.at)}`;
  return `rotating: ${phase} (${goesOn})`;
}

function momentOf(time: number): string;
function momentOf(time: number | undefined): string | null;
function momentOf(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
