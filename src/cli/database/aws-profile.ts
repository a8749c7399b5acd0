/** `postern db profile`: an AWS profile with which AWS's own tools reach a database without a program in between. */

import { join } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { PrivateFiles } from "../../base/private-files.ts";
import { Door } from "../login/door.ts";
import { tlsOf } from "../login/door-of.ts";
import type { Choice, Profile } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { CommandError } from "../command-error.ts";
import { chosen } from "./choose.ts";
import { chosenDbUser, regionOf } from "./options.ts";
import { Login } from "./route.ts";

interface ProfileOptions extends Choice {
  readonly dbUser?: string;
  readonly name?: string;
}

/** The `profile` command. */
export function profileCommand(surroundings: () => ClientSurroundings): Command {
  return new Command("profile")
    .description("print an AWS profile for ~/.aws/config that reaches this database through the cluster")
    .argument("<NAME>", "the database that postern db ls shows, or the beginning of its name")
    .option("--db-user <role>", "the AWS role to be: a name, a path or an ARN")
    .option("--name <profile>", "what to call it (default: the database's name)")
    .option("--proxy <host:port>", "of the cluster behind this proxy")
    .option("--cluster <name>", "of this cluster")
    .action(async (given: string, options: ProfileOptions) => {
      const around = surroundings();
      const dbUser = chosenDbUser(options.dbUser);
      const profile = await new Login(await around.profiles.choose(options), around).profile();
      const document = chosen(await new Door(tlsOf(profile, around)).databases(), { name: given });
      // Another database may begin with the same letters tomorrow.
      const database = document.metadata.name;
      const name = options.name ?? database;
      for (const [what, text] of [
        ["profile", name],
        ["database", database],
        ["database user", dbUser],
        ["cluster", profile.stated.cluster],
      ] as const)
        requirePlain(what, text);
      const region = regionOf(document);
      const bundle = profile.door === "cluster" ? writeBundle(profile, around) : undefined;
      around.write(profileText({ name, database, dbUser, region, profile, bundle, program: programOf() }));
      if (bundle !== undefined)
        around.say(`postern: SDKs for JavaScript do not read ca_bundle: export NODE_EXTRA_CA_CERTS=${bundle}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern db profile --db-user=ExampleRole example-dynamodb >> ~/.aws/config
  AWS_PROFILE=example-dynamodb aws dynamodb list-tables
  postern db profile --db-user=ExampleRole --name=orders example-dynamodb`,
    );
}

interface Shown {
  readonly name: string;
  readonly database: string;
  readonly dbUser: string;
  readonly region: string;
  readonly profile: Profile;
  readonly bundle: string | undefined;
  readonly program: string;
}

function profileText({ name, database, dbUser, region, profile, bundle, program }: Shown): string {
  const { proxy, stated } = profile;
  const words = [
    "credentials",
    `--proxy=${proxy.text}`,
    `--cluster=${stated.cluster}`,
    `--db-user=${dbUser}`,
    database,
  ];
  const url = `https://${proxy.text}`;
  return `[profile ${name}]
region = ${region}
credential_process = ${[program, ...words].map(word).join(" ")}
services = ${name}
${bundle === undefined ? "" : `ca_bundle = ${bundle}\n`}
[services ${name}]
dynamodb =
  endpoint_url = ${url}
dynamodb_streams =
  endpoint_url = ${url}
`;
}

/** Whoever vouches for the door: SDKs know no pins. Kept beside the login, and no secret. */
function writeBundle({ proxy, trusted }: Profile, { profiles }: ClientSurroundings): string {
  const path = join(profiles.directory, `${proxy.host.replaceAll(/[^A-Za-z0-9.-]/g, "_")}-${proxy.port}.pem`);
  FILES.write(path, trusted.map((pem) => `${pem.trim()}\n`).join(""));
  return path;
}

const FILES = new PrivateFiles({
  code: "ca_bundle",
  place: "make POSTERN_HOME a directory that only you can write",
  again: "run postern db profile again",
});

/** This program, by its path where it was run by one: SDKs in an editor know no PATH. */
function programOf(): string {
  return process.argv[1] ?? "postern";
}

/** SDKs split what stands there as shells do, and some leave it to a shell. */
function word(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/["\\$`]/g, "\\$&")}"`;
}

/** What stands in a file must not begin another line of it, or a shell's. */
function requirePlain(what: string, text: string): void {
  // The name of a profile stands in brackets, where SDKs do not agree on spaces.
  const plain = what === "profile" ? /^[A-Za-z0-9_@+=:,./-]+$/ : /^[A-Za-z0-9_@+=:,./ -]+$/;
  if (plain.test(text)) return;
  throw new CommandError(
    2,
    `Cannot write a profile: the ${what} ${JSON.stringify(text)} has characters that it cannot hold`,
    {
      hint:
        what === "profile"
          ? "use letters, digits and -"
          : "write the profile by hand: docs/how-to/use-an-aws-profile.md",
    },
  );
}
