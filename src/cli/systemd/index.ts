/** `postern systemd`: prints the unit that runs a configuration when the machine boots. */

import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Command } from "commander";
import { formatAddress, type ListenAddress, parseAddress } from "../../config/address.ts";
import type { Config } from "../../config/config.ts";
import { CommandError } from "../command-error.ts";
import { DRAIN_MS } from "../start/run-gateway.ts";
import { outputOf, writeWhole } from "../write-file.ts";
import { inside, isStateDirectory, type UnitFacts, unitOf } from "./unit.ts";

interface SystemdOptions {
  readonly config: string;
  readonly user?: string;
  readonly diagAddr?: string;
  readonly output?: string;
  readonly force?: true;
}

/** The `systemd` command; `read` loads a configuration file. */
export function systemdCommand(read: (file: string) => Config | Promise<Config>): Command {
  return new Command("systemd")
    .description("print a systemd unit that runs a configuration")
    .option("-c, --config <file>", "configuration file", "/etc/postern.yaml")
    .option("--user <user>", "user of this machine to run as; absent: one that systemd makes")
    .option("--diag-addr <host:port>", "serve /healthz, /readyz and /metrics there")
    .option("-o, --output <file>", "where to write it: a path or file:///path; - or nothing: standard output")
    .option("--force", "replace a file that is there")
    .action(async (options: SystemdOptions) => {
      const file = resolve(options.config);
      const config = existsSync(file) ? await read(file) : undefined;
      const facts = factsOf(file, config, options);
      const text = unitOf(facts);
      const path = outputOf(options.output);
      if (path === undefined) process.stdout.write(text);
      else writeWhole(path, text, { mode: 0o644, force: options.force === true });
      for (const note of notesOf(facts, config)) process.stderr.write(`postern: note: ${note}\n`);
    })
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  postern systemd
  postern systemd -c /etc/postern.yaml --diag-addr 127.0.0.1:3000 -o /etc/systemd/system/postern.service
  postern systemd --user postern`;

const USER = /^[A-Za-z_][A-Za-z0-9_-]{0,30}$/;

function factsOf(configFile: string, config: Config | undefined, { user, diagAddr }: SystemdOptions): UnitFacts {
  if (user !== undefined && !USER.test(user))
    throw new CommandError(2, `Cannot run as ${JSON.stringify(user)}: it is no name of a user of this machine`);
  const diagnostics = diagAddr === undefined ? undefined : addressOf(diagAddr);
  const dataDirectory = config?.postern.data_dir ?? "/var/lib/postern";
  if (user === undefined && !isStateDirectory(dataDirectory)) {
    throw new CommandError(
      1,
      `Cannot let systemd make the user: data_dir "${dataDirectory}" is not one that it makes`,
      {
        hint: "add --user NAME, whose directory it is, or set postern.data_dir to /var/lib/postern",
      },
    );
  }
  const { storage } = config?.auth_service ?? {};
  const token = config?.postern.auth_token;
  const listening = config === undefined ? [] : listenersOf(config);
  return {
    program: [process.execPath, realpathSync(process.argv[1] ?? "")],
    configFile,
    user,
    diagnostics,
    writes: [dataDirectory, ...(storage?.type === "sqlite" ? [dirname(storage.path)] : [])],
    reads: [config?.postern.resources, config?.policy.bundle, token?.kind === "file" ? token.path : undefined].filter(
      (path) => path !== undefined,
    ),
    sockets: listening.flatMap((address) => (address.kind === "unix" ? [address.path] : [])),
    ports: listening.flatMap((address) => (address.kind === "tcp" ? [address.port] : [])),
    // A parent gives its workers five seconds more than they give their requests.
    drainSeconds: DRAIN_MS / 1000 + 5,
  };
}

function addressOf(text: string): string {
  const parsed = parseAddress(text);
  if ("address" in parsed && parsed.address.kind === "tcp") return formatAddress(parsed.address);
  throw new CommandError(2, `Cannot serve diagnostics on "${text}": it needs host:port`);
}

function listenersOf({ db_service, auth_service, proxy_service }: Config): ListenAddress[] {
  return [
    ...(db_service.enabled ? db_service.listeners.map(({ address }) => address) : []),
    ...(auth_service?.enabled === true && auth_service.listen_addr !== undefined ? [auth_service.listen_addr] : []),
    ...(proxy_service?.enabled === true ? [proxy_service.listen_addr] : []),
  ];
}

function notesOf({ configFile, user, program, reads }: UnitFacts, config: Config | undefined): string[] {
  const notes: string[] = [];
  if (config === undefined)
    notes.push(`${configFile} is not there yet; the unit is for one that keeps data_dir as it is`);
  if (inside(program, ["/root", "/home"]))
    notes.push(
      "Node or Postern lies in somebody's home, where a service may not look: install both for the whole machine",
    );
  if (user === undefined && config?.auth_service?.enabled === true)
    notes.push(
      "postern ctl -c runs as the service's user only, and this one cannot be had: add --user NAME to administer here",
    );
  const closed = [configFile, ...reads].filter((path) => existsSync(path) && (statSync(path).mode & 0o004) === 0);
  if (closed.length > 0)
    notes.push(
      `the service cannot read ${closed.join(", ")}: ${
        user === undefined ? "add --user NAME, and give them to that user" : `give them to ${user}`
      } (chown NAME FILE)`,
    );
  return notes;
}
