/** Renewal: a service that has joined gets its next certificate for the one that still holds. */

import { PosternError } from "../base/errors.ts";
import type { VerifiedHost } from "../identity/certificate-reader.ts";
import { quoted } from "../identity/names.ts";
import { readPublicKey } from "../identity/public-key.ts";
import { isRace } from "../store/store-errors.ts";
import { requireAudit } from "./audit-health.ts";
import type { Connected } from "./callers.ts";
import {
  certifyHost,
  HOST_LIFETIME_MS,
  type HostCertificatesOptions,
  readHostCertificate,
} from "./host-certificates.ts";
import { type HostRecord, hostWrite, readHost, requireUnlocked } from "./hosts.ts";
import type { Joined } from "./joins.ts";
import { RefusedCertificates } from "./refused-certificates.ts";

/** The renewals of one cluster's services. */
export class Renewals {
  readonly #options: HostCertificatesOptions;
  readonly #refused: RefusedCertificates;

  constructor(options: HostCertificatesOptions) {
    this.#options = options;
    this.#refused = new RefusedCertificates(options);
  }

  /**
   * Certifies a new key for the host that the connection shows, in the role that it has.
   *
   * @throws PosternError `host_certificate_required`, `certificate_…` (`certificate_revoked` for a host of which nothing
   * is kept any more), `host_not_renewable`, `host_locked`, `public_key_invalid`, `audit_unavailable`
   */
  async renew(publicKey: string, { address, certificate }: Connected): Promise<Joined> {
    const { events } = this.#options;
    requireAudit(events, "renew");
    if (certificate === undefined)
      throw new PosternError("host_certificate_required", "Cannot renew: no host certificate was shown", {
        hint: "join the cluster first",
      });
    readPublicKey(publicKey);
    let shown: VerifiedHost | undefined;
    let record: HostRecord;
    try {
      shown = await readHostCertificate(this.#options, certificate);
      record = await this.#extend(shown);
    } catch (thrown) {
      await this.#refused.noteHost(address, shown, thrown);
      throw thrown;
    }
    const { hostId, role } = shown;
    const { databases } = record;
    const next = await certifyHost(this.#options, { hostId, role, databases, publicKey });
    return { hostId, role, certificate: next, renewable: true };
  }

  async #extend({ hostId, role }: VerifiedHost): Promise<HostRecord> {
    const { cluster, clock } = this.#options;
    const { store } = cluster;
    await requireUnlocked(store, hostId, clock.now());
    const found = await readHost(store, hostId);
    // The door's own certificate is not a service's that has joined, either.
    if (found === undefined || found.record.role !== role)
      throw new PosternError("certificate_revoked", `Cannot renew: the cluster knows no service ${quoted(hostId)}`, {
        hint: "let it join again",
      });
    if (found.record.method !== "token")
      throw new PosternError(
        "host_not_renewable",
        `Cannot renew: ${quoted(hostId)} joined by ${found.record.method}, which must be proved again`,
        { hint: "join again" },
      );
    try {
      await store.write([hostWrite(hostId, found.record, clock.now() + HOST_LIFETIME_MS, found.revision)]);
      return found.record;
    } catch (thrown) {
      if (!isRace(thrown)) throw thrown;
      throw new PosternError("join_busy", `Cannot renew: ${quoted(hostId)} is being renewed or removed`, {
        hint: "try again in a while",
      });
    }
  }
}
