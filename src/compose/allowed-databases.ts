/** Which of its databases a database service serves to a cluster: those that its certificate names. */

import type { Member } from "../agent/membership.ts";
import { type HostDatabases, mayServe } from "../identity/host-databases.ts";
import type { Log } from "../telemetry/log.ts";

/** What of a membership matters here. */
interface Joined {
  readonly identity: { readonly stated: Pick<NonNullable<Member["identity"]>["stated"], "databases"> } | undefined;
}

/** Asked whenever databases or the certificate may have changed. */
export class AllowedDatabases {
  readonly #membership: Joined;
  readonly #log: Pick<Log, "warn">;
  #last: HostDatabases = [];
  #told: ReadonlySet<string> = new Set();

  constructor(membership: Joined, log: Pick<Log, "warn">) {
    this.#membership = membership;
    this.#log = log;
  }

  /** As the certificate says, or the last one that held; nothing before the first. */
  get named(): HostDatabases {
    const { identity } = this.#membership;
    if (identity !== undefined) this.#last = identity.stated.databases;
    return this.#last;
  }

  /** Those that may be served; a warning tells of each other one, once while it is there. */
  among<T extends { readonly name: string }>(databases: Iterable<T>): readonly T[] {
    const all = [...databases];
    const { named } = this;
    const served = all.filter(({ name }) => mayServe(named, name));
    // Before it has joined there is nothing to tell, and nobody to tell it to.
    if (this.#membership.identity === undefined) return served;
    const left = all.flatMap(({ name }) => (mayServe(named, name) ? [] : [name]));
    for (const database of left)
      if (!this.#told.has(database))
        this.#log.warn(
          { database, named, hint: "have it join by a token whose databases name it" },
          "A database is not served to the cluster: the certificate of this service does not name it",
        );
    this.#told = new Set(left);
    return served;
  }
}
