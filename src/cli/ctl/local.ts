/** Administration on the auth service's own machine: over its store, without a login. */

import { statSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { userInfo } from "node:os";
import { auditDirectoryOf } from "../../audit/files.ts";
import { Recorder } from "../../audit/recorder.ts";
import { systemClock } from "../../base/clock.ts";
import { PosternError } from "../../base/errors.ts";
import { Administrators } from "../../compose/administrators.ts";
import { namesInFiles } from "../../compose/kinds.ts";
import { type OpenCluster, openClusterOf } from "../../compose/store.ts";
import type { Config } from "../../config/config.ts";
import { requireDataDirectory } from "../../config/data-directory.ts";
import { publicAddressOf } from "../../config/public-address.ts";
import type { Administration, EventSink } from "../../control/administration.ts";
import type { Administrator } from "../../control/administrator.ts";
import { type Actor, DeniedError } from "../../control/authorize.ts";
import { CommandError } from "../command-error.ts";
import { loadBuiltinBundle, loadControlBundle } from "../policy/builtin.ts";
import { packageVersion } from "../version.ts";

/** What a command works with. */
export interface LocalAdministration extends OpenCluster {
  readonly administrator: Administrator;
  readonly administration: Administration;
  readonly actor: Actor;
  readonly events: EventSink;
}

/** Opens the store of a configuration for one command. @throws CommandError with exit code 3 where policy says no */
export async function withAdministration<T>(
  config: Config,
  mode: "reads" | "writes",
  work: (local: LocalAdministration) => Promise<T>,
): Promise<T> {
  requireDataDirectory(config);
  requireOwner(config.postern.data_dir);
  // What is made here belongs to the service: nobody else may read it.
  process.umask(0o077);
  const events = new LazyRecorder(config);
  let opened: OpenCluster | undefined;
  try {
    opened = await openClusterOf(config, { clock: systemClock, env: process.env, events });
    // A change that could not be recorded is not begun.
    if (mode === "writes") await events.open();
    const administrators = new Administrators({
      opened,
      events,
      clock: systemClock,
      service: "ctl",
      version: packageVersion(),
      loadControl: loadControlBundle,
      loadPolicy: () => loadBuiltinBundle(),
      taken: () => namesInFiles(config),
      publicAddress: addressOfLinks(config),
    });
    const actor = localActor();
    const { administration, administrator } = await administrators.of(actor);
    return await work({ administration, administrator, actor, ...opened, events });
  } catch (error) {
    if (error instanceof DeniedError) throw new CommandError(3, error.message, { cause: error });
    throw error;
  } finally {
    await events.close();
    await opened?.cluster.store.close();
  }
}

/** Where the file says that the proxy is found, as its pages call it; undefined when it is of an auth service alone. */
function addressOfLinks(config: Config): string | undefined {
  if (config.proxy_service?.enabled !== true) return undefined;
  const { public_addr, listen_addr } = config.proxy_service;
  if (public_addr === undefined && listen_addr.kind !== "tcp") return undefined;
  return publicAddressOf(config).proxy;
}

/** What a command works with that needs no open cluster: its log, and who runs it. */
export async function withLocalEvents<T>(
  config: Config,
  work: (local: Pick<LocalAdministration, "actor" | "events">) => Promise<T>,
): Promise<T> {
  requireDataDirectory(config);
  requireOwner(config.postern.data_dir);
  process.umask(0o077);
  const events = new LazyRecorder(config);
  try {
    // What could not be recorded is not begun.
    await events.open();
    return await work({ actor: localActor(), events });
  } finally {
    await events.close();
  }
}

function localActor(): Actor {
  return { name: userInfo().username, roles: [], traits: {}, kind: "local" };
}

/** Files that another user makes in the data directory would keep the service out of its own log. */
function requireOwner(dataDirectory: string): void {
  const self = process.getuid?.();
  const { uid } = statSync(dataDirectory);
  if (self === undefined || self === uid) return;
  throw new PosternError(
    "ctl_wrong_user",
    `Cannot administer: "${dataDirectory}" belongs to user ${uid}, not to ${self}`,
    {
      hint: `run it as the user of the service: sudo -u '#${uid}' postern ctl …`,
    },
  );
}

/** The log of this machine's commands, opened when there is something to write. */
class LazyRecorder implements EventSink {
  readonly #config: Config;
  readonly #recording = new Set<Promise<void>>();
  #recorder: Recorder | undefined;
  #opening: Promise<Recorder> | undefined;

  constructor(config: Config) {
    this.#config = config;
  }

  get healthy(): boolean {
    return this.#recorder?.healthy === true;
  }

  async record(event: Parameters<EventSink["record"]>[0]): Promise<void> {
    const recorded = this.open().then((recorder) => recorder.record(event));
    this.#recording.add(recorded);
    await recorded.finally(() => this.#recording.delete(recorded));
  }

  open(): Promise<Recorder> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Commands share one stream: each waits until the one before it is done. */
  async #open(): Promise<Recorder> {
    const { data_dir, audit } = this.#config.postern;
    for (let attempt = 1; ; attempt++) {
      try {
        const directory = auditDirectoryOf(data_dir);
        this.#recorder = await Recorder.open({
          directory,
          stream: "ctl",
          mode: "strict",
          fsync: audit.fsync,
          clock: systemClock,
        });
        return this.#recorder;
      } catch (error) {
        if (!(error instanceof PosternError) || error.code !== "audit_locked" || attempt > MAX_ATTEMPTS) throw error;
        await sleep(WAIT_MS);
      }
    }
  }

  async close(): Promise<void> {
    // Also what nobody waited for.
    await Promise.allSettled(this.#recording);
    await this.#recorder?.close();
  }
}

const WAIT_MS = 50;
/** Ten seconds. */
const MAX_ATTEMPTS = 200;
