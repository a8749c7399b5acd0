/** Certificates for one database, asked for with that of a login: what the way to a database is opened with. */

import { PosternError } from "../base/errors.ts";
import type { Issued } from "../identity/authority-keys.ts";
import type { Route } from "../identity/certificate-claims.ts";
import { quoted } from "../identity/names.ts";
import type { Caller } from "./callers.ts";
import { certifyUser, type UserCertificatesOptions } from "./user-certificates.ts";

export interface RouteCertificatesOptions extends UserCertificatesOptions {
  /** Whether there is such a database, and this user may know of it. */
  readonly isShown: (user: Caller["user"], database: string) => boolean;
}

/** Short: it is kept in memory only, and asked for anew while the login lasts. */
const LONGEST_MS = 3_600_000;

/** Issues them for one cluster. */
export class RouteCertificates {
  readonly #options: RouteCertificatesOptions;

  constructor(options: RouteCertificatesOptions) {
    this.#options = options;
  }

  /**
   * Issues one that lasts an hour, and never longer than the login. Whether the user may be this database user is asked with
   * every operation, not here.
   *
   * @param publicKey PEM of the key that it is for, which should be another than that of the login
   * @throws PosternError `database_unknown` in the same words for a database that is not there and for one that is not for this
   * user, `db_user_invalid`, `public_key_invalid`, `session_ending`, `audit_unavailable`
   */
  async issue({ user, issued, expires }: Caller, route: Route, publicKey: string): Promise<Issued> {
    const { clock, isShown } = this.#options;
    const { database, db_user } = route;
    if (!isShown(user, database)) throw databaseUnknown(database);
    if (db_user === "" || db_user.length > 2048)
      throw new PosternError("db_user_invalid", "Cannot connect: the database user must be the name of an AWS role", {
        hint: "write --db-user=ROLE",
      });
    // Right after a reset a login says that it was issued later, and what it gives must. By the login and not by the reset: what
    // was reset since voids this as well.
    const at = Math.max(clock.now(), issued);
    const left = expires - at;
    if (left < 1000)
      throw new PosternError("session_ending", "Cannot connect: the login is at its end", {
        hint: "log in again with postern login",
      });
    // Of its user it was settled with the login's own certificate, at this instant.
    return await certifyUser(this.#options, { user, at, lifetime: Math.min(LONGEST_MS, left) }, { publicKey, route });
  }
}

/** In the same words for a database that is not there and for one that the user may not know of. */
export function databaseUnknown(database: string): PosternError {
  return new PosternError("database_unknown", `Cannot connect to database ${quoted(database)}: it is not found`, {
    hint: "postern db ls lists those that you may know of",
  });
}
