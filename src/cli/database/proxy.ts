/** `postern proxy db`: a port of this machine behind which a database is. */

import { randomBytes } from "node:crypto";
import { Command } from "commander";
import { Secret } from "../../base/secret.ts";
import { CommandError } from "../command-error.ts";
import { askSecret } from "../login/ask.ts";
import { logIn } from "../login/log-in.ts";
import type { Choice } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { ANY_KEY } from "./environment.ts";
import { openDatabase, type OpenDatabase } from "./open-database.ts";
import { chosenDbUser, portOf, regionOf } from "./options.ts";

interface ProxyOptions extends Choice {
  readonly tunnel?: boolean;
  readonly port?: number;
  readonly socket?: string;
  readonly dbUser?: string;
  readonly requireKey?: boolean;
}

/** The `proxy` command; `untilStopped` resolves when it is to end. */
export function proxyCommand(surroundings: () => ClientSurroundings, untilStopped: () => Promise<unknown>): Command {
  const db = new Command("db")
    .description("open a port of this machine for a database, for any AWS client")
    .argument("<NAME>", "the database: postern db ls")
    .option("--tunnel", "what this always does; accepted as in Teleport")
    .option("-p, --port <port>", "the port on 127.0.0.1 (default: one that is free)", portOf)
    .option("--socket <path>", "a Unix socket instead, which only you may use")
    .option("--db-user <role>", "the AWS role to be: a name, a path or an ARN")
    .option("--require-key", "serve only clients that use the access key id that is printed")
    .option("--proxy <host:port>", "of the cluster behind this proxy")
    .option("--cluster <name>", "of this cluster")
    .action(async (name: string, options: ProxyOptions) => {
      const around = surroundings();
      if (options.port !== undefined && options.socket !== undefined)
        throw new CommandError(2, "Cannot listen on both --port and --socket", { hint: "leave one of them out" });
      if (options.tunnel !== true) around.say("postern: DynamoDB needs --tunnel, which is taken as given\n");
      const accessKeyId = options.requireKey === true ? new Secret(randomBytes(15).toString("base64url")) : undefined;
      const opened = await openDatabase(
        {
          ...choiceOf(options),
          database: name,
          dbUser: chosenDbUser(options.dbUser),
          address: options.socket === undefined ? { port: options.port ?? 0 } : { path: options.socket },
          accessKeyId,
          ...(around.input.isTTY === true ? { logInAgain: once(() => logInAgain(options, around)) } : {}),
        },
        around,
      );
      around.write(textOf(name, opened, accessKeyId));
      if (options.port === undefined && options.socket === undefined)
        around.say("postern: to always have the same port, choose one with --port\n");
      await untilStopped();
      await opened.close();
    })
    .addHelpText("after", EXAMPLES);
  return new Command("proxy")
    .description("reach databases from this machine")
    .addCommand(db)
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  postern proxy db --tunnel --port 8000 --db-user=ExampleRole example-dynamodb
  postern proxy db --socket ./dynamodb.sock --db-user=ExampleRole example-dynamodb`;

function choiceOf({ proxy, cluster }: Choice): Choice {
  return { proxy, cluster };
}

function textOf(name: string, { address, cluster, document }: OpenDatabase, key: Secret | undefined): string {
  const url = address.startsWith("127.0.0.1:") ? `http://localhost:${address.slice(10)}/` : undefined;
  const lines = [
    `Started authenticated tunnel for the DynamoDB database "${name}" in cluster "${cluster}" on ${address}.`,
  ];
  if (url === undefined) lines.push("Clients that speak HTTP over a Unix socket can use it.");
  else {
    const keys = key === undefined ? "" : `AWS_ACCESS_KEY_ID=${key.reveal()} AWS_SECRET_ACCESS_KEY=${ANY_KEY} `;
    lines.push(
      "Use the following command to connect to the database or to the address above using other database GUI/CLI clients:",
      `  $ ${keys}aws --endpoint ${url} --region ${regionOf(document)} [dynamodb|dynamodbstreams] <command>`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** The port stays open while somebody types; connections wait for it. */
async function logInAgain(options: Choice, around: ClientSurroundings): Promise<void> {
  around.say("postern: the login has ended; the port stays open\n");
  await askSecret(around.input, "Press Enter to log in again", "log in again with postern login", around.say);
  const { stated, proxy } = await around.profiles.choose(options);
  await logIn({ proxy: proxy.text, user: stated.user.name }, around);
}

/** One at a time: who comes meanwhile waits for the same. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work().finally(() => (running = undefined)));
}
