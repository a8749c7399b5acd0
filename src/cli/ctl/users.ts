/** `postern ctl users`: people and their roles. */

import process from "node:process";
import { Command, Option } from "commander";
import { systemClock } from "../../base/clock.ts";
import { PosternError } from "../../base/errors.ts";
import type { Secret } from "../../base/secret.ts";
import { People } from "../../control/people.ts";
import { Passwords } from "../../identity/passwords.ts";
import type { StoredValue } from "../../store/store.ts";
import { CommandError } from "../command-error.ts";
import { secretFrom } from "../login/ask.ts";
import { type LocalAdministration, withAdministration } from "./local.ts";
import { renderResources } from "./render.ts";
import { answer, commaList, type ConfigOf, fromCommandLine } from "./surroundings.ts";

/** The `users` command with its subcommands. */
export function usersCommand(configOf: ConfigOf): Command {
  return new Command("users")
    .description("add, update, list, reset and remove users")
    .addCommand(addCommand(configOf))
    .addCommand(updateCommand(configOf))
    .addCommand(lsCommand(configOf))
    .addCommand(resetCommand(configOf))
    .addCommand(rmCommand(configOf))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml users add alice --roles=access
  postern ctl -c postern.yaml users update alice --set-roles access,dev
  postern ctl -c postern.yaml users ls`,
    );
}

function addCommand(configOf: ConfigOf): Command {
  return new Command("add")
    .description("create a user")
    .argument("<NAME>", "name of the user")
    .requiredOption("--roles <a,b>", "roles of the user", commaList)
    .option("--db-users <a,b>", "AWS roles, for the role access", commaList)
    .option("--password-stdin", "set the password that standard input gives")
    .action(async (name: string, { roles, dbUsers, passwordStdin = false }: AddOptions) => {
      const traits = dbUsers === undefined ? {} : { db_users: dbUsers };
      const value = { kind: "user", version: "v2", metadata: { name }, spec: { roles, traits } };
      const config = configOf();
      const password = passwordStdin ? await passwordFromStdin() : undefined;
      await withAdministration(config, "writes", async (local) => {
        const people = peopleOf(local);
        // A password that cannot be one is refused before there is a user.
        const kept = password === undefined ? undefined : await people.prepare(password);
        await local.administration.create(local.actor, [fromCommandLine(value)], { force: false });
        if (kept !== undefined) await people.keepPassword(local.actor, name, kept);
      }).catch((error: unknown) => {
        if (!(error instanceof PosternError) || error.code !== "resource_exists") throw error;
        throw new CommandError(1, error.message, {
          hint: `postern ctl users update ${name} --set-roles ${roles.join(",")} replaces the roles`,
        });
      });
      answer(`User ${JSON.stringify(name)} has been created\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml users add alice --roles=access,auditor
  postern ctl -c postern.yaml users add bob --roles=access --db-users=ExampleRole --password-stdin < password`,
    );
}

function resetCommand(configOf: ConfigOf): Command {
  return new Command("reset")
    .description("set a user's password, and let the user try again who failed too often")
    .argument("<NAME>", "name of the user")
    .requiredOption("--password-stdin", "the password is what standard input gives")
    .action(async (name: string) => {
      const config = configOf();
      const password = await passwordFromStdin();
      await withAdministration(config, "writes", (local) => peopleOf(local).setPassword(local.actor, name, password));
      answer(`User ${JSON.stringify(name)} has been reset\n`);
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml users reset alice --password-stdin < password");
}

function updateCommand(configOf: ConfigOf): Command {
  return new Command("update")
    .description("change a user; each --set flag replaces")
    .argument("<NAME>", "name of the user")
    .option("--set-roles <a,b>", "the user's roles from here on", commaList)
    .option("--set-db-users <a,b>", "the AWS roles of the user's trait db_users from here on", commaList)
    .action(async (name: string, { setRoles, setDbUsers }: { setRoles?: string[]; setDbUsers?: string[] }) => {
      if (setRoles === undefined && setDbUsers === undefined)
        throw new CommandError(2, "Nothing to update. Please provide at least one --set flag.");
      await withAdministration(configOf(), "writes", ({ administration, actor }) =>
        administration.change(actor, "user", name, (document) => withChanges(document, setRoles, setDbUsers)),
      );
      answer(`User ${name} has been updated:\n`);
      if (setRoles !== undefined) answer(`\tNew roles: ${setRoles.join(",")}\n`);
      if (setDbUsers !== undefined) answer(`\tNew database users: ${setDbUsers.join(",")}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml users update alice --set-roles access,dev
  postern ctl -c postern.yaml users update alice --set-db-users ExampleRole`,
    );
}

function lsCommand(configOf: ConfigOf): Command {
  return new Command("ls")
    .description("list users")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" | "yaml" }) => {
      const users = await withAdministration(configOf(), "reads", ({ administration, actor }) =>
        administration.list(actor, "user"),
      );
      if (format !== "text") answer(renderResources(users, "user", format));
      else answer(users.length === 0 ? "No users found\n" : `${renderResources(users, "user", "text")}\n`);
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml users ls\n  postern ctl -c postern.yaml users ls -f json",
    );
}

function rmCommand(configOf: ConfigOf): Command {
  return new Command("rm")
    .description("delete users")
    .argument("<NAMES>", "names, with commas between them", commaList)
    .action(async (names: string[]) => {
      await withAdministration(configOf(), "writes", async ({ administration, actor }) => {
        for (const name of names) {
          await administration.remove(actor, "user", name);
          answer(`User ${JSON.stringify(name)} has been deleted\n`);
        }
      });
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml users rm alice\n  postern ctl -c postern.yaml users rm alice,bob",
    );
}

interface AddOptions {
  readonly roles: string[];
  readonly dbUsers?: string[];
  readonly passwordStdin?: boolean;
}

function peopleOf(local: LocalAdministration): People {
  const { administration, cluster, ring, events } = local;
  return new People({
    administration,
    cluster,
    ring,
    events,
    passwords: new Passwords(),
    clock: systemClock,
  });
}

function passwordFromStdin(): Promise<Secret> {
  return secretFrom(process.stdin, "postern ctl users add NAME --roles=a,b --password-stdin < file");
}

function withChanges(document: StoredValue, roles: string[] | undefined, dbUsers: string[] | undefined): StoredValue {
  const copy = structuredClone(document) as { spec: { roles?: string[]; traits?: Record<string, string[]> | null } };
  if (roles !== undefined) copy.spec.roles = roles;
  if (dbUsers !== undefined) copy.spec.traits = { ...copy.spec.traits, db_users: dbUsers };
  return copy as unknown as StoredValue;
}
