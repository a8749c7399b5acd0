/** The agent file that flags ask for: written as text, and read back by the parser that `start` uses before anybody gets it. */

import { isAbsolute } from "node:path";
import { stringify } from "yaml";
import { roleArn } from "../../aws/arn.ts";
import { type Database, type DatabaseSpec, resolveDatabase } from "../../aws/database.ts";
import { REGIONS } from "../../aws/regions.ts";
import { messageOf, PosternError } from "../../base/errors.ts";
import type { Config } from "../../config/config.ts";
import { parseConfig } from "../../config/load.ts";
import { isExampleHost } from "../../config/placeholders.ts";
import { ConfigError } from "../../config/problem.ts";
import { nearMiss } from "../../identity/near-miss.ts";
import { quoted } from "../../identity/names.ts";
import { type DocumentPath, formatPath } from "../../identity/problem.ts";
import { CommandError } from "../command-error.ts";
import { parseLabels } from "../labels.ts";
import { AGENT_FLAGS, type AgentOptions } from "./flags.ts";

/** A file that loads. */
export interface AgentFile {
  readonly text: string;
  /** Whether the join token itself stands in it. */
  readonly holdsToken: boolean;
  /** What a person should know of it before it is used, without a secret. */
  readonly notes: readonly string[];
}

/** @param place where the file will lie: relative paths in it count from there @throws CommandError that names the flag to mend */
export function agentFile(given: AgentOptions, place: string): AgentFile {
  refuseHalves(given);
  const values = { ...given, ...readLabels(given.labels), ...(isStandalone(given) ? standalone(given) : {}) };
  // Quoted where YAML 1.1 would read a switch: other programs may read the file, too.
  const text = `${HEAD}${stringify(documentOf(values), { lineWidth: 0, compat: "yaml-1.1" })}`;
  const config = load(text, place);
  const [spec] = config.db_service.databases;
  if (spec === undefined) throw new CommandError(1, `${ATTEMPT}: it has no database`);
  const database = resolve(spec, given);
  return {
    text,
    holdsToken: config.postern.auth_token?.kind === "token",
    notes: notesOf(given, database, config),
  };
}

const ATTEMPT = "Cannot write an agent file";
const HEAD = "# Written by postern configure db. What each key means: docs/reference/configuration.md\n";

function isStandalone({ user, dbUser }: AgentOptions): boolean {
  return user !== undefined && dbUser !== undefined;
}

function standalone({ listen = "127.0.0.1:8000", resources = "./resources" }: AgentOptions): object {
  return { listen, resources };
}

/** Flags that say nothing alone. */
function refuseHalves({ region, uri, user, dbUser, listen, resources, token, proxy, caPin }: AgentOptions): void {
  const refuse = (message: string, hint: string): never => {
    throw new CommandError(2, `${ATTEMPT}: ${message}`, { hint });
  };
  if (region === undefined && uri === undefined) refuse("there is no --region", "--region us-east-1");
  if ((user === undefined) !== (dbUser === undefined))
    refuse("--user and --db-user go together", "--user alice --db-user ExampleRole, or neither");
  if (user === undefined && (listen !== undefined || resources !== undefined))
    refuse("--listen and --resources are for a listener of this machine", "add --user alice --db-user ExampleRole");
  if (proxy === undefined && (token !== undefined || caPin !== undefined))
    refuse("--token and --ca-pin say how to join, but not what", "add --proxy postern.example.com:443");
  if (proxy !== undefined && !/^[^\s/:@]+:[0-9]{1,5}$|^\[[0-9a-f:.]+\]:[0-9]{1,5}$/i.test(proxy))
    refuse(`--proxy ${quoted(proxy)} is not host:port`, "write it as postern.example.com:443, without https://");
  // What is not an absolute path is taken for the token itself, by every reader of the file.
  if (token !== undefined && !isAbsolute(token) && /^[-.]|[/\\\s]|^~|\.(?:txt|token)$/.test(token))
    refuse("--token looks like a relative path, which would be taken for the token itself", "--token /tmp/token");
}

