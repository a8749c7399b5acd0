/** `postern ctl tokens`: by what agents, proxies and further nodes join the cluster. */

import { Command, InvalidArgumentError, Option } from "commander";
import { stringify } from "yaml";
import { systemClock } from "../../base/clock.ts";
import { addToken, listTokens } from "../../control/tokens.ts";
import {
  JOIN_TOKEN_TTL,
  type JoinToken,
  joinTokenDocument,
  maskedName,
  parseJoinRoles,
} from "../../identity/join-tokens.ts";
import { CommandError } from "../command-error.ts";
import { withAdministration } from "./local.ts";
import { renderTable } from "./render.ts";
import { answer, commaList, type ConfigOf, durationOf } from "./surroundings.ts";

type Format = "text" | "json" | "yaml";

/** The `tokens` command with its subcommands. */
export function tokensCommand(configOf: ConfigOf): Command {
  return new Command("tokens")
    .description("make, list and remove join tokens")
    .addCommand(addCommand(configOf))
    .addCommand(lsCommand(configOf))
    .addCommand(rmCommand(configOf))
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml tokens add --type=db --format=text > /tmp/token
  postern ctl -c postern.yaml tokens ls`,
    );
}

interface AddOptions {
  readonly type: string;
  readonly value?: string;
  readonly labels?: Record<string, string>;
  readonly ttl?: number;
  readonly maxUses?: number;
  readonly format?: Format;
}

function addCommand(configOf: ConfigOf): Command {
  return new Command("add")
    .description("make a token; it can be used until it expires, by as many as --max-uses says")
    .requiredOption("--type <types>", "as what to join with it: db, proxy, auth, or several with commas")
    .option("--value <token>", "the token itself, instead of one that is made")
    .option("--labels <k=v,…>", "labels of the token", labelList)
    .option("--ttl <duration>", "how long it lasts, such as 30m or 8h (default 30m)", durationOf)
    .option("--max-uses <n>", "how often it can be used", countOf)
    .addOption(new Option("--format <format>", "text prints the token alone").choices(["text", "json", "yaml"]))
    .action(async ({ type, value, labels, ttl, maxUses, format }: AddOptions) => {
      const roles = parseJoinRoles(type);
      const { token, pins } = await withAdministration(
        configOf(),
        "writes",
        async ({ administration, actor, cluster }) => ({
          token: await addToken(administration, actor, systemClock, { roles, value, labels, ttl, maxUses }),
          pins: await cluster.pins(),
        }),
      );
      answer(format === undefined ? welcome(token, pins) : printed(token, format));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern ctl -c postern.yaml tokens add --type=db --format=text > /tmp/token
  postern ctl -c postern.yaml tokens add --type=db --ttl=5m --max-uses=1`,
    );
}

function lsCommand(configOf: ConfigOf): Command {
  return new Command("ls")
    .description("list the tokens that can still be used")
    .option("--with-secrets", "show the tokens whole")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]))
    .action(async ({ withSecrets = false, format }: { withSecrets?: boolean; format?: Format }) => {
      const tokens = await withAdministration(configOf(), "reads", ({ administration, actor }) =>
        listTokens(administration, actor),
      );
      const named = (token: JoinToken): string => (withSecrets ? token.name : maskedName(token));
      const documents = tokens.map((token) => joinTokenDocument({ ...token, name: named(token) }));
      if (format === "json") answer(`${JSON.stringify(documents, null, 4)}\n`);
      else if (format === "yaml") answer(documents.map((one) => stringify(one)).join("---\n"));
      else if (format === "text") answer(tokens.map((token) => `${named(token)}\n`).join(""));
      else if (tokens.length === 0) answer("No active tokens found.\n");
      else
        answer(
          renderTable(
            ["Token", "Type", "Labels", "Expiry Time (UTC)"],
            tokens.map((token) => [named(token), token.roles.join(","), labelsText(token), expiryText(token)]),
          ),
        );
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern ctl -c postern.yaml tokens ls\n  postern ctl -c postern.yaml tokens ls -f json --with-secrets",
    );
}

function rmCommand(configOf: ConfigOf): Command {
  return new Command("rm")
    .alias("del")
    .description("remove tokens: what has joined by them stays")
    .argument("<TOKENS>", "tokens, with commas between them", commaList)
    .action(async (names: string[]) => {
      await withAdministration(configOf(), "writes", async ({ administration, actor }) => {
        for (const name of names) {
          await administration.remove(actor, "token", name);
          answer(`Token ${name} has been deleted\n`);
        }
      });
    })
    .addHelpText("after", "\nExamples:\n  postern ctl -c postern.yaml tokens rm 0123456789abcdef0123456789abcdef");
}

function welcome(token: JoinToken, pins: readonly string[]): string {
  const { name, expires } = token;
  const minutes = expires === undefined ? 0 : Math.round((expires - systemClock.now()) / 60_000);
  return (
    `The invite token: ${name}\nThis token will expire in ${minutes} minutes.\n` +
    `The cluster's CA pin: ${pins.join(" or ")}\n`
  );
}

function printed(token: JoinToken, format: Format): string {
  if (format === "text") return `${token.name}\n`;
  const { name, roles, expires = JOIN_TOKEN_TTL } = token;
  const shown = { expires: new Date(expires).toISOString(), roles, token: name };
  return format === "json" ? `${JSON.stringify(shown, null, 1)}\n` : stringify(shown);
}

function labelsText({ labels = {} }: JoinToken): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function expiryText({ expires }: JoinToken): string {
  if (expires === undefined) return "never";
  const left = Math.max(0, Math.round((expires - systemClock.now()) / 1000));
  return `${new Date(expires).toISOString()} (${Math.floor(left / 60)}m${left % 60}s)`;
}

function countOf(text: string): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new InvalidArgumentError("It is not a number from 1 on.");
  return Number(text);
}

function labelList(text: string): Record<string, string> {
  const pairs = commaList(text).map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) throw new CommandError(2, `Cannot read the label ${JSON.stringify(pair)}`, { hint: "write key=value" });
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs);
}
