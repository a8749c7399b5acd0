/** Which of the databases that are registered in a cluster a database service serves beside its own. */

import { type DatabaseSpec, resolveDatabase } from "../aws/database.ts";
import { parseEndpoint } from "../aws/endpoints.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { labelsFit } from "../identity/label-selector.ts";
import { quoted } from "../identity/names.ts";
import type { Log } from "../telemetry/log.ts";
import { isAgent } from "./membership.ts";

/** Chooses anew with each set of documents, and tells what it leaves out once. */
export class RegisteredDatabases {
  readonly #config: Config;
  readonly #log: Pick<Log, "warn">;
  #told: ReadonlySet<string> = new Set();

  constructor(config: Config, log: Pick<Log, "warn">) {
    this.#config = config;
    this.#log = log;
  }

  /**
   * Of a cluster's databases those that this service serves. Beside the store, all of them. An agent serves what
   * `db_service.resources` names by its labels; what it has in its own files wins over a document of the same name; and one
   * document that it must not or cannot use is no reason to go without the others.
   */
  of(stored: readonly DatabaseSpec[], own: readonly DatabaseSpec[]): readonly DatabaseSpec[] {
    if (!isAgent(this.#config)) return stored;
    const { databases, resources } = this.#config.db_service;
    const taken = new Set([...databases, ...own].map(({ name }) => name));
    const told = new Set<string>();
    const leave = (name: string, reason: string): boolean => {
      const text = `${name}: ${reason}`;
      told.add(text);
      if (!this.#told.has(text))
        this.#log.warn({ database: name, reason }, "A database that is registered in the cluster is not served here");
      return false;
    };
    const served = stored.filter((spec) => {
      const { name, static_labels: labels = {} } = spec;
      if (!resources.some((selector) => labelsFit(selector.labels, labels))) return false;
      if (taken.has(name)) return leave(name, "this service's own files define one of that name");
      try {
        requireReachable(spec);
        return true;
      } catch (error) {
        return leave(name, messageOf(error));
      }
    });
    this.#told = told;
    return served;
  }
}

/**
 * Whoever may write db documents would otherwise have agents send what users ask, signed with the agents' AWS credentials, to
 * any host: of a registered database the host is AWS's, or an emulator on the agent's own machine.
 */
function requireReachable(spec: DatabaseSpec): void {
  resolveDatabase(spec);
  const { uri } = spec;
  if (uri === undefined || uri === "") return;
  // As if it were not marked as insecure.
  if (parseEndpoint(uri, false).kind !== "custom") return;
  throw new PosternError(
    "endpoint_foreign",
    `Cannot use ${quoted(uri)} from a registered database: it is neither AWS nor this machine`,
    { hint: "write the database into the agent's own file" },
  );
}