function readLabels(text: string | undefined): { labels?: Readonly<Record<string, string>> } {
  if (text === undefined) return {};
  const read = parseLabels(text);
  if ("labels" in read) return read;
  throw new CommandError(2, `${ATTEMPT}: in --labels ${quoted(text)}, ${read.fault}`, {
    hint: "--labels env=dev,team=payments",
  });
}

/** Every value at its place, in the order in which people look for them. */
function documentOf(values: Readonly<Record<string, unknown>>): object {
  const { name, user } = values;
  const document = {
    version: "v3",
    postern: {},
    db_service: {
      enabled: "yes",
      ...(user === undefined ? {} : { listeners: [{ address: undefined, user, database: name }] }),
      databases: [{ name, protocol: undefined, uri: undefined, static_labels: undefined, aws: {} }],
    },
  };
  for (const [key, { path }] of Object.entries(AGENT_FLAGS)) {
    const value = values[key];
    if (value !== undefined) put(document, path, value);
  }
  return document;
}

function put(into: object, [step, ...rest]: DocumentPath, value: unknown): void {
  const here = into as Record<string | number, unknown>;
  if (step === undefined) return;
  if (rest.length === 0) here[step] = value;
  else put((here[step] ??= typeof rest[0] === "number" ? [] : {}) as object, rest, value);
}

function load(text: string, place: string): Config {
  try {
    return parseConfig(text, place, { env: {} });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint = error.problems[0]?.hint;
    throw new CommandError(2, `${ATTEMPT}: ${error.problems.map(({ message }) => byFlag(message)).join("\n")}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** The message of a problem under the flag that its value came from, instead of its path in a file that nobody has. */
function byFlag(message: string): string {
  for (const { flag, path } of Object.values(AGENT_FLAGS)) {
    const [, rest] = message.split(formatPath(path), 2);
    if (rest === undefined || !message.startsWith(formatPath(path)) || !/^[:.[]/.test(rest)) continue;
    return `${flag.split(" ")[0] ?? ""}${message.slice(message.indexOf(": "))}`;
  }
  return message;
}

function resolve(spec: DatabaseSpec, { region, dbUser }: AgentOptions): Database {
  if (region !== undefined) refuseSlips(region);
  try {
    const database = resolveDatabase(spec);
    if (dbUser !== undefined) roleArn(dbUser, database);
    return database;
  } catch (error) {
    const hint = error instanceof PosternError ? error.hint : undefined;
    throw new CommandError(2, messageOf(error), {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** A region that is none but nearly one would be taken for a new region of AWS, whose hosts nobody can reach. */
function refuseSlips(region: string): void {
  const place = (name: string): string => name.replace(/-\d+$/, "");
  if (REGIONS.some((known) => place(known) === place(region))) return;
  const meant = nearMiss(region, REGIONS);
  if (meant === undefined) return;
  throw new CommandError(2, `${ATTEMPT}: --region: AWS has no region ${quoted(region)} that this version knows`, {
    hint: `did you mean ${meant}? A region that is new in AWS can be written into the file by hand, as aws.region`,
  });
}

function notesOf(given: AgentOptions, { region, partition }: Database, { postern }: Config): string[] {
  const notes: string[] = [];
  if (given.proxy === undefined && !isStandalone(given))
    notes.push("the file names no cluster and no listener yet: add --proxy and --token, or --user and --db-user");
  if (given.proxy !== undefined && given.token === undefined)
    notes.push("the file has no join token: add --token before its first start");
  if (isExampleHost(given.proxy ?? "")) notes.push(`${given.proxy ?? ""} is an example: nothing answers there`);
  if (postern.auth_token?.kind === "token")
    notes.push("the join token stands in the file, and in this shell's history: --token /path/of/a/file keeps it out");
  if (!REGIONS.includes(region))
    notes.push(`${quoted(region)} is not a region that this version knows; it is used as it is`);
  if (partition !== "aws")
    notes.push(
      `${region} is in the partition ${partition}: start it with AWS_REGION=${region}, so that STS is asked there`,
    );
  return notes;
}
