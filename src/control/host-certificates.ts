/** Host certificates of services that join: issued, recorded, and read when they are shown. */

import type { Clock } from "../base/clock.ts";
import { type Issued, openAuthority } from "../identity/authority-keys.ts";
import type { HostRole } from "../identity/certificate-claims.ts";
import { Trust, type VerifiedHost, verifyHostCertificate } from "../identity/certificate-reader.ts";
import { issueHostCertificate } from "../identity/certificates.ts";
import type { HostDatabases } from "../identity/host-databases.ts";
import type { KeyRing } from "../identity/sealing.ts";
import { requireWhole } from "../store/backup.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";

export interface HostCertificatesOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** As long as that of the door, in milliseconds: a long weekend without a way to the cluster does no harm. */
export const HOST_LIFETIME_MS: number = 7 * 24 * 3_600_000;

/** Whom a certificate is for, and its key. */
export interface HostToCertify {
  readonly hostId: string;
  readonly role: HostRole;
  /** What is kept of it says so, never the service itself. */
  readonly databases: HostDatabases;
  /** PEM. */
  readonly publicKey: string;
}

/**
 * Issues one. It vouches for the host id as the one name: under others a service could stand in for the door.
 *
 * @throws PosternError `restore_unfinished`, as a lock on it may not be back yet
 */
export async function certifyHost(
  { cluster, ring, events, clock }: HostCertificatesOptions,
  { hostId, role, databases, publicKey }: HostToCertify,
): Promise<Issued> {
  await requireWhole(cluster.store, "certify a service");
  const signer = await openAuthority(await cluster.authority("host"), ring);
  const request = { hostId, role, databases, names: [hostId], publicKey, lifetime: HOST_LIFETIME_MS };
  const issued = await issueHostCertificate(signer, request, clock);
  await events.record({
    event: "cert.create",
    code: "TC000I",
    user: hostId,
    cert_type: "host",
    identity: {
      name: hostId,
      roles: [role],
      serial: issued.serial,
      expires: new Date(issued.expires).toISOString(),
    },
  });
  return issued;
}

/** @throws PosternError `certificate_…` */
export async function readHostCertificate(
  { cluster, clock }: Pick<HostCertificatesOptions, "cluster" | "clock">,
  certificate: Uint8Array,
): Promise<VerifiedHost> {
  const [host, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
  // Locks shut hosts out, and what is kept of each: nothing revokes one certificate by itself.
  return verifyHostCertificate(certificate, { trust: new Trust({ host, user }), clock, isRevoked: () => false });
}
