/** Passwords and links of users, from the administrator's side: set at once, or by a link that works once (`Links`). */

import type { Clock } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";
import { type InviteKind, newInvite } from "../identity/invites.ts";
import { NO_FAILURES } from "../identity/lockout.ts";
import type { Passwords } from "../identity/passwords.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { Write } from "../store/store.ts";
import type { Administration, EventSink } from "./administration.ts";
import type { Actor } from "./authorize.ts";
import type { Cluster } from "./cluster.ts";
import { INVITE, storedLink } from "./links.ts";
import { SecretsStore, USER_SECRET } from "./user-secrets.ts";

export interface PeopleOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly administration: Administration;
  readonly passwords: Passwords;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** A password that may be one, hashed. */
export interface PreparedPassword {
  readonly hashed: string;
}

/** A link that was made. */
export interface MadeLink {
  /** Goes into the address that the user opens; shown once. */
  readonly token: Secret;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Passwords and links of one cluster's users. */
export class People {
  readonly #options: PeopleOptions;
  readonly #secrets: SecretsStore;

  constructor(options: PeopleOptions) {
    this.#options = options;
    this.#secrets = new SecretsStore(options.cluster.store, options.ring);
  }

  /**
   * Sets a user's password at once. The second factor stays as it is; where one is asked for and none is there, the user
   * cannot log in before a link has set one up.
   *
   * @throws DeniedError unless the actor may change the user; PosternError `password_invalid`, `resource_missing`
   */
  async setPassword(actor: Actor, user: string, password: Secret): Promise<void> {
    await this.keepPassword(actor, user, await this.prepare(password));
  }

  /** What is kept of a password, for `keepPassword()`. @throws PosternError `password_invalid`, `password_busy` */
  async prepare(password: Secret): Promise<PreparedPassword> {
    return { hashed: await this.#options.passwords.hash(password) };
  }

  /** The second half of `setPassword()`. @throws as it does */
  async keepPassword(actor: Actor, user: string, { hashed }: PreparedPassword): Promise<void> {
    const { administration } = this.#options;
    // Says whether the actor may, and puts the change of the user on record.
    await administration.change(actor, "user", user, (document) => document);
    const { secrets, revision } = await this.#secrets.read(user);
    await this.#secrets.write(user, { ...secrets, password: hashed, lockout: NO_FAILURES }, revision);
    await this.#record(user, null);
  }

  /**
   * Makes a link by which the user sets a password, and a second factor where the cluster asks for one. A reset takes the old
   * ones away at once. Links that were made before end.
   *
   * @throws DeniedError unless the actor may change the user; PosternError `invite_ttl_invalid`, `resource_missing`
   */
  async makeLink(actor: Actor, user: string, kind: InviteKind, ttl?: number): Promise<MadeLink> {
    const { cluster, administration, clock, events } = this.#options;
    const { token, record } = newInvite({ kind, user, ttl, now: clock.now() });
    await administration.change(actor, "user", user, (document) => document);
    const writes: Write[] = [{ op: "create", ...storedLink(record) }];
    const before = await cluster.store.get(USER_SECRET, user);
    if (kind === "reset" && before !== undefined)
      writes.push({ op: "delete", kind: USER_SECRET, name: user, revision: before.revision });
    // The newest link is the one that counts: whoever has an older one may be why there is another.
    const older = (await cluster.store.list(INVITE)).filter(({ value }) => (value as { user?: unknown }).user === user);
    for (const { name, revision } of older.slice(0, MOST_OLDER))
      writes.push({ op: "delete", kind: INVITE, name, revision });
    await cluster.store.write(writes);
    await events.record({
      event: "reset_password_token.create",
      code: "T6000I",
      user: actor.name,
      service: "auth_service",
      name: user,
      ttl: `${Math.round((record.expires - record.created) / 60_000)}m0s`,
      expires: new Date(record.expires).toISOString(),
    });
    return { token, expires: record.expires };
  }

  #record(user: string, address: string | null): Promise<void> {
    return this.#options.events.record({
      event: "user.password_change",
      code: "T1005I",
      user,
      "addr.remote": address,
    });
  }
}

/** Of one user there is one, unless several were made at the same moment; a store takes 50 writes at once. */
const MOST_OLDER = 40;
