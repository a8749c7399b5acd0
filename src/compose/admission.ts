/** Who may speak on a connection that came through a tunnel, by the certificate that its own TLS showed. */

import type { HostIdentity } from "../agent/host-identity.ts";
import type { Member } from "../agent/membership.ts";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { RefusedCertificates } from "../control/refused-certificates.ts";
import { gatewayApp } from "../gateway/app.ts";
import type { FixedListener } from "../gateway/listener.ts";
import type { GatewayServices } from "../gateway/services.ts";
import { refuseUnparsable } from "../gateway/unparsable.ts";
import { type Trust, trustOf, type VerifiedUser, verifyUserCertificate } from "../identity/certificate-reader.ts";
import { quoted } from "../identity/names.ts";
import type { Served, TunnelledFrom } from "../platform/ports.ts";

export interface AdmissionOptions {
  readonly services: GatewayServices;
  readonly membership: Pick<Member, "identity">;
  readonly clock: Clock;
}

/** Admits clients of one agent. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #trusts = new WeakMap<HostIdentity, Trust>();
  /** Where those that do not count go on record. */
  readonly refused: RefusedCertificates;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.refused = new RefusedCertificates({ events: options.services.recorder, clock: options.clock });
  }

  /** What answers the client; undefined ends the connection. Never by the proxy's word: the certificate names the database too. */
  async admit(certificate: Uint8Array | undefined, { database, address }: TunnelledFrom): Promise<Served | undefined> {
    let shown: VerifiedUser | undefined;
    try {
      shown = await this.verified(certificate);
      const { user, route, issued, expires } = shown;
      if (route === undefined || route.database !== database)
        throw new PosternError("certificate_wrong_kind", `The certificate is not for database ${quoted(database)}`);
      const { name, roles, traits, mfaVerified } = user;
      const listener: FixedListener = {
        address: "tunnel",
        kind: "tunnel",
        hosts: NO_HOSTS,
        user: name,
        database,
        dbUser: route.db_user,
        session: { user: name, roles, traits, mfaVerified, issued, expires },
      };
      const { services } = this.#options;
      return {
        app: gatewayApp(services, listener),
        onUnparsable: (connection, reason) => refuseUnparsable(services, listener, connection, reason),
      };
    } catch (thrown) {
      await this.refused.noteUser(address, shown, thrown);
      return undefined;
    }
  }

  /** Whom a certificate (DER) names. @throws PosternError `certificate_…` */
  async verified(certificate: Uint8Array | undefined): Promise<VerifiedUser> {
    const { membership, clock } = this.#options;
    const { identity } = membership;
    if (certificate === undefined || identity === undefined)
      throw new PosternError("certificate_malformed", "No certificate was shown");
    const trust = this.#trusts.get(identity) ?? trustOf(identity.stated.cluster, identity.trusted);
    this.#trusts.set(identity, trust);
    return await verifyUserCertificate(certificate, { trust, clock, isRevoked: () => false });
  }
}

const NO_HOSTS: ReadonlySet<string> = new Set();
