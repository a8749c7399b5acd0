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

/** Asks policy for each. */
export class ShownDatabases {
  readonly #state: () => DoorState;
  readonly #served: () => readonly ServedDatabase[];

  /** What is in force, and what agents serve now. */
  constructor(state: () => DoorState, served: () => readonly ServedDatabase[]) {
    this.#state = state;
    this.#served = served;
  }

  /** Whether there is a database of this name, and the user may know of it. */
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
    return [...this.#served().map(shownOf), ...this.#state().databases.values()];
  }

  /** Those of a name, of the many that there may be. */
  #of(name: string): readonly Shown[] {
    const served = this.#served().filter((database) => database.name === name);
    return [...served.map(shownOf), ...[this.#state().databases.get(name) ?? []].flat()];
  }

  #shows({ name, roles, traits, mfaVerified }: Principal, database: Shown): boolean {
    return this.#state().policy.shows({ name, roles, traits, mfa_verified: mfaVerified }, database);
  }
}

function shownOf({ account_id: accountId, ...rest }: ServedDatabase): Shown {
  return { ...rest, accountId };
}
