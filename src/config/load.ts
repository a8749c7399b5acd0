/** Loading a configuration file: bytes → YAML → document → configuration, or everything that is wrong with it. */

import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { DatabaseSpec } from "../aws/database.ts";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { formatPath, type DocumentPath, type Problem } from "../identity/problem.ts";
import { quoted } from "../identity/names.ts";
import { parseShape } from "../identity/shape.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import { formatAddress, parseAddress, type ListenAddress } from "./address.ts";
import type { AuthServiceSection, Config, JoinToken, ProxyServiceSection } from "./config.ts";
import { defaultDataDirectory } from "./data-directory.ts";
import { isExampleHost, placeholdersIn } from "./placeholders.ts";
import { ConfigError, MAX_PLACED, reasonOf, type PositionedProblem } from "./problem.ts";
import { configSchema, type ConfigDocument, type PosternDocument } from "./schema.ts";
import { MAX_FILE_BYTES, parseYaml, type YamlDocument } from "./yaml.ts";

/** What loading needs of the world. */
export interface LoadOptions {
  /** The environment; only `POSTERN_DATA_DIR` is looked at. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Judges a database beyond its shape by throwing; `path` on the error, relative to the database, says where. */
  readonly validateDatabase?: (spec: DatabaseSpec) => unknown;
}

/**
 * Loads a configuration file. Relative paths in it count from its own directory.
 *
 * @throws ConfigError `config_unreadable`, or `config_invalid` with every problem and its place
 */
export function loadConfig(file: string, options: LoadOptions): Config {
  return parseConfig(readText(file), file, options);
}

/** Reads the text of a configuration file; `file` is its name in errors and the start of relative paths. @throws ConfigError `config_invalid` */
export function parseConfig(text: string, file: string, options: LoadOptions): Config {
  const attempt = `Cannot load configuration ${quoted(file)}`;
  const document = onlyDocument(text, file, attempt);
  const { value, section, problems: aliasProblems } = withPosternSection(document.value);
  const positioned = (problem: Problem): PositionedProblem => {
    const path =
      section === "teleport" && problem.path[0] === "postern" ? ["teleport", ...problem.path.slice(1)] : problem.path;
    const { message, hint } = problem;
    return {
      ...document.positionOf(path, problem.at),
      message: section === "teleport" ? message.replace(/^postern\b/, "teleport") : message,
      ...(hint === undefined ? {} : { hint }),
    };
  };
  const fail = (problems: readonly Problem[]): ConfigError =>
    new ConfigError("config_invalid", attempt, problems.slice(0, MAX_PLACED).map(positioned), {
      total: problems.length,
    });

  const placeholders = placeholdersIn(value);
  const forgotten = new Set(placeholders.map(({ path }) => formatPath(path)));
  const shaped = parseShape(SCHEMA, value);
  const shape = "problems" in shaped ? shaped.problems.filter(({ path }) => !forgotten.has(formatPath(path))) : [];
  const problems = [...aliasProblems, ...placeholders, ...shape];
  if ("problems" in shaped) throw fail(problems);
  const inconsistent = [...inconsistencies(shaped.value), ...judgeDatabases(shaped.value, forgotten, options)];
  if (problems.length + inconsistent.length > 0) throw fail([...problems, ...inconsistent]);
  return configOf(shaped.value, resolve(file), options, {
    warnings: warningsOf(shaped.value).map(positioned),
    positionOf: (path) => positioned({ path, message: "" }),
  });
}

const SCHEMA = configSchema();

