/** Services of the cluster that call its door: known by their certificates, as far as the cluster still knows them. */

import { PosternError } from "../base/errors.ts";
import type { VerifiedHost } from "../identity/certificate-reader.ts";
import { quoted } from "../identity/names.ts";
import type { Connected } from "./callers.ts";
import { type HostCertificatesOptions, readHostCertificate } from "./host-certificates.ts";
import { readHost, requireUnlocked } from "./hosts.ts";
import { RefusedCertificates } from "./refused-certificates.ts";

export type MembersOptions = Pick<HostCertificatesOptions, "cluster" | "events" | "clock">;

/** Recognises database services, anew each time. */
export class Members {
  readonly #options: MembersOptions;
  readonly #refused: RefusedCertificates;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#refused = new RefusedCertificates(options);
  }

  /**
   * The database service whose certificate a connection shows.
   *
   * @throws PosternError `host_certificate_required`, `certificate_…`, `host_locked`
   */
  async identify({ address, certificate }: Connected): Promise<VerifiedHost> {
    if (certificate === undefined)
      throw new PosternError(
        "host_certificate_required",
        "Cannot tell which service is calling: it shows no certificate",
        {
          hint: "join the cluster first",
        },
      );
    let shown: VerifiedHost | undefined;
    try {
      shown = await readHostCertificate(this.#options, certificate);
      await this.requireKnown(shown.hostId);
      return shown;
    } catch (thrown) {
      await this.#refused.noteHost(address, shown, thrown);
      throw thrown;
    }
  }

  /** @throws PosternError unless the cluster still knows this host as a database service, and no lock is on it */
  async requireKnown(hostId: string): Promise<void> {
    const { cluster, clock } = this.#options;
    await requireUnlocked(cluster.store, hostId, clock.now());
    const found = await readHost(cluster.store, hostId);
    if (found?.record.role === "db") return;
    throw new PosternError("certificate_revoked", `The cluster knows no database service ${quoted(hostId)}`, {
      hint: "let it join again",
    });
  }
}
