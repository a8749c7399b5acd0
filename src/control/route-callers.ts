/** Users by the certificates of their database routes, which come in tokens: read here for limits and the way, not for rights. */

import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { trustedCertificates } from "../identity/authority.ts";
import { Trust, type VerifiedUser, verifyUserCertificate } from "../identity/certificate-reader.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";
import { RefusedCertificates } from "./refused-certificates.ts";

export interface RouteCallersOptions {
  readonly cluster: Pick<Cluster, "authority">;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** Whose a certificate is, and for which database. Nobody has proven to hold its key. */
export interface RouteCaller {
  readonly user: string;
  readonly database: string;
}

/** How long the authorities count that were read from the store, in milliseconds: requests are many, rotations are few. */
const FRESH_MS = 5_000;
const MAX_CERTIFICATES = 10_000;

/** Recognises them. */
export class RouteCallers {
  readonly #options: RouteCallersOptions;
  readonly #refused: RefusedCertificates;
  #known = new LRUCache<string, VerifiedUser>({ max: MAX_CERTIFICATES });
  #trust: Promise<Trust> | undefined;
  #trustedBy = "";
  #readAt = 0;

  constructor(options: RouteCallersOptions) {
    this.#options = options;
    this.#refused = new RefusedCertificates(options);
  }

  /** @throws PosternError `certificate_…`; `certificate_wrong_kind` for that of a login */
  async identify(certificate: Uint8Array, address: string): Promise<RouteCaller> {
    const { clock } = this.#options;
    try {
      const trust = await this.#trustNow();
      const digest = createHash("sha256").update(certificate).digest("base64");
      const known = this.#known.get(digest);
      const isKnown = known !== undefined && clock.now() < known.expires;
      const shown = isKnown
        ? known
        : await verifyUserCertificate(certificate, { trust, clock, isRevoked: () => false });
      if (shown.route === undefined)
        throw new PosternError("certificate_wrong_kind", "Cannot accept the certificate: it is not for a database");
      if (!isKnown) this.#known.set(digest, shown);
      return { user: shown.user.name, database: shown.route.database };
    } catch (thrown) {
      const isCertificates = thrown instanceof PosternError && thrown.code.startsWith("certificate_");
      if (isCertificates) await this.#refused.noteUser(address, undefined, thrown);
      throw thrown;
    }
  }

  async #trustNow(): Promise<Trust> {
    const now = this.#options.clock.monotonic();
    if (this.#trust === undefined || now - this.#readAt > FRESH_MS) {
      this.#readAt = now;
      const reading = this.#read();
      this.#trust = reading;
      reading.catch(() => {
        if (this.#trust === reading) this.#trust = undefined;
      });
    }
    return await this.#trust;
  }

  async #read(): Promise<Trust> {
    const { cluster } = this.#options;
    const [host, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
    const by = trustedCertificates(user).join("");
    // What others vouched for is asked anew.
    if (by !== this.#trustedBy) this.#known = new LRUCache({ max: MAX_CERTIFICATES });
    this.#trustedBy = by;
    return new Trust({ host, user });
  }
}
