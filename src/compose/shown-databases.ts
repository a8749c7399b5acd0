/** The databases that a user may know of: those that are defined, and those that agents say they serve. */

import type { Database } from "../aws/database.ts";
import type { Directory } from "../identity/directory.ts";
import type { Principal } from "../identity/principal.ts";
import type { PolicyDecisionPoint } from "../policy/pdp.ts";
import type { ServedDatabase } from "../tunnel/protocol.ts";
import { nameableUsers, type NameableUsers } from "./nameable-users.ts";

/** As much of what is in force as the door tells of. */
export interface DoorState {
  readonly directory: Pick<Directory, "role">;
  readonly policy: Pick<PolicyDecisionPoint, "shows">;
  readonly databases: ReadonlyMap<string, Database>;
}

type Shown = Pick<Database, "name" | "labels" | "uri" | "region" | "accountId"> & {
  readonly description?: string | undefined;
};

/** What agents say that they serve. */
export interface Said {
  readonly served: () => readonly ServedDatabase[];
  /** What none can be reached for now, as their tunnels broke a moment ago. */
  readonly lately: () => readonly ServedDatabase[];
}

/** Asks policy for each. */
export class ShownDatabases {
  readonly #state: () => DoorState;
  readonly #said: Said;

  constructor(state: () => DoorState, said: Said) {
    this.#state = state;
    this.#said = said;
  }

  /**
   * Whether there is a database of this name, and the user may know of it. Also one that is not listed, as no agent serves it for
   * a moment: who is told that there is none gives up.
   */
  isShown(user: Principal, name: string): boolean {
    return this.#of(name).some((database) => this.#shows(user, database));
  }

  /** As documents of kind db, whichever way they were defined, by name. */
  documents(user: Principal): readonly object[] {
    const shown = new Map<string, Shown>();
    for (const database of this.#all())
      if (!shown.has(database.name) && this.#shows(user, database)) shown.set(database.name, database);
    return [...shown.values()]
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
      .map((database) => {
        const { name, description, labels, uri, region, accountId } = database;
        return {
          kind: "db",
          version: "v3",
          metadata: { name, ...(description === undefined ? {} : { description }), labels },
          spec: { protocol: "dynamodb", uri, aws: { region, account_id: accountId } },
          users: this.#users(user, database),
        };
      });
  }

  /** A role grants users at a database that it would show all by itself. */
  #users(user: Principal, database: Shown): NameableUsers {
    const { directory } = this.#state();
    const held = user.roles.flatMap((name) => directory.role(name) ?? []);
    const granting = held.filter(({ name }) => this.#shows({ ...user, roles: [name] }, database));
    return nameableUsers(user, { granting, held, accountId: database.accountId });
  }

  /** What an agent says of its own counts before what is defined: it is there that requests arrive. */
  #all(): readonly Shown[] {
    return [...this.#said.served().map(shownOf), ...this.#state().databases.values()];
  }

  /** Those of a name, of the many that there may be. */
  #of(name: string): readonly Shown[] {
    const { served, lately } = this.#said;
    const named = (all: readonly ServedDatabase[]): readonly Shown[] =>
      all.filter((database) => database.name === name).map(shownOf);
    const found = [...named(served()), ...[this.#state().databases.get(name) ?? []].flat()];
    return found.length > 0 ? found : named(lately());
  }

  #shows({ name, roles, traits, mfaVerified }: Principal, database: Shown): boolean {
    return this.#state().policy.shows({ name, roles, traits, mfa_verified: mfaVerified }, database);
  }
}

function shownOf({ account_id: accountId, ...rest }: ServedDatabase): Shown {
  return { ...rest, accountId };
}
