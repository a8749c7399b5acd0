/** Who may speak on a connection that came through a tunnel, by the certificate that its own TLS showed. */

import type { HostIdentity } from "../agent/host-identity.ts";
import type { Membership } from "../agent/membership.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { gatewayApp } from "../gateway/app.ts";
import type { FixedListener } from "../gateway/listener.ts";
import type { GatewayServices } from "../gateway/services.ts";
import { refuseUnparsable } from "../gateway/unparsable.ts";
import { type Authority, type AuthorityKind, newAuthority } from "../identity/authority.ts";
import { Trust, type VerifiedUser, verifyUserCertificate } from "../identity/certificate-reader.ts";
import { AddressLimiter } from "../identity/lockout.ts";
import { quoted } from "../identity/names.ts";
import type { Served, TunnelledFrom } from "../platform/ports.ts";

export interface AdmissionOptions {
  readonly services: GatewayServices;
  readonly membership: Pick<Membership, "identity">;
  readonly clock: Clock;
}

/** Admits clients of one agent. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #trusts = new WeakMap<HostIdentity, Trust>();
  /** How often a place is written down that shows what does not count: strangers must not be able to fill the log. */
  readonly #noted: AddressLimiter;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#noted = new AddressLimiter(options.clock);
  }

  /** What answers the client; undefined ends the connection. Never by the proxy's word: the certificate names the database too. */
  async admit(certificate: Uint8Array | undefined, { database, address }: TunnelledFrom): Promise<Served | undefined> {
    let shown: VerifiedUser | undefined;
    try {
      shown = await this.verified(certificate);
      const { user, route, issued, expires } = shown;
      if (route === undefined || route.database !== database)
        throw new PosternError("certificate_wrong_kind", `The certificate is not for database ${quoted(database)}`);
      const { name, roles, mfaVerified } = user;
      const listener: FixedListener = {
        address: "tunnel",
        kind: "tunnel",
        hosts: NO_HOSTS,
        user: name,
        database,
        dbUser: route.db_user,
        session: { user: name, roles, mfaVerified, issued, expires },
      };
      const { services } = this.#options;
      return {
        app: gatewayApp(services, listener),
        onUnparsable: (connection, reason) => refuseUnparsable(services, listener, connection, reason),
      };
    } catch (thrown) {
      // What is refused stays refused, whether or not that can be recorded.
      await this.note(address, shown, messageOf(thrown)).catch(() => undefined);
      return undefined;
    }
  }

  /** Whom a certificate (DER) names. @throws PosternError `certificate_…` */
  async verified(certificate: Uint8Array | undefined): Promise<VerifiedUser> {
    const { membership, clock } = this.#options;
    const { identity } = membership;
    if (certificate === undefined || identity === undefined)
      throw new PosternError("certificate_malformed", "No certificate was shown");
    const trust = this.#trusts.get(identity) ?? trustOf(identity);
    this.#trusts.set(identity, trust);
    return await verifyUserCertificate(certificate, { trust, clock, isRevoked: () => false });
  }

  /** Puts on record that a certificate was refused, though not every time. */
  async note(address: string, shown: VerifiedUser | undefined, reason: string): Promise<void> {
    if (this.#noted.take(address) > 0) return;
    const identity =
      shown === undefined
        ? null
        : {
            name: shown.user.name,
            roles: shown.user.roles,
            serial: shown.serial,
            expires: new Date(shown.expires).toISOString(),
          };
    const refused = { cert_type: "user", identity, "addr.remote": address, reason } as const;
    await this.#options.services.recorder.record({ event: "postern.cert.refused", code: "PCE01W", ...refused });
  }
}

const NO_HOSTS: ReadonlySet<string> = new Set();

function trustOf({ stated, trusted }: HostIdentity): Trust {
  const authority = (kind: AuthorityKind): Authority => {
    const [first = "", second] = trusted[kind];
    const own = newAuthority(kind, stated.cluster, { certificate: first, sealedKey: "" });
    return second === undefined ? own : { ...own, other: { certificate: second, sealedKey: "" } };
  };
  return new Trust({ host: authority("host"), user: authority("user") });
}
