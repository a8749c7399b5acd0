/** Administration on the auth service's own machine: over its store, without a login. */

import { statSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { userInfo } from "node:os";
import { auditDirectoryOf } from "../../audit/files.ts";
import { Recorder } from "../../audit/recorder.ts";
import { systemClock } from "../../base/clock.ts";
import { PosternError } from "../../base/errors.ts";
import { kindsForUse, namesInFiles } from "../../compose/kinds.ts";
import { type OpenCluster, openClusterOf } from "../../compose/store.ts";
import type { Config } from "../../config/config.ts";
import { requireDataDirectory } from "../../config/data-directory.ts";
import { Administration, DeniedError, type EventSink } from "../../control/administration.ts";
import { type Actor, Authorizer } from "../../control/authorize.ts";
import { CommandError } from "../command-error.ts";
import { loadBuiltinBundle, loadControlBundle } from "../policy/builtin.ts";

/** What a command works with. */
export interface LocalAdministration extends OpenCluster {
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
  const { cluster, ring } = await openClusterOf(config, { clock: systemClock, env: process.env });
  const { store } = cluster;
  const events = new LazyRecorder(config);
  try {
    const taken = mode === "writes" ? await namesInFiles(config) : new Set<string>();
    // A change that could not be recorded is not begun.
    if (mode === "writes") await events.open();
    const administration = new Administration({
      store,
      authorizer: await Authorizer.load(await loadControlBundle()),
      events,
      clock: systemClock,
      kinds: kindsForUse({ loadPolicy: () => loadBuiltinBundle(), ring, taken }),
      service: "ctl",
    });
    const actor: Actor = { name: userInfo().username, roles: [], traits: {}, kind: "local" };
    return await work({ administration, actor, cluster, ring, events });
  } catch (error) {
    if (error instanceof DeniedError) throw new CommandError(3, error.message, { cause: error });
    throw error;
  } finally {
    await events.close();
    await store.close();
  }
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
  #recorder: Recorder | undefined;

  constructor(config: Config) {
    this.#config = config;
  }

  get healthy(): boolean {
    return this.#recorder?.healthy === true;
  }

  async record(event: Parameters<EventSink["record"]>[0]): Promise<void> {
    await (await this.open()).record(event);
  }

  /** Commands share one stream: each waits until the one before it is done. */
  async open(): Promise<Recorder> {
    if (this.#recorder !== undefined) return this.#recorder;
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
    await this.#recorder?.close();
  }
}

const WAIT_MS = 50;
/** Ten seconds. */
const MAX_ATTEMPTS = 200;
