/** `postern proxy db`: a port of this machine behind which a database is. */

import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { Command } from "commander";
import { printable } from "../../base/printable.ts";
import { Secret } from "../../base/secret.ts";
import { CommandError } from "../command-error.ts";
import type { LocalAddress } from "../../local-proxy/local-proxy.ts";
import type { Choice } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { ANY_KEY } from "./environment.ts";
import { localTls, type LocalTlsFiles } from "./local-tls.ts";
import { logInAgain } from "./log-in-again.ts";
import { type DatabaseOptions, openDatabase, type OpenDatabase } from "./open-database.ts";
import { chosenDbUser, portOf } from "./options.ts";

interface ProxyOptions extends Choice {
  readonly tunnel?: boolean;
  readonly port?: number;
  readonly socket?: string;
  readonly dbUser?: string;
  readonly requireKey?: boolean;
  readonly tls?: boolean;
  readonly labels?: string;
}

/** The `proxy` command; `untilStopped` resolves when it is to end. */
export function proxyCommand(surroundings: () => ClientSurroundings, untilStopped: () => Promise<unknown>): Command {
  const db = new Command("db")
    .description("open a port of this machine for a database, for any AWS client")
    .argument("[NAME]", "the database that postern db ls shows, or the beginning of its name")
    .option("--labels <labels>", "the database with these labels: key1=value1,key2=value2")
    .option("--tunnel", "what this always does; accepted as in Teleport")
    .option("-p, --port <port>", "the port on 127.0.0.1 (default: one that is free)", portOf)
    .option("--socket <path>", "a Unix socket instead, which only you may use")
    .option("--db-user <role>", "the AWS role to be: a name, a path or an ARN")
    .option("--require-key", "serve only clients that use the access key id that is printed")
    .option("--tls", "speak TLS on the port, for clients that insist on https")
    .option("--proxy <host:port>", "of the cluster behind this proxy")
    .option("--cluster <name>", "of this cluster")
    .action(async (name: string | undefined, options: ProxyOptions) => {
      const around = surroundings();
      if (options.port !== undefined && options.socket !== undefined)
        throw new CommandError(2, "Cannot listen on both --port and --socket", { hint: "leave one of them out" });
      if (options.tls === true && options.socket !== undefined)
        throw new CommandError(2, "Cannot speak TLS on --socket", {
          hint: "leave --tls out: only you can reach a socket",
        });
      const tls = options.tls === true ? await localTls(around.profiles.directory, around.clock) : undefined;
      if (options.tunnel !== true) around.say("postern: DynamoDB needs --tunnel, which is taken as given\n");
      const accessKeyId = options.requireKey === true ? new Secret(randomBytes(15).toString("base64url")) : undefined;
      const ending = new AbortController();
      const given = new Promise<void>((resolve) => {
        ending.signal.addEventListener("abort", () => resolve());
      });
      const opened = await openDatabase(
        {
          ...choiceOf(options),
          database: name,
          labels: options.labels,
          dbUser: chosenDbUser(options.dbUser),
          address: await addressOf(options),
          accessKeyId,
          tls,
          ...againOn(around, ending),
        },
        around,
      );
      around.write(textOf(opened, { key: accessKeyId, tls }));
      if (options.port === undefined && options.socket === undefined)
        around.say("postern: to always have the same port, choose one with --port\n");
      await Promise.race([untilStopped(), given]);
      // Whoever is being asked to log in is asked no more.
      ending.abort();
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
  postern proxy db --labels env=dev --db-user=ExampleRole
  postern proxy db --require-key --db-user=ExampleRole example-dynamodb
  postern proxy db --tls --port 8443 --db-user=ExampleRole example-dynamodb
  postern proxy db --socket ./dynamodb.sock --db-user=ExampleRole example-dynamodb`;

/** Only a terminal can be asked; whoever gives up there ends the command. */
function againOn(around: ClientSurroundings, ending: AbortController): Pick<DatabaseOptions, "logInAgain"> {
  if (around.input.isTTY !== true) return {};
  let again: (() => Promise<void>) | undefined;
  return {
    logInAgain: (profile) => {
      again ??= logInAgain({ profile, signal: ending.signal, onGivenUp: () => ending.abort() }, around);
      return again();
    },
  };
}

/** Where a process that was killed has left its socket, there is room for another. */
async function addressOf({ socket, port = 0 }: ProxyOptions): Promise<LocalAddress> {
  if (socket === undefined) return { port };
  const path = resolve(socket);
  const { removeStaleSocket } = await import("../../platform/node-server.ts");
  await removeStaleSocket(path);
  return { path };
}

function choiceOf({ proxy, cluster }: Choice): Choice {
  return { proxy, cluster };
}

interface Shown {
  readonly key: Secret | undefined;
  readonly tls: LocalTlsFiles | undefined;
}

function textOf({ address, cluster, document, region }: OpenDatabase, { key, tls }: Shown): string {
  const scheme = tls === undefined ? "http" : "https";
  const url = address.startsWith("127.0.0.1:") ? `${scheme}://localhost:${address.slice(10)}/` : undefined;
  const lines = [
    `Started authenticated tunnel for the DynamoDB database "${printable(document.metadata.name)}" in cluster "${printable(cluster)}" on ${address}.`,
  ];
  if (url === undefined)
    lines.push(
      "Use it with clients that speak HTTP over a Unix socket:",
      `  $ curl --unix-socket ${address} -H 'X-Amz-Target: DynamoDB_20120810.ListTables' -H 'Content-Type: application/x-amz-json-1.0' -d '{}' http://localhost/`,
    );
  else {
    const keys = key === undefined ? "" : `AWS_ACCESS_KEY_ID=${key.reveal()} AWS_SECRET_ACCESS_KEY=${ANY_KEY} `;
    const trust = tls === undefined ? "" : `AWS_CA_BUNDLE=${tls.authorityFile} `;
    lines.push(
      "Use the following command to connect to the database or to the address above using other database GUI/CLI clients:",
      `  $ ${trust}${keys}aws --endpoint ${url} --region ${region} [dynamodb|dynamodbstreams] <command>`,
    );
  }
  return `${lines.join("\n")}\n`;
}
