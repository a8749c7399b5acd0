/** Administrators of an open cluster: the policy that judges them, the kinds that they know, and where their acts are recorded. */

import type { Clock } from "../base/clock.ts";
import { Administration, type EventSink } from "../control/administration.ts";
import { type Actor, Authorizer } from "../control/authorize.ts";
import { ClusterAdministrator } from "../control/cluster-administrator.ts";
import { People } from "../control/people.ts";
import { Passwords } from "../identity/passwords.ts";
import type { PolicyBundle } from "../policy/bundle.ts";
import { documentsOf } from "./documents.ts";
import { kindsForUse } from "./kinds.ts";
import type { OpenCluster } from "./store.ts";

export interface AdministratorsOptions {
  readonly opened: Pick<OpenCluster, "cluster" | "ring">;
  readonly events: EventSink;
  readonly clock: Clock;
  /** Where acts are asked for, as events name it. */
  readonly service: string;
  readonly version: string;
  /** The policy of administration. */
  readonly loadControl: () => Promise<PolicyBundle>;
  /** The policy in which roles are tried. */
  readonly loadPolicy: () => Promise<PolicyBundle>;
  /** `kind/name` of what files beside the store define. */
  readonly taken: () => Promise<ReadonlySet<string>>;
  /** Where users find the pages of links; undefined where only whoever asks can tell. */
  readonly publicAddress: string | undefined;
  readonly passwords?: Passwords;
}

/** What an administrator is made of. */
export interface Desk {
  readonly administration: Administration;
  readonly administrator: ClusterAdministrator;
  /** Whether the actor could change anything, of a kind or at all. @throws DeniedError */
  readonly requireMayChange: (kind?: string) => Promise<void>;
}

/** Makes administrators. Policies are loaded with the first one who needs them, and again when that failed. */
export class Administrators {
  readonly #options: AdministratorsOptions;
  readonly #passwords: Passwords;
  readonly #authorizer: () => Promise<Authorizer>;
  readonly #loadPolicy: () => Promise<PolicyBundle>;

  constructor(options: AdministratorsOptions) {
    this.#options = options;
    this.#passwords = options.passwords ?? new Passwords();
    this.#authorizer = once(async () => Authorizer.load(await options.loadControl()));
    this.#loadPolicy = once(options.loadPolicy);
  }

  /** An administrator in the name of an actor. */
  async of(actor: Actor): Promise<Desk> {
    const { opened, taken, events, clock, service, version, publicAddress } = this.#options;
    const { cluster, ring } = opened;
    const administration = new Administration({
      store: cluster.store,
      authorizer: await this.#authorizer(),
      events,
      clock,
      kinds: kindsForUse({ loadPolicy: this.#loadPolicy, ring, taken }),
      service,
    });
    const people = new People({
      administration,
      cluster,
      ring,
      events,
      passwords: this.#passwords,
      clock,
    });
    const more = { cluster, clock, version, documentsOf, publicAddress };
    return {
      administration,
      administrator: new ClusterAdministrator({ actor, administration, people, ...more }),
      requireMayChange: (kind) => administration.requireMayChange(actor, kind),
    };
  }
}

/** The same for all who ask; what failed is tried again. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () =>
    (loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    }));
}
