/** `postern ctl tokens`: what services join the cluster by. */

import { Command, Option } from "commander";
import { stringify } from "yaml";
import { systemClock } from "../../base/clock.ts";
import { PosternError } from "../../base/errors.ts";
import {
  type JoinToken,
  joinTokenDocument,
  maskedName,
  newJoinToken,
  parseJoinRoles,
  parseJoinToken,
} from "../../identity/join-tokens.ts";
import { CommandError } from "../command-error.ts";
import { withAdministration } from "./local.ts";
import { renderResources, renderTable } from "./render.ts";
import { answer, type ConfigOf, durationOf, fromCommandLine } from "./surroundings.ts";

/** The `tokens` command with its subcommands. */
export function tokensCommand(configOf: ConfigOf): Command {
  return new Command("tokens")
    .description("add, list and remove join tokens")
    .addCommand(addCommand(configOf))
    .addCommand(lsCommand(configOf))
    .addCommand(rmCommand(configOf))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml tokens add --type=db --format=text
  postern ctl -c postern.yaml tokens ls
  postern ctl -c postern.yaml tokens rm abcd1234…`,
    );
}

interface AddOptions {
  readonly type: string;
  readonly value?: string;
  readonly ttl?: number;
  readonly maxUses?: number;
  readonly format?: "text" | "json" | "yaml";
}

function addCommand(configOf: ConfigOf): Command {
  return new Command("add")
    .description("make a token that services join by until it expires")
    .requiredOption("--type <a,b>", "what may join by it: db, proxy, auth")
    .option("--value <token>", "the token; absent: a random one")
    .option("--ttl <duration>", "how long it lasts, such as 1h (default: 30m)", durationOf)
    .option("--max-uses <n>", "how often it can be used (default: until it expires)", Number)
    .addOption(new Option("-f, --format <format>", "text: the token alone").choices(["text", "json", "yaml"]))
    .action(async ({ type, value, ttl, maxUses, format }: AddOptions) => {
      const now = systemClock.now();
      const token = newJoinToken({ roles: parseJoinRoles(type), value, ttl, maxUses, now });
      const given = fromCommandLine(joinTokenDocument(token));
      await withAdministration(configOf(), "writes", ({ administration, actor }) =>
        administration.create(actor, [given], { force: false }),
      ).catch((error: unknown) => {
        if (!(error instanceof PosternError) || error.code !== "resource_exists") throw error;
        throw new CommandError(
          1,
          `Failed to create token (${maskedName(token)} already exists), please use another name`,
        );
      });
      answer(renderNew(token, now, format));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml tokens add --type=db --format=text > /tmp/token
  postern ctl -c postern.yaml tokens add --type=db --ttl=1h --max-uses=1`,
    );
}

function renderNew(token: JoinToken, now: number, format: AddOptions["format"]): string {
  const { name, roles, expires } = token;
  const facts = { expires: new Date(expires ?? now).toISOString(), roles, token: name };
  if (format === "text") return `${name}\n`;
  if (format === "json") return `${JSON.stringify(facts, null, 1)}\n`;
  if (format === "yaml") return stringify(facts);
  const minutes = Math.round(((expires ?? now) - now) / 60_000);
  return `The invite token: ${name}\nThis token will expire in ${minutes} minutes.\n`;
}

function lsCommand(configOf: ConfigOf): Command {
  return new Command("ls")
    .description("list join tokens")
    .option("--with-secrets", "show whole tokens")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]))
    .action(async ({ withSecrets, format }: { withSecrets?: true; format?: "text" | "json" | "yaml" }) => {
      const found = await withAdministration(configOf(), "reads", ({ administration, actor }) =>
        administration.list(actor, "token"),
      );
      const tokens = found
        .map(({ value }) => parseJoinToken(value).value)
        .sort((one, other) => (one.expires ?? Infinity) - (other.expires ?? Infinity));
      const shown = (token: JoinToken): string => (withSecrets === true ? token.name : maskedName(token));
      if (format === "json" || format === "yaml") {
        const values = tokens.map((token) => joinTokenDocument({ ...token, name: shown(token) }));
        answer(
          renderResources(
            values.map((value) => ({ kind: "token", name: "", value: value as never })),
            "token",
            format,
          ),
        );
        return;
      }
      if (tokens.length === 0) answer("No active tokens found.\n");
      else if (format === "text") answer(tokens.map((token) => `${shown(token)}\n`).join(""));
      else
        answer(
          renderTable(
            HEADINGS,
            tokens.map((token) => [shown(token), ...cellsOf(token)]),
          ),
        );
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml tokens ls\n  postern ctl -c postern.yaml tokens ls -f json",
    );
}

const HEADINGS = ["Token", "Type", "Labels", "Expiry Time (UTC)"];

function cellsOf({ roles, labels = {}, expires }: JoinToken): string[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [roles.join(","), pairs.join(","), expires === undefined ? "never" : new Date(expires).toUTCString()];
}

function rmCommand(configOf: ConfigOf): Command {
  return new Command("rm")
    .alias("del")
    .description("remove a join token; who joined by it stays")
    .argument("<TOKEN>", "the token")
    .action(async (token: string) => {
      await withAdministration(configOf(), "writes", ({ administration, actor }) =>
        administration.remove(actor, "token", token),
      );
      answer(`Token ${token} has been deleted\n`);
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml tokens rm 0123456789abcdef0123456789abcdef");
}