function readText(file: string): string {
  const fail = (reason: string, cause?: unknown): ConfigError =>
    new ConfigError(
      "config_unreadable",
      `Cannot load configuration ${quoted(file)}`,
      [{ file, line: 1, column: 1, message: reason }],
      { cause },
    );
  try {
    const { size } = statSync(file);
    if (size > MAX_FILE_BYTES) throw fail(`The file has ${size} bytes, ${MAX_FILE_BYTES} allowed`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw fail(
      cause instanceof TypeError ? "The file is not UTF-8 text" : `The file cannot be read: ${reasonOf(cause)}`,
      cause,
    );
  }
}

function onlyDocument(text: string, file: string, attempt: string): YamlDocument {
  const documents: YamlDocument[] = [];
  for (const document of parseYaml(text, file)) {
    if (document.problems.length > 0) throw new ConfigError("config_invalid", attempt, document.problems);
    if (document.value !== null) documents.push(document);
    if (documents.length > 1) break;
  }
  const [first, second] = documents;
  if (first === undefined) {
    const hint = "begin with version: v3";
    throw new ConfigError("config_invalid", attempt, [
      { file, line: 1, column: 1, message: "The file is empty", hint },
    ]);
  }
  if (second === undefined) return first;
  throw new ConfigError("config_invalid", attempt, [
    {
      ...second.positionOf([]),
      message: "A second document begins here",
      hint: "a configuration is one document; resources go into the directory that postern.resources names",
    },
  ]);
}

/** The document with its section under the name `postern`. */
function withPosternSection(value: unknown): { value: unknown; section: "postern" | "teleport"; problems: Problem[] } {
  if (!isMapping(value) || !("teleport" in value)) return { value, section: "postern", problems: [] };
  const { teleport, ...rest } = value;
  if (!("postern" in value)) return { value: { ...rest, postern: teleport }, section: "teleport", problems: [] };
  const message = "There are both a postern and a teleport section; they are two names for one";
  return {
    value: rest,
    section: "postern",
    problems: [{ path: ["teleport"], at: "key", message, hint: "put all of it under postern" }],
  };
}

/** Faults that no single value has. */
function inconsistencies({ postern, db_service, auth_service }: ConfigDocument): Problem[] {
  const problems: Problem[] = [];
  if (postern.join_params !== undefined && postern.auth_token !== undefined) {
    const message = "postern.join_params: there is auth_token as well, and either says how to join";
    problems.push({ path: ["postern", "join_params"], message, hint: "remove one of the two" });
  }
  const names = new Map<string, number>();
  for (const [at, { name }] of db_service.databases.entries()) {
    const first = names.get(name);
    if (first === undefined) names.set(name, at);
    else
      problems.push(
        twice(["db_service", "databases", at, "name"], `database ${quoted(name)}`, `db_service.databases[${first}]`),
      );
  }
  const addresses = new Map<string, number>();
  for (const [at, { address, database }] of db_service.listeners.entries()) {
    const parsed = parseAddress(address);
    const key = "address" in parsed ? formatAddress(parsed.address) : address;
    const first = addresses.get(key);
    // Port 0 is another port each time.
    if (first !== undefined && !key.endsWith(":0")) {
      problems.push(
        twice(
          ["db_service", "listeners", at, "address"],
          `address ${quoted(address)}`,
          `db_service.listeners[${first}]`,
        ),
      );
    }
    addresses.set(key, first ?? at);
    // With a resources directory or a store the database may be a document there, which is not known yet.
    if (names.has(database) || postern.resources !== undefined || auth_service?.enabled === true) continue;
    const path = ["db_service", "listeners", at, "database"];
    problems.push({
      path,
      message: `${formatPath(path)}: there is no database ${quoted(database)}`,
      hint: "name one of db_service.databases",
    });
  }
  return problems;
}

function twice(path: DocumentPath, what: string, first: string): Problem {
  return { path, message: `${formatPath(path)}: ${what} is already taken by ${first}` };
}

function judgeDatabases(
  { db_service }: ConfigDocument,
  forgotten: ReadonlySet<string>,
  { validateDatabase }: LoadOptions,
): Problem[] {
  if (validateDatabase === undefined) return [];
  return db_service.databases.flatMap((spec, at) => {
    const base = ["db_service", "databases", at];
    if ([...forgotten].some((path) => path.startsWith(`${formatPath(base)}.`))) return [];
    try {
      validateDatabase(spec);
      return [];
    } catch (thrown) {
      return [databaseProblem(thrown, base)];
    }
  });
}

/** The problem that a validator threw. Its `path`, when it has one, counts from the database. */
export function databaseProblem(thrown: unknown, base: DocumentPath): Problem {
  if (!(thrown instanceof PosternError)) throw thrown;
  const path: unknown = "path" in thrown ? thrown.path : undefined;
  const inner = Array.isArray(path)
    ? path.filter((step) => typeof step === "string" || typeof step === "number")
    : ["name"];
  return {
    path: [...base, ...inner],
    message: thrown.message,
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
  };
}

/** What is accepted so that an agent's file loads, and what will surprise. */
function warningsOf({ postern, db_service, auth_service }: ConfigDocument): Problem[] {
  const warnings: Problem[] = [];
  const idle =
    auth_service?.enabled === true
      ? "the cluster's own auth_service is in this process"
      : db_service.enabled
        ? undefined
        : "db_service is not enabled";
  for (const key of AGENT_KEYS) {
    const value = postern[key];
    if (value === undefined || (Array.isArray(value) && value.length === 0) || idle === undefined) continue;
    warnings.push({ path: ["postern", key], message: `postern.${key} is not used: ${idle}`, hint: "remove it" });
  }
  const { proxy_server } = postern;
  if (db_service.resources.length > 0 && (proxy_server === undefined || idle !== undefined)) {
    warnings.push({
      path: ["db_service", "resources"],
      message: `db_service.resources is not used: ${idle ?? "this is no agent of a cluster"}`,
      hint:
        auth_service?.enabled === true
          ? "remove it: a gateway beside the store serves every db document"
          : "write postern.proxy_server, or remove it",
    });
  }
  if (proxy_server !== undefined && idle === undefined && isExampleHost(proxy_server)) {
    warnings.push({
      path: ["postern", "proxy_server"],
      message: `postern.proxy_server: ${quoted(proxy_server)} is still an example`,
      hint: "write the address of your cluster's proxy_service",
    });
  }
  if (!db_service.enabled && db_service.listeners.length > 0) {
    warnings.push({
      path: ["db_service", "enabled"],
      message: "db_service.listeners are not opened: the service is not enabled",
      hint: 'write enabled: "yes"',
    });
  }
  const hasUsers = postern.resources !== undefined || auth_service?.enabled === true;
  if (db_service.enabled && db_service.listeners.length > 0 && !hasUsers) {
    const message = "postern.resources is missing: no user is defined, so every request on a listener will be denied";
    warnings.push({
      path: ["db_service", "listeners"],
      message,
      hint: "write resources: ./resources and put user and role documents there",
    });
  }
  return warnings;
}

function configOf(
  document: ConfigDocument,
  file: string,
  { env }: LoadOptions,
  rest: Pick<Config, "warnings" | "positionOf">,
): Config {
  const from = (path: string): string => resolve(dirname(file), path);
  const { nodename, data_dir, proxy_server, join_params, ca_pin, resources, workers, audit, log, diag_addr } =
    document.postern;
  const auth_token = join_params?.token_name ?? document.postern.auth_token;
  const { enabled, listeners, databases, resources: selectors } = document.db_service;
  const { bundle } = document.policy;
  return {
    file,
    postern: {
      nodename: nodename ?? hostname(),
      data_dir: from(data_dir ?? defaultDataDirectory(env)),
      ...(proxy_server === undefined ? {} : { proxy_server }),
      ...(auth_token === undefined ? {} : { auth_token: joinToken(auth_token) }),
      join_method: join_params?.method ?? "token",
      ca_pin,
      ...(resources === undefined ? {} : { resources: from(resources) }),
      workers,
      audit,
      log: { severity: log.severity, format: log.format },
      ...(diag_addr === undefined ? {} : { diag_addr: addressOf(diag_addr, from) }),
    },
    policy: bundle === undefined ? {} : { bundle: from(bundle) },
    db_service: {
      enabled,
      listeners: listeners.map((listener) => ({ ...listener, address: addressOf(listener.address, from) })),
      databases,
      resources: selectors,
    },
    ...clusterOf(document, from, data_dir ?? defaultDataDirectory(env), nodename ?? hostname()),
    ...rest,
  };
}

/** Teleport's own port of it. */
const AUTH_ADDRESS = "127.0.0.1:3025";

/** The cluster's own services, where the file has them. */
function clusterOf(
  { auth_service, proxy_service, db_service }: ConfigDocument,
  from: (path: string) => string,
  dataDirectory: string,
  nodename: string,
): Pick<Config, "auth_service" | "proxy_service"> {
  const cluster: { auth_service?: AuthServiceSection; proxy_service?: ProxyServiceSection } = {};
  if (auth_service !== undefined) {
    const { enabled, cluster_name = nodename, storage, sealing, authentication } = auth_service;
    const isAlone = !db_service.enabled && proxy_service?.enabled !== true;
    const listenAddress = auth_service.listen_addr ?? (isAlone ? AUTH_ADDRESS : undefined);
    cluster.auth_service = {
      enabled,
      cluster_name,
      ...(listenAddress === undefined ? {} : { listen_addr: addressOf(listenAddress, from) }),
      storage:
        storage.type === "sqlite"
          ? { type: "sqlite", path: from(storage.path ?? join(dataDirectory, "store.sqlite")) }
          : withoutUndefined(storage),
      sealing:
        sealing.type === "file"
          ? { type: "file", path: from(sealing.path ?? join(dataDirectory, "sealing.key")) }
          : withoutUndefined(sealing),
      authentication,
    };
  }
  if (proxy_service !== undefined)
    cluster.proxy_service = withoutUndefined({
      ...proxy_service,
      listen_addr: addressOf(proxy_service.listen_addr, from),
    });
  return cluster;
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

const AGENT_KEYS = ["proxy_server", "auth_token", "join_params", "ca_pin"] as const;

/** Teleport's rule: an absolute path names a file, anything else is the token itself. */
function joinToken(text: NonNullable<PosternDocument["auth_token"]>): JoinToken {
  return isAbsolute(text) ? { kind: "file", path: text } : { kind: "token", token: new Secret(text) };
}

function addressOf(text: string, from: (path: string) => string): ListenAddress {
  const parsed = parseAddress(text, from);
  if ("address" in parsed) return parsed.address;
  throw new PosternError("config_invalid", `Cannot listen on ${quoted(text)}: ${parsed.fault}`);
}
