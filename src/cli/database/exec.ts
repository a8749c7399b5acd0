/** `postern db exec` and `postern db env`: AWS's own tools at a database, without a word of configuration. */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import process from "node:process";
import { Command } from "commander";
import { Secret } from "../../base/secret.ts";
import { CommandError } from "../command-error.ts";
import type { Choice } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { ANY_KEY, environmentOf, NO_PROXY_NAMES, UNPROXIED, UNSET } from "./environment.ts";
import { chosenDbUser, portOf } from "./options.ts";

/** The `exec` command. */
export function execCommand(surroundings: () => ClientSurroundings): Command {
  return new Command("exec")
    .description("run a program whose DynamoDB is this database")
    .argument("<NAME>", "the database that postern db ls shows, or the beginning of its name")
    .argument("<COMMAND...>", "the program and its arguments, after --")
    .option("--db-user <role>", "the AWS role to be: a name, a path or an ARN")
    .option("--proxy <host:port>", "of the cluster behind this proxy")
    .option("--cluster <name>", "of this cluster")
    .action(async (name: string, command: readonly string[], options: Choice & { readonly dbUser?: string }) => {
      const around = surroundings();
      // Nobody else on this machine is to ride the port.
      const accessKeyId = new Secret(randomBytes(15).toString("base64url"));
      const { openDatabase } = await import("./open-database.ts");
      const opened = await openDatabase(
        {
          proxy: options.proxy,
          cluster: options.cluster,
          database: name,
          dbUser: chosenDbUser(options.dbUser),
          address: { port: 0 },
          accessKeyId,
        },
        around,
      );
      try {
        const variables = environmentOf({
          address: opened.address,
          region: opened.region,
          accessKeyId: accessKeyId.reveal(),
        });
        process.exitCode = await run(command, variables);
      } finally {
        await opened.close();
      }
    })
    .addHelpText(
      "after",
      `
Examples:
  postern db exec example-dynamodb --db-user=ExampleRole -- aws dynamodb list-tables
  postern db exec example-dynamodb --db-user=ExampleRole -- python3 report.py`,
    );
}

/** The `env` command. */
export function envCommand(surroundings: () => ClientSurroundings): Command {
  return new Command("env")
    .description("print what to set for AWS's tools to use a port that postern proxy db has opened")
    .requiredOption("-p, --port <port>", "the port", portOf)
    .option("--region <region>", "the database's region", "us-east-1")
    .action(({ port, region }: { readonly port: number; readonly region: string }) => {
      const variables = environmentOf({ address: `127.0.0.1:${port}`, region, accessKeyId: ANY_KEY });
      const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${value}\n`);
      const unproxied = NO_PROXY_NAMES.map((name) => `export ${name}="\${${name}:+$${name},}${UNPROXIED}"\n`);
      surroundings().write(`${lines.join("")}${unproxied.join("")}unset ${UNSET.join(" ")}\n`);
    })
    .addHelpText("after", '\nExamples:\n  eval "$(postern db env --port 8000 --region eu-west-1)"');
}

/** Runs it to its end; returns its exit code, or as shells do 128 and the signal that ended it. */
function run([program = "", ...rest]: readonly string[], variables: Readonly<Record<string, string>>): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...variables };
  for (const name of UNSET) delete env[name];
  const before = NO_PROXY_NAMES.map((name) => env[name]).find((value) => value !== undefined && value !== "");
  for (const name of NO_PROXY_NAMES) env[name] = before === undefined ? UNPROXIED : `${before},${UNPROXIED}`;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: "inherit", env });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of PASSED) process.on(signal, pass);
    const done = (): void => {
      for (const signal of PASSED) process.off(signal, pass);
    };
    child.once("error", (cause) => {
      done();
      reject(new CommandError(1, `Cannot run "${program}": ${cause.message}`, { cause }));
    });
    child.once("close", (code, signal) => {
      done();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

const PASSED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
