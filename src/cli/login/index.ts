/** The commands of users: `login`, `logout` and `status`. */

import process from "node:process";
import { Command, Option } from "commander";
import { BOT_METHODS } from "../../identity/bot-join-schema.ts";
import { durationOf } from "../ctl/surroundings.ts";
import type { BotOptions } from "./join-bot.ts";
import type { LoginOptions } from "./log-in.ts";
import { expired, notLoggedIn } from "./not-logged-in.ts";
import { type Choice, proxyAddress } from "./profiles.ts";
import { profilesJson, renderProfiles } from "./render.ts";
import { type ClientSurroundings, clientSurroundings } from "./surroundings.ts";

/** The commands; where nothing says another, their surroundings are the terminal's. */
export function loginCommands(surroundings: () => ClientSurroundings = clientSurroundings): Command[] {
  return [loginCommand, logoutCommand, statusCommand].map((command) => command(surroundings));
}

type Surroundings = () => ClientSurroundings;

function loginCommand(surroundings: Surroundings): Command {
  return new Command("login")
    .description("log in to a cluster")
    .option("--proxy <host:port>", "the cluster's proxy (default: the current profile's)")
    .option("--user <name>", "name of the user (default: the profile's, or the one on this machine)")
    .option("--cluster <name>", "a cluster that there is a profile of")
    .option("--auth <name>", "how: local, or the name of a connector (default: the cluster's usual way)")
    .option("--headless", "confirm a connector's login on another device: no browser is needed here")
    .addOption(new Option("--browser <which>", "none: open no browser, and tell its address").choices(["none"]))
    .option("--password-stdin", "the password is what standard input gives, instead of asking")
    .option("--otp <code>", "the code that the authenticator app shows, instead of asking")
    .option("--ca-pin <pin>", "on first contact: sha256:… of the cluster's authority")
    .option("--insecure", "on first contact, on this machine only: believe whoever answers")
    .option("--ttl <duration>", "how long the login is to hold, such as 8h; roles may allow less", durationOf)
    .addOption(
      new Option("--join-method <method>", "as a bot, by a token of the platform that it runs on").choices([
        ...BOT_METHODS,
      ]),
    )
    .option("--token <name>", "as a bot: name of the join token")
    .option(
      "--jwt-file <file>",
      "as a bot: the platform's token is in this file, instead of where the platform puts it",
    )
    .action(async (options: LoginOptions & BotOptions) => {
      const around = surroundings();
      const [{ isBotLogin, joinAsBot }, { logIn }] = await Promise.all([
        import("./join-bot.ts"),
        import("./log-in.ts"),
      ]);
      const profile = isBotLogin(options)
        ? await joinAsBot(options, around, process.env)
        : await logIn(options, around);
      around.write(renderProfiles(profile, [], around.clock.now()));
    })
    .addHelpText(
      "after",
      `
Examples:
  postern login --proxy=postern.example.com:443 --user=alice
  postern login --proxy=localhost:3080 --user=alice --ca-pin=sha256:…
  postern login --proxy=postern.example.com:443 --auth=corp
  postern login --proxy=postern.example.com:443 --auth=corp --headless
  postern login --proxy=localhost:3080 --user=bot --password-stdin --ttl=1h < password
  postern login --proxy=postern.example.com:443 --join-method=github --token=orders-ci`,
    );
}

function logoutCommand(surroundings: Surroundings): Command {
  return new Command("logout")
    .description("forget the logins on this machine, with their keys")
    .option("--proxy <host:port>", "only the one to this proxy")
    .option("--cluster <name>", "only the one to this cluster")
    .action(async ({ proxy, cluster }: Choice) => {
      const { profiles, write } = surroundings();
      if (proxy === undefined && cluster === undefined) {
        const count = profiles.removeAll();
        write(count === 0 ? "Not logged in.\n" : "Logged out of all clusters.\n");
        return;
      }
      // Named by its proxy it is not read: what cannot be read is to go as well.
      const address =
        cluster === undefined ? proxyAddress(proxy ?? "") : (await profiles.choose({ proxy, cluster })).proxy;
      write(profiles.remove(address) ? `Logged out of ${address.text}.\n` : `Not logged in to ${address.text}.\n`);
    })
    .addHelpText(
      "after",
      "\nExamples:\n  postern logout\n  postern logout --proxy=postern.example.com:443\n  postern logout --cluster=example",
    );
}

function statusCommand(surroundings: Surroundings): Command {
  return new Command("status")
    .description("show who is logged in where, and until when")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const { profiles, clock, write } = surroundings();
      const current = profiles.current();
      const all = await profiles.all();
      const active = all.find((one) => one.proxy.text === current);
      const others = all.filter((one) => one !== active);
      write(format === "json" ? profilesJson(active, others) : renderProfiles(active, others, clock.now()));
      if (active === undefined) throw notLoggedIn();
      if (active.stated.expires <= clock.now()) throw expired();
    })
    .addHelpText(
      "after",
      `
Examples:
  postern status
  postern status -f json | jq -r '.active.roles | join(",")'`,
    );
}
