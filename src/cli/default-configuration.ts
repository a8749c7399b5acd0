/** The cluster that there is without a configuration file: this user's own, on this machine only. */

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { auditDirectoryOf } from "../audit/files.ts";
import { resolveDatabase } from "../aws/database.ts";
import { PosternError } from "../base/errors.ts";
import { PrivateFiles } from "../base/private-files.ts";
import { formatAddress, isLoopback, parseAddress } from "../config/address.ts";
import type { Config } from "../config/config.ts";
import { defaultDataDirectory, requireDataDirectory } from "../config/data-directory.ts";
import { parseConfig } from "../config/load.ts";
import { CommandError } from "./command-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where its door is, unless `postern start --listen` says otherwise. */
export const DEFAULT_DOOR = "127.0.0.1:3080";

/** What a login needs beside the password: nothing, since nobody but this machine reaches the door. */
const SECOND_FACTOR = "off";

/** It never changes, and so is not the machine's name, which may. */
const CLUSTER_NAME = "localhost";

/** `$POSTERN_DATA_DIR`, else a directory of this user's own, where the XDG base directory specification has data. */
export function ownDataDirectory(env: Environment): string {
  const told = env["POSTERN_DATA_DIR"];
  if (told !== undefined && told !== "") return resolve(told);
  const data = env["XDG_DATA_HOME"];
  // The specification: what is not absolute does not count.
  return join(data?.startsWith("/") === true ? data : join(homedir(), ".local", "share"), "postern");
}

/** The configuration of a start without a file. @throws CommandError for an address that others could reach, PosternError `data_dir_unusable` */
export function configurationWithoutFile(env: Environment = process.env, listen: string = DEFAULT_DOOR): Config {
  const directory = ownDataDirectory(env);
  const config = configurationAt(directory, doorAt(listen), env);
  try {
    requireDataDirectory(config);
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown;
    // There is no file in which a place could be shown.
    throw new PosternError(thrown.code, thrown.message.replace("data_dir ", ""), {
      cause: thrown,
      hint: "set POSTERN_DATA_DIR to a directory that this user can write",
    });
  }
  return config;
}

/** The configuration of the cluster that an earlier start without a file has made; undefined when there was none. */
export function configurationOfOwnCluster(env: Environment = process.env): Config | undefined {
  const directory = ownDataDirectory(env);
  return existsSync(join(directory, "store.sqlite")) ? configurationAt(directory, lastDoor(directory), env) : undefined;
}

/** Notes where the door of a cluster without a file is, now that it is there. @throws PosternError `door_unwritable` */
export function noteDoor({ postern: { data_dir: directory } }: Config, address: string): void {
  FILES.write(join(directory, DOOR_FILE), `${address}\n`);
}

/** Where the last start that served has put the door: links that are made beside it must lead there. */
function lastDoor(directory: string): string {
  try {
    const door = doorAt(readFileSync(join(directory, DOOR_FILE), "utf8").trim());
    return door.endsWith(":0") ? DEFAULT_DOOR : door;
  } catch {
    return DEFAULT_DOOR;
  }
}

const DOOR_FILE = "door";
const FILES = new PrivateFiles({
  code: "door",
  place: "set POSTERN_DATA_DIR to a directory that this user can write",
  again: "start again",
});

/** Where a log is looked for that nobody has named: the service's, else that of this user's own cluster. */
export function directoryOfLog(env: Environment): string {
  const usual = defaultDataDirectory(env);
  const own = ownDataDirectory(env);
  return !existsSync(auditDirectoryOf(usual)) && existsSync(auditDirectoryOf(own)) ? own : usual;
}

function configurationAt(directory: string, listen: string, env: Environment): Config {
  const document = {
    version: "v3",
    postern: { nodename: CLUSTER_NAME, data_dir: directory },
    auth_service: {
      enabled: "yes",
      cluster_name: CLUSTER_NAME,
      authentication: { second_factor: SECOND_FACTOR },
    },
    proxy_service: { enabled: "yes", listen_addr: listen },
    db_service: { enabled: "yes" },
  };
  const config = parseConfig(JSON.stringify(document), "no configuration file", {
    env,
    validateDatabase: resolveDatabase,
  });
  return { ...config, file: NO_FILE, positionOf: () => ({ file: NO_FILE, line: 1, column: 1 }) };
}

const NO_FILE = "postern start without a configuration file";

function doorAt(text: string): string {
  const result = parseAddress(text);
  const hint = `write it as --listen ${DEFAULT_DOOR}`;
  if ("fault" in result) throw new CommandError(2, `Cannot listen on "${text}": ${result.fault}`, { hint });
  const { address } = result;
  if (address.kind === "unix") throw new CommandError(2, `Cannot listen on "${text}": it is a Unix socket`, { hint });
  if (!isLoopback(address)) {
    throw new CommandError(2, `Cannot listen on "${text}" without a configuration file: others could reach it`, {
      hint: "write a file with proxy_service.listen_addr, and name it with -c: docs/how-to/administer-a-cluster.md",
    });
  }
  return formatAddress(address);
}
