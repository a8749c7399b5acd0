/** What the cluster's door shows of itself: a host certificate, issued by the host authority and replaced in time. */

import { generateKeyPairSync } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { newId } from "../base/ids.ts";
import { Secret } from "../base/secret.ts";
import { forHosts, trustedCertificates } from "../identity/authority.ts";
import { openAuthority } from "../identity/authority-keys.ts";
import { issueHostCertificate } from "../identity/certificates.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";

export interface DoorIdentityOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly events: EventSink;
  readonly clock: Clock;
  /** Host names and IP addresses under which the door is called. */
  readonly names: readonly string[];
  /** What the certificate says that the host is. */
  readonly role: "auth" | "proxy";
}

/** What TLS needs. */
export interface ShownIdentity {
  /** PEM: the host's own certificate, then that of the authority, by whose pin a client may know the cluster. */
  readonly chain: string;
  /** PEM of the private key, which is in no file. */
  readonly key: Secret;
  /** PEM of those whose users are let in; clients are told their names. */
  readonly clientAuthorities: readonly string[];
}

const LIFETIME_MS = 7 * 24 * 3_600_000;
const RENEW_BEFORE_MS = 2 * 24 * 3_600_000;

/** The identity of one door, for as long as its process runs. */
export class DoorIdentity {
  readonly #options: DoorIdentityOptions;
  readonly #hostId = newId();
  #current: { readonly shown: ShownIdentity; readonly expires: number; readonly authorities: string } | undefined;

  constructor(options: DoorIdentityOptions) {
    this.#options = options;
  }

  /**
   * What to show now: the same object until it is near its end or an authority changes.
   *
   * @throws PosternError `certificate_request_invalid` for a name that can be none, `authority_…`, and what store and ring throw
   */
  async current(): Promise<ShownIdentity> {
    const { cluster, ring, clock, events, names, role } = this.#options;
    const [authority, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
    const host = forHosts(authority);
    const clientAuthorities = trustedCertificates(user);
    const authorities = [host.active.certificate, ...clientAuthorities].join("");
    const last = this.#current;
    if (last?.authorities === authorities && clock.now() < last.expires - RENEW_BEFORE_MS) return last.shown;
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const signer = await openAuthority(host, ring);
    const request = {
      hostId: this.#hostId,
      role,
      names,
      publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
      lifetime: LIFETIME_MS,
    };
    const { certificate, serial, expires } = await issueHostCertificate(signer, request, clock);
    await events.record({
      event: "cert.create",
      code: "TC000I",
      user: this.#hostId,
      cert_type: "host",
      identity: { name: this.#hostId, roles: [role], serial, expires: new Date(expires).toISOString() },
    });
    const key = new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    const shown = { chain: certificate + host.active.certificate, key, clientAuthorities };
    this.#current = { shown, expires, authorities };
    return shown;
  }
}
