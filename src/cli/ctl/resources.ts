/** `postern ctl create|get|edit|rm`: resources of every kind. */

import { Command, Option } from "commander";
import type { PlacedProblem } from "../../control/documents.ts";
import { CommandError } from "../command-error.ts";
import { documentsIn, documentsOf } from "./documents.ts";
import { editText } from "./editor.ts";
import { withAdministration } from "./local.ts";
import { renderResources, type ResourceFormat } from "./render.ts";
import { answer, type ConfigOf, tell } from "./surroundings.ts";

/** The `create` command. */
export function createCommand(configOf: ConfigOf): Command {
  return new Command("create")
    .description("create the resources of a file, all or none")
    .argument("[FILE]", "YAML or JSON, one or many documents; absent or -: stdin", "-")
    .option("-f, --force", "replace those that are there already")
    .action(async (file: string, { force = false }: { force?: boolean }) => {
      const config = configOf();
      const documents = documentsIn(file);
      const { outcomes, warnings } = await withAdministration(config, "writes", ({ administration, actor }) =>
        administration.create(actor, documents, { force }),
      );
      for (const warning of warnings) tell(`warning: ${lineOf(warning)}`);
      for (const { noun, name, done } of outcomes) answer(`${noun} ${JSON.stringify(name)} has been ${done}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml create role.yaml
  postern ctl -c postern.yaml create -f aws-dynamodb-access.yaml
  cat *.yaml | postern ctl -c postern.yaml create -f`,
    );
}

/** The `get` command. */
export function getCommand(configOf: ConfigOf): Command {
  return new Command("get")
    .description("print resources")
    .argument("<KIND[/NAME]>", "role, user, lock or db; with a name only that one")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["yaml", "json", "text"]).default("yaml"))
    .action(async (what: string, { format }: { format: ResourceFormat }) => {
      const { kind, name } = referenceOf(what);
      const resources = await withAdministration(configOf(), "reads", async ({ administration, actor }) =>
        name === undefined ? administration.list(actor, kind) : [await administration.get(actor, kind, name)],
      );
      answer(renderResources(resources, kind, format));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml get role
  postern ctl -c postern.yaml get user/alice -f json
  postern ctl -c postern.yaml get lock -f text`,
    );
}

/** The `edit` command. */
export function editCommand(configOf: ConfigOf): Command {
  return new Command("edit")
    .description("edit a resource with $EDITOR")
    .argument("<KIND/NAME>", "the resource")
    .action(async (what: string) => {
      const { kind, name } = fullReferenceOf(what, "edit");
      const config = configOf();
      // Not held open while somebody thinks: what is written back must be what was read.
      const before = await withAdministration(config, "reads", ({ administration, actor }) =>
        administration.get(actor, kind, name),
      );
      const { revision } = before;
      if (revision === undefined) throw new CommandError(1, `Cannot edit ${kind} "${name}": it is built in`);
      const text = renderResources([before], kind, "yaml");
      const edited = await editText(text, `${kind}.yaml`);
      if (edited.text === text) {
        edited.forget();
        tell(`${kind} ${JSON.stringify(name)} has not been changed`);
        return;
      }
      try {
        const [document, second] = documentsOf(edited.text, edited.path);
        if (document === undefined || second !== undefined)
          throw new CommandError(1, `Cannot use "${edited.path}": it must hold one document`);
        const { noun } = await withAdministration(config, "writes", ({ administration, actor }) =>
          administration.replace(actor, kind, name, revision, document),
        );
        edited.forget();
        answer(`${noun} ${JSON.stringify(name)} has been updated\n`);
      } catch (error) {
        tell(`what you wrote is still in "${edited.path}"`);
        throw error;
      }
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml edit role/dev
  EDITOR=nano postern ctl -c postern.yaml edit user/alice`,
    );
}

/** The `rm` command. */
export function rmCommand(configOf: ConfigOf): Command {
  return new Command("rm")
    .alias("del")
    .description("delete a resource")
    .argument("<KIND/NAME>", "the resource")
    .action(async (what: string) => {
      const { kind, name } = fullReferenceOf(what, "delete");
      const { noun } = await withAdministration(configOf(), "writes", ({ administration, actor }) =>
        administration.remove(actor, kind, name),
      );
      answer(`${noun} ${JSON.stringify(name)} has been deleted\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml rm role/dev
  postern ctl -c postern.yaml rm lock/alice-left`,
    );
}

/** `kind` or `kind/name`; a name may hold slashes. */
function referenceOf(text: string): { kind: string; name?: string } {
  const slash = text.indexOf("/");
  if (slash < 0) return { kind: text };
  const name = text.slice(slash + 1);
  return name === "" ? { kind: text.slice(0, slash) } : { kind: text.slice(0, slash), name };
}

function fullReferenceOf(text: string, verb: "edit" | "delete"): { kind: string; name: string } {
  const { kind, name } = referenceOf(text);
  if (name !== undefined) return { kind, name };
  throw new CommandError(
    2,
    `provide a full resource name to ${verb}, for example:\n$ postern ctl ${verb === "edit" ? verb : "rm"} role/dev`,
  );
}

function lineOf({ file, line, column, message }: PlacedProblem): string {
  return `${file}:${line}:${column}: ${message}`;
}
