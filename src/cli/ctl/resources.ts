/** `postern ctl create|get|edit|rm`: resources of every kind. */

import { Command, Option } from "commander";
import type { PlacedProblem } from "../../control/documents.ts";
import { CommandError } from "../command-error.ts";
import { editText } from "./editor.ts";
import { textIn } from "./given-text.ts";
import type { ResourceFormat } from "./render.ts";
import { type Ctl, tell } from "./surroundings.ts";

/** The `create` command. */
export function createCommand({ reach, surroundings }: Ctl): Command {
  return new Command("create")
    .description("create the resources of a file, all or none")
    .argument("[FILE]", "YAML or JSON, one or many documents; absent or -: stdin", "-")
    .option("-f, --force", "replace those that are there already")
    .action(async (file: string, { force = false }: { force?: boolean }) => {
      const given = textIn(file);
      const { outcomes, warnings } = await reach("writes", (administrator) => administrator.create(given, { force }));
      const around = surroundings();
      for (const warning of warnings) tell(around, `warning: ${lineOf(warning)}`);
      for (const { noun, name, done } of outcomes) around.write(`${noun} ${JSON.stringify(name)} has been ${done}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl create role.yaml
  postern ctl create -f aws-dynamodb-access.yaml
  cat *.yaml | postern ctl -c postern.yaml create -f`,
    );
}

/** The `get` command. */
export function getCommand({ reach, surroundings }: Ctl): Command {
  return new Command("get")
    .description("print resources")
    .argument("<KIND[/NAME]>", "role, user, lock, token or db; with a name only that one")
    .option("--with-secrets", "show whole join tokens")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["yaml", "json", "text"]).default("yaml"))
    .action(
      async (what: string, { format, withSecrets = false }: { format: ResourceFormat; withSecrets?: boolean }) => {
        const { kind, name } = referenceOf(what);
        const resources = await reach("reads", async (administrator) =>
          name === undefined
            ? administrator.list(kind, { withSecrets })
            : [await administrator.get(kind, name, { withSecrets })],
        );
        const { renderResources } = await import("./render.ts");
        surroundings().write(renderResources(resources, kind, format));
      },
    )
    .addHelpText(
      "after",
      `
Examples:
  postern ctl get role
  postern ctl get user/alice -f json
  postern ctl -c postern.yaml get lock -f text`,
    );
}

/** The `edit` command. */
export function editCommand({ reach, surroundings }: Ctl): Command {
  return new Command("edit")
    .description("edit a resource with $EDITOR")
    .argument("<KIND/NAME>", "the resource")
    .action(async (what: string) => {
      const { kind, name } = fullReferenceOf(what, "edit");
      const around = surroundings();
      // Not held open while somebody thinks: what is written back must be what was read.
      const before = await reach("reads", (administrator) => administrator.get(kind, name, { withSecrets: true }));
      const { revision } = before;
      if (revision === undefined) throw new CommandError(1, `Cannot edit ${kind} "${name}": it is built in`);
      const { renderResources } = await import("./render.ts");
      const text = renderResources([before], kind, "yaml");
      const edited = await editText(text, `${kind}.yaml`);
      if (edited.text === text) {
        edited.forget();
        tell(around, `${kind} ${JSON.stringify(name)} has not been changed`);
        return;
      }
      try {
        const outcome = await reach("writes", (administrator) =>
          administrator.replace(kind, name, revision, { text: edited.text, file: edited.path }),
        );
        edited.forget();
        around.write(`${outcome.noun} ${JSON.stringify(outcome.name)} has been updated\n`);
      } catch (error) {
        tell(around, `what you wrote is still in "${edited.path}"`);
        throw error;
      }
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl edit role/dev
  EDITOR=nano postern ctl -c postern.yaml edit user/alice`,
    );
}

/** The `rm` command. */
export function rmCommand({ reach, surroundings }: Ctl): Command {
  return new Command("rm")
    .alias("del")
    .description("delete a resource")
    .argument("<KIND/NAME>", "the resource")
    .action(async (what: string) => {
      const { kind, name } = fullReferenceOf(what, "delete");
      const outcome = await reach("writes", (administrator) => administrator.remove(kind, name));
      surroundings().write(`${outcome.noun} ${JSON.stringify(outcome.name)} has been deleted\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl rm role/dev
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
