/** `postern ctl users`: users, and by what they get in. */

import { Command, Option } from "commander";
import type { Secret } from "../../base/secret.ts";
import type { Entrance, ShownLink } from "../../control/administrator.ts";
import { CommandError } from "../command-error.ts";
import { newPassword, secretFrom } from "../login/ask.ts";
import { goDuration } from "../login/go-duration.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { commaList, type Ctl, durationOf } from "./surroundings.ts";

/** The `users` command with its subcommands. */
export function usersCommand(ctl: Ctl): Command {
  return new Command("users")
    .description("add, update, list, reset and remove users")
    .addCommand(addCommand(ctl))
    .addCommand(updateCommand(ctl))
    .addCommand(lsCommand(ctl))
    .addCommand(resetCommand(ctl))
    .addCommand(rmCommand(ctl))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl users add alice --roles=access
  postern ctl users update alice --set-roles access,dev
  postern ctl -c postern.yaml users ls`,
    );
}

interface EntranceOptions {
  readonly passwordStdin?: boolean;
  readonly ttl?: number;
}

interface AddOptions extends EntranceOptions {
  readonly roles: string[];
  readonly dbUsers?: string[];
}

function addCommand({ reach, surroundings }: Ctl): Command {
  return new Command("add")
    .description("create a user, and a link by which they set a password")
    .argument("<NAME>", "name of the user")
    .requiredOption("--roles <a,b>", "roles of the user", commaList)
    .option("--db-users <a,b>", "AWS roles, for the role access", commaList)
    .option("--password-stdin", "set the password that standard input gives, instead of making a link")
    .option("--ttl <duration>", "how long the link works, such as 8h (default: 1h, at most 48h)", durationOf)
    .action(async (name: string, { roles, dbUsers, ...options }: AddOptions) => {
      const around = surroundings();
      const entrance = await entranceOf(options, around);
      const link = await reach("writes", (administrator) => administrator.addUser({ name, roles, dbUsers }, entrance));
      around.write(renderEntrance(name, link, "created"));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl users add alice --roles=access,auditor
  postern ctl -c postern.yaml users add bob --roles=access --db-users=ExampleRole --password-stdin < password`,
    );
}

function resetCommand({ reach, surroundings }: Ctl): Command {
  return new Command("reset")
    .description("end a user's logins, take the password away, and make a link by which they set another")
    .argument("<NAME>", "name of the user")
    .option("--password-stdin", "set the password that standard input gives, instead of making a link")
    .option("--ttl <duration>", "how long the link works, such as 1h (default: 8h, at most 24h)", durationOf)
    .action(async (name: string, options: EntranceOptions) => {
      const around = surroundings();
      const entrance = await entranceOf(options, around);
      const link = await reach("writes", (administrator) => administrator.resetUser(name, entrance));
      around.write(renderEntrance(name, link, "reset"));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl users reset alice
  postern ctl -c postern.yaml users reset alice --password-stdin < password`,
    );
}

function updateCommand({ reach, surroundings }: Ctl): Command {
  return new Command("update")
    .description("change a user; each --set flag replaces")
    .argument("<NAME>", "name of the user")
    .option("--set-roles <a,b>", "the user's roles from here on", commaList)
    .option("--set-db-users <a,b>", "the AWS roles of the user's trait db_users from here on", commaList)
    .action(async (name: string, { setRoles, setDbUsers }: { setRoles?: string[]; setDbUsers?: string[] }) => {
      if (setRoles === undefined && setDbUsers === undefined)
        throw new CommandError(2, "Nothing to update. Please provide at least one --set flag.");
      const changes = {
        ...(setRoles === undefined ? {} : { roles: setRoles }),
        ...(setDbUsers === undefined ? {} : { dbUsers: setDbUsers }),
      };
      await reach("writes", (administrator) => administrator.updateUser(name, changes));
      const { write } = surroundings();
      write(`User ${name} has been updated:\n`);
      if (setRoles !== undefined) write(`\tNew roles: ${setRoles.join(",")}\n`);
      if (setDbUsers !== undefined) write(`\tNew database users: ${setDbUsers.join(",")}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl users update alice --set-roles access,dev
  postern ctl -c postern.yaml users update alice --set-db-users ExampleRole`,
    );
}

function lsCommand({ reach, surroundings }: Ctl): Command {
  return new Command("ls")
    .description("list users")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" | "yaml" }) => {
      const users = await reach("reads", (administrator) => administrator.list("user"));
      const { write } = surroundings();
      const { renderResources } = await import("./render.ts");
      if (format !== "text") write(renderResources(users, "user", format));
      else write(users.length === 0 ? "No users found\n" : `${renderResources(users, "user", "text")}\n`);
    })
    .addHelpText("after", "\nExamples:\n  postern ctl users ls\n  postern ctl -c postern.yaml users ls -f json");
}

function rmCommand({ reach, surroundings }: Ctl): Command {
  return new Command("rm")
    .description("delete users, and end their logins")
    .argument("<NAMES>", "names, with commas between them", commaList)
    .action(async (names: string[]) => {
      const { write } = surroundings();
      await reach("writes", async (administrator) => {
        for (const name of names) {
          await administrator.remove("user", name);
          write(`User ${JSON.stringify(name)} has been deleted\n`);
        }
      });
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl users rm alice\n  postern ctl -c postern.yaml users rm alice,bob",
    );
}

async function entranceOf(
  { passwordStdin = false, ttl }: EntranceOptions,
  around: ClientSurroundings,
): Promise<Entrance> {
  if (!passwordStdin) return { ttl };
  if (ttl !== undefined)
    throw new CommandError(2, "Cannot use --ttl with --password-stdin: there is no link that could end");
  return { password: await passwordFrom(around) };
}

/** On a terminal it is asked for, unseen; else standard input is the password. */
function passwordFrom({ input, say }: ClientSurroundings): Promise<Secret> {
  return input.isTTY === true
    ? newPassword(input, say)
    : secretFrom(input, "postern ctl users add NAME --roles=a,b --password-stdin < file");
}

/** As in Teleport. The link is on the screen this once, and nowhere else. */
function renderEntrance(name: string, link: ShownLink | undefined, done: "created" | "reset"): string {
  const user = `User ${JSON.stringify(name)} has been ${done}`;
  if (link === undefined) return `${user}\n`;
  const { kind, token, lasts, address = "<proxyhost>:3080" } = link;
  const what =
    done === "created"
      ? " but requires a password. Share this URL with the user to complete user setup"
      : ". Share this URL with the user to complete password reset";
  const time = goDuration(lasts).replace(/(?<=[hm])0[ms](?:0s)?$/, "");
  return `${user}${what}, link is valid for ${time}:
https://${address}/web/${kind}/${token.reveal()}

NOTE: Make sure ${address} points at a Postern proxy which users can access.
`;
}
