/** Passwords and links of users, from the administrator's side: set at once, or by a link that works once (`Links`). */

import type { Clock } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";
import { type InviteKind, type InviteRecord, newInvite } from "../identity/invites.ts";
import type { Passwords } from "../identity/passwords.ts";
import type { KeyRing } from "../identity/sealing.ts";
import { NO_TRIES } from "../identity/tries.ts";
import type { Write } from "../store/store.ts";
import type { Administration, EventSink } from "./administration.ts";
import type { Actor } from "./authorize.ts";
import type { Cluster } from "./cluster.ts";
import type { GivenDocument } from "./documents.ts";
import { byWhom } from "./events.ts";
import { linksEnded, storedLink } from "./links.ts";
import { resetNoted } from "./removed-users.ts";
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
  readonly kind: InviteKind;
  /** Milliseconds. */
  readonly lasts: number;
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
   * Makes a user with a password, or with a link by which they set one: all of it or nothing.
   *
   * @throws as `Administration.create()`; PosternError `password_invalid`, `invite_ttl_invalid`
   */
  async add(
    actor: Actor,
    user: string,
    document: GivenDocument,
    how: { readonly password: Secret } | { readonly ttl: number | undefined },
  ): Promise<MadeLink | undefined> {
    const { administration, clock } = this.#options;
    if ("password" in how) {
      const { hashed } = await this.prepare(how.password);
      const secrets = { password: hashed, ...NO_TRIES };
      // What an earlier user of that name may have left is not theirs.
      const beside = async (): Promise<Write[]> => [this.#secrets.writeOf(user, secrets, { anyway: true })];
      await administration.create(actor, [document], { force: false, beside });
      await this.#record(user, actor.address ?? null);
      return undefined;
    }
    const made = newInvite({ kind: "invite", user, ttl: how.ttl, now: clock.now() });
    const beside = (): Promise<Write[]> => this.#linkWrites(made.record);
    await administration.create(actor, [document], { force: false, beside });
    return await this.#linkMade(actor, made);
  }

  /**
   * Sets a user's password at once; links that were made before end, and with an old password the logins by it. The second
   * factor stays as it is; where one is asked for and none is there, the user cannot log in before a link has set one up.
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
    const { administration, cluster, clock } = this.#options;
    const beside = async (): Promise<Write[]> => {
      const { secrets, revision } = await this.#secrets.read(user);
      const writes = [this.#secrets.writeOf(user, { ...secrets, password: hashed, ...NO_TRIES }, revision)];
      // At once: whoever had the old one must neither stay in nor get in between the two.
      if (revision !== undefined) writes.push(await resetNoted(cluster.store, user, clock.now()));
      return [...writes, ...(await linksEnded(cluster.store, user))];
    };
    // Says whether the actor may, and puts the change of the user on record.
    await administration.change(actor, "user", user, (document) => document, beside);
    await this.#record(user, actor.address ?? null);
  }

  /**
   * Makes a link by which the user sets a password, and a second factor where the cluster asks for one. A reset takes the old
   * ones away at once, and ends logins. Links that were made before end.
   *
   * @throws DeniedError unless the actor may change the user; PosternError `invite_ttl_invalid`, `resource_missing`
   */
  async makeLink(actor: Actor, user: string, kind: InviteKind, ttl?: number): Promise<MadeLink> {
    const { administration, clock } = this.#options;
    const made = newInvite({ kind, user, ttl, now: clock.now() });
    const beside = (): Promise<Write[]> => this.#linkWrites(made.record);
    await administration.change(actor, "user", user, (document) => document, beside);
    return await this.#linkMade(actor, made);
  }

  async #linkWrites(record: InviteRecord): Promise<Write[]> {
    const { cluster } = this.#options;
    const { kind, user } = record;
    const writes: Write[] = [{ op: "create", ...storedLink(record) }];
    if (kind === "reset") {
      const before = await cluster.store.get(USER_SECRET, user);
      if (before !== undefined) writes.push({ op: "delete", kind: USER_SECRET, name: user, revision: before.revision });
      // An instant before the link, which must count.
      writes.push(await resetNoted(cluster.store, user, record.created - 1));
    }
    // The newest link is the one that counts: whoever has an older one may be why there is another.
    return [...writes, ...(await linksEnded(cluster.store, user))];
  }

  async #linkMade(
    actor: Actor,
    { token, record }: { readonly token: Secret; readonly record: InviteRecord },
  ): Promise<MadeLink> {
    const { administration, events } = this.#options;
    const { kind, user, created, expires } = record;
    await events.record({
      event: "reset_password_token.create",
      code: "T6000I",
      ...byWhom(actor, administration.service),
      name: user,
      ttl: `${Math.round((expires - created) / 60_000)}m0s`,
      expires: new Date(expires).toISOString(),
    });
    return { token, kind, lasts: expires - created, expires };
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
