/** Users' certificates: who may have one, of which instant it is and how long it lasts, and that it is on record. Only here are they issued. */

import type { Clock } from "../base/clock.ts";
import { type Issued, openAuthority } from "../identity/authority-keys.ts";
import type { Route } from "../identity/certificate-claims.ts";
import { issueUserCertificate } from "../identity/certificates.ts";
import type { Directory } from "../identity/directory.ts";
import type { Lock } from "../identity/lock.ts";
import type { Principal } from "../identity/principal.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { UserOrigin } from "../identity/user.ts";
import type { Store } from "../store/store.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";
import { endedUntil, SECOND_MS } from "./removed-users.ts";
import { restoredUntil } from "./restored.ts";
import { World } from "./world.ts";

export interface UserCertificatesOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** Who somebody has proved to be. */
export interface Proven {
  readonly user: string;
  /** By whose word they are; absent: they proved it to the cluster itself. */
  readonly origin?: UserOrigin | undefined;
  /** Milliseconds that they ask for. */
  readonly lifetime?: number | undefined;
}

/** Who may have a certificate, and which. */
export interface Entitled {
  readonly user: Principal;
  /** The instant of which it says that it was issued, in milliseconds since the epoch. */
  readonly at: number;
  /** Milliseconds from then on. */
  readonly lifetime: number;
}

/** Why somebody may have none. */
export type NotEntitled =
  | { readonly refused: "locked"; readonly lock: Lock }
  | { readonly refused: "undefined" }
  /** Another vouches for this user, whom `origin` names; or nobody does, and one's own word is asked for. */
  | { readonly refused: "foreign"; readonly origin: UserOrigin | undefined };

/** Twelve hours, as in Teleport; a role may allow less. */
const USUAL_LIFETIME_MS = 12 * 3_600_000;
const LONGEST_LIFETIME_MS = 30 * 3_600_000;

/** Whether somebody may have a certificate, as the cluster knows them now. @throws PosternError `resource_unreadable`, `restore_unfinished` */
export async function entitledNow(
  { cluster, clock }: Pick<UserCertificatesOptions, "cluster" | "clock">,
  { user, origin, lifetime }: Proven,
): Promise<Entitled | NotEntitled> {
  // Before anything else is read: of a user who is removed or reset from now on, or in a cluster that is put back, the certificate
  // counts no more.
  const at = await earliestIssue(cluster.store, user, clock.now());
  const directory = (await World.around(user, [], cluster.store, clock)).directoryFor(user);
  const lock = directory.lockOf(user);
  if (lock !== undefined) return { refused: "locked", lock };
  const principal = directory.principalOf(user);
  if (principal === undefined) return { refused: "undefined" };
  // Nobody is let in by one's own word as somebody for whom another vouches, nor the other way round.
  const known = directory.user(user)?.origin;
  const isSame =
    known?.connector === origin?.connector && known?.issuer === origin?.issuer && known?.subject === origin?.subject;
  if (!isSame) return { refused: "foreign", origin: known };
  return { user: principal, at, lifetime: lifetimeOf(principal.roles, directory, lifetime) };
}

/** The earliest instant, not before `now`, at which a certificate can say that it was issued and is not void. */
async function earliestIssue(store: Store, user: string, now: number): Promise<number> {
  const voided = await Promise.all([endedUntil(store, user), restoredUntil(store)]);
  return Math.max(now, ...voided.map((until) => (until === undefined ? now : until + SECOND_MS)));
}

/** How long a login lasts, in milliseconds: what was asked for, or the usual, and at most what each role allows. */
export function lifetimeOf(roles: readonly string[], directory: Directory, asked: number | undefined): number {
  const limits = roles.flatMap((name) => directory.role(name)?.options?.max_session_ttl ?? []);
  return Math.min(asked ?? USUAL_LIFETIME_MS, LONGEST_LIFETIME_MS, ...limits);
}

/** What a certificate is for. */
export interface Purpose {
  /** PEM of the key that it is for. */
  readonly publicKey: string;
  /** For one database only. */
  readonly route?: Route;
  /** Asked when the certificate is made, and before it is on record or given: throws when it must not be. */
  readonly confirm?: () => Promise<void>;
}

/** Issues one, on record. @throws PosternError `public_key_invalid`, `certificate_request_invalid`, `audit_unavailable` */
export async function certifyUser(
  { cluster, ring, events, clock }: UserCertificatesOptions,
  { user, at, lifetime }: Entitled,
  { publicKey, route, confirm }: Purpose,
): Promise<Issued> {
  const signer = await openAuthority(await cluster.authority("user"), ring);
  const request = { user, publicKey, lifetime, longest: lifetime, ...(route === undefined ? {} : { route }) };
  const then: Clock = { now: () => at, monotonic: () => clock.monotonic() };
  const issued = await issueUserCertificate(signer, request, then);
  await confirm?.();
  const { name, roles } = user;
  const { serial, expires } = issued;
  await events.record({
    event: "cert.create",
    code: "TC000I",
    user: name,
    cert_type: "user",
    identity: {
      name,
      roles,
      serial,
      expires: new Date(expires).toISOString(),
      ...(route === undefined ? {} : { route }),
    },
  });
  return issued;
}
