/** Who calls the API: the user of the certificate that the connection showed, as far as the cluster still knows it. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { type Authority, trustedCertificates } from "../identity/authority.ts";
import { Trust, type VerifiedUser, verifyUserCertificate } from "../identity/certificate-reader.ts";
import { lockMessage } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import type { Principal } from "../identity/principal.ts";
import { standingOf } from "../identity/session.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";
import { RefusedCertificates } from "./refused-certificates.ts";
import { endingSince } from "./removed-users.ts";
import { wasRestoredSince } from "./restored.ts";
import { World } from "./world.ts";

export interface CallersOptions {
  readonly cluster: Cluster;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** What is known of a connection. */
export interface Connected {
  /** Where it comes from; empty when that cannot be told. */
  readonly address: string;
  /** DER of the certificate that the client showed. Whoever took it only knows that the client holds its key. */
  readonly certificate: Uint8Array | undefined;
}

/** A user who is known now. */
export interface Caller {
  readonly user: Principal;
  /** When the certificate says that it was issued, and when it ends, in milliseconds since the epoch. */
  readonly issued: number;
  readonly expires: number;
}

/** Recognises callers, anew with every request: what was true for the last one need not be for the next. */
export class Callers {
  readonly #options: CallersOptions;
  readonly #refused: RefusedCertificates;
  /** By the certificates of the authorities: it keeps what it has read of callers' certificates. */
  #trusted: { readonly by: string; readonly trust: Trust } | undefined;

  constructor(options: CallersOptions) {
    this.#options = options;
    this.#refused = new RefusedCertificates(options);
  }

  /**
   * The caller. Its roles are those of the certificate that the user still has: what was given later needs a new login,
   * and at once where it denies; what was taken away is gone at once.
   *
   * @throws PosternError `login_required`, `certificate_…`, `user_removed`, `user_locked`, `restore_unfinished`
   */
  async identify({ address, certificate }: Connected): Promise<Caller> {
    if (certificate === undefined)
      throw new PosternError("login_required", "Cannot tell who is calling: no certificate was shown", {
        hint: "log in with postern login",
      });
    const { cluster, clock } = this.#options;
    let shown: VerifiedUser | undefined;
    try {
      const [host, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
      // Nothing revokes one certificate by itself: locks shut users out.
      const judging = { trust: this.#trust({ host, user }), clock, isRevoked: () => false };
      shown = await verifyUserCertificate(certificate, judging);
      if (shown.route !== undefined) throw forDatabase(shown.user.name);
      const ending = await endingSince(cluster.store, shown.user.name, shown.issued);
      if (ending !== undefined) throw ending === "reset" ? reset(shown.user.name) : removed(shown.user.name);
      const known = await this.#known(shown.user);
      // Behind the rest: a restore that has ended since that was read is noted, and one that has not is refused with it.
      if (await wasRestoredSince(cluster.store, shown.issued)) throw issuedBeforeRestore();
      return { user: known, issued: shown.issued, expires: shown.expires };
    } catch (thrown) {
      await this.#refused.noteUser(address, shown, thrown);
      throw thrown;
    }
  }

  #trust(authorities: { readonly host: Authority; readonly user: Authority }): Trust {
    const by = JSON.stringify([trustedCertificates(authorities.host), trustedCertificates(authorities.user)]);
    if (this.#trusted?.by !== by) this.#trusted = { by, trust: new Trust(authorities) };
    return this.#trusted.trust;
  }

  async #known(shown: Principal): Promise<Principal> {
    const { name, roles } = shown;
    const { cluster, clock } = this.#options;
    const directory = (await World.around(name, roles, cluster.store, clock)).directoryFor(name);
    const known = directory.principalOf(name);
    if (known === undefined) throw removed(name);
    const lock = directory.lockOf(name);
    if (lock !== undefined) {
      throw new PosternError("user_locked", `Cannot go on as ${quoted(name)}: the user is locked${lockMessage(lock)}`);
    }
    const standing = standingOf(shown, known, directory);
    if (!("denying" in standing)) return standing;
    throw new PosternError(
      "login_required",
      `Cannot go on as ${quoted(name)}: role ${quoted(standing.denying)}, which denies something, was given after the login`,
      { hint: "log in again with postern login" },
    );
  }
}

function forDatabase(name: string): PosternError {
  return new PosternError(
    "certificate_wrong_kind",
    `Cannot go on as ${quoted(name)}: the certificate that was shown is for a database only`,
    { hint: "use the one that postern login gave" },
  );
}

function removed(name: string): PosternError {
  return new PosternError("user_removed", `Cannot go on as ${quoted(name)}: there is no such user any more`, {
    hint: "log in again with postern login, or ask whoever administers the cluster",
  });
}

function reset(name: string): PosternError {
  return new PosternError("login_required", `Cannot go on as ${quoted(name)}: the user was reset after this login`, {
    hint: "log in again with postern login",
  });
}

function issuedBeforeRestore(): PosternError {
  const message = "Cannot go on: the login is from before the cluster was put back from a backup";
  return new PosternError("login_required", message, { hint: "log in again with postern login" });
}
