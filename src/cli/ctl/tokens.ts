/** `postern ctl tokens`: what services join the cluster by. */

import { Command, Option } from "commander";
import { Secret } from "../../base/secret.ts";
import type { MadeToken } from "../../control/administrator.ts";
import type { ShownResource } from "../../control/shown.ts";
import { CommandError } from "../command-error.ts";
import { secretFrom } from "../login/ask.ts";
import { jsonText } from "../plain-text.ts";
import { printable } from "../../base/printable.ts";
import { commaList, type Ctl, durationOf, tell, wholeNumberOf } from "./surroundings.ts";

/** The `tokens` command with its subcommands. */
export function tokensCommand(ctl: Ctl): Command {
  return new Command("tokens")
    .description("add, list and remove join tokens")
    .addCommand(addCommand(ctl))
    .addCommand(lsCommand(ctl))
    .addCommand(rmCommand(ctl))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl tokens add --type=db --format=text
  postern ctl tokens ls
  postern ctl tokens rm '************************12345678'`,
    );
}

interface AddOptions {
  readonly type: string;
  readonly value?: string;
  readonly valueStdin?: true;
  readonly ttl?: number;
  readonly maxUses?: number;
  readonly databases?: readonly string[];
  readonly format?: "text" | "json" | "yaml";
}

function addCommand({ reach, surroundings }: Ctl): Command {
  return new Command("add")
    .description("make a token that services join by until it expires")
    .requiredOption("--type <a,b>", "what may join by it: db, proxy, auth")
    .option("--value-stdin", "the token is what standard input gives; absent: a random one")
    .addOption(new Option("--value <token>", "the token, which others on this machine can see").hideHelp())
    .option("--ttl <duration>", "how long it lasts, such as 1h (default: 30m)", durationOf)
    .option("--max-uses <n>", "how often it can be used (default: until it expires)", wholeNumberOf)
    .option(
      "--databases <a,b>",
      "what database services may serve, such as orders-* (default: any database)",
      commaList,
    )
    .addOption(new Option("-f, --format <format>", "text: the token alone").choices(["text", "json", "yaml"]))
    .action(async ({ type, value, valueStdin, ttl, maxUses, databases, format }: AddOptions) => {
      const { parseJoinRoles } = await import("../../identity/join-tokens.ts");
      const roles = parseJoinRoles(type);
      const around = surroundings();
      if (value !== undefined && valueStdin === true)
        throw new CommandError(2, "Cannot take a token from both --value and --value-stdin");
      if (value !== undefined)
        tell(around, "warning: --value can be seen by others on this machine; --value-stdin cannot");
      const hint = "hand in a file: postern ctl tokens add --type=db --value-stdin < token";
      const given = valueStdin === true ? await secretFrom(around.input, hint, "a token") : secretOf(value);
      const made = await reach("writes", (administrator) =>
        administrator.addToken({ roles, value: given, ttl, maxUses, databases }),
      );
      around.write(await renderNew(made, format));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl tokens add --type=db --format=text > /tmp/token
  postern ctl tokens add --type=db --ttl=1h --max-uses=1
  postern ctl tokens add --type=db --databases='orders-*'
  postern ctl -c postern.yaml tokens add --type=db --value-stdin < token`,
    );
}

function secretOf(value: string | undefined): Secret | undefined {
  return value === undefined ? undefined : new Secret(value);
}

async function renderNew({ token, roles, expires, lasts }: MadeToken, format: AddOptions["format"]): Promise<string> {
  const name = token.reveal();
  const facts = { expires: new Date(expires).toISOString(), roles, token: name };
  if (format === "text") return `${name}\n`;
  if (format === "json") return jsonText(facts, 1);
  if (format === "yaml") return (await import("../yaml-text.ts")).yamlText(facts);
  return `The invite token: ${name}\nThis token will expire in ${Math.round(lasts / 60_000)} minutes.\n`;
}

function lsCommand({ reach, surroundings }: Ctl): Command {
  return new Command("ls")
    .description("list join tokens")
    .option("--with-secrets", "show whole tokens")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]))
    .action(async ({ withSecrets = false, format }: { withSecrets?: boolean; format?: "text" | "json" | "yaml" }) => {
      const found = await reach("reads", (administrator) => administrator.list("token", { withSecrets }));
      const tokens = found.toSorted((one, other) => endOf(one) - endOf(other));
      const { write } = surroundings();
      const { renderResources } = await import("./render.ts");
      if (format === "json" || format === "yaml") write(renderResources(tokens, "token", format));
      else if (tokens.length === 0) write("No active tokens found.\n");
      else if (format === "text") write(tokens.map(({ name }) => `${printable(name)}\n`).join(""));
      else write(renderResources(tokens, "token", "text"));
    })
    .addHelpText("after", "\nExamples:\n  postern ctl tokens ls\n  postern ctl -c postern.yaml tokens ls -f json");
}

/** Those that never end come last. */
function endOf({ value }: ShownResource): number {
  const { metadata } = Object(value) as { readonly metadata?: { readonly expires?: string } };
  const time = Date.parse(metadata?.expires ?? "");
  return Number.isNaN(time) ? Number.MAX_VALUE : time;
}

function rmCommand({ reach, surroundings }: Ctl): Command {
  return new Command("rm")
    .alias("del")
    .description("remove a join token; who joined by it stays")
    .argument("<TOKEN>", "the token, or as tokens ls shows it; -: what standard input gives")
    .action(async (given: string) => {
      const around = surroundings();
      const hint = "name it as postern ctl tokens ls shows it";
      const token = given === "-" ? (await secretFrom(around.input, hint, "a token")).reveal() : given;
      const { name } = await reach("writes", (administrator) => administrator.remove("token", token));
      around.write(`Token ${given === "-" ? name : given} has been deleted\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl tokens rm '************************12345678'
  postern ctl -c postern.yaml tokens rm - < token`,
    );
}
