/** Letting somebody in who has proved who they are: locks and roles of this instant, and a certificate that does not last long. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { type Issued, openAuthority } from "../identity/authority-keys.ts";
import { issueUserCertificate } from "../identity/certificates.ts";
import type { Directory } from "../identity/directory.ts";
import { lockMessage } from "../identity/lock.ts";
import type { Principal } from "../identity/principal.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { UserOrigin } from "../identity/user.ts";
import type { EventSink } from "./administration.ts";
import type { Cluster } from "./cluster.ts";
import { earliestIssue } from "./removed-users.ts";
import { World } from "./world.ts";

export interface AdmissionOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** Somebody who has proved who they are, and what for. */
export interface Entrant {
  readonly user: string;
  /** By whose word they are; absent: they proved it to the cluster itself. */
  readonly origin?: UserOrigin;
  /** Whether a second factor was shown. */
  readonly mfaVerified: boolean;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds; at most what the user's roles allow. */
  readonly lifetime?: number | undefined;
  /** Whether what was proved holds still; asked when the certificate is made, and before it is given. */
  readonly stillProven?: () => Promise<boolean>;
}

/** Somebody who is in. */
export interface Login {
  readonly principal: Principal;
  readonly certificate: Issued;
}

/** Twelve hours, as in Teleport; a role may allow less. */
const USUAL_LIFETIME_MS = 12 * 3_600_000;
const LONGEST_LIFETIME_MS = 30 * 3_600_000;

/**
 * Issues a certificate, on record, to a user as the cluster knows it now.
 *
 * @throws PosternError `login_locked` for who is locked, `login_refused` for who is not defined, `public_key_invalid`
 */
export async function admit(options: AdmissionOptions, entrant: Entrant): Promise<Login> {
  const { cluster, ring, clock, events } = options;
  const { user, mfaVerified, publicKey } = entrant;
  // Before anything else is read: of a user who is removed or reset from now on the certificate counts no more.
  const now = await earliestIssue(cluster.store, user, clock.now());
  const directory = (await World.around(user, [], cluster.store, clock)).directoryFor(user);
  const principal = { ...principalIn(directory, entrant), mfaVerified };
  const lifetime = lifetimeOf(principal.roles, directory, entrant.lifetime);
  const signer = await openAuthority(await cluster.authority("user"), ring);
  const request = { user: principal, publicKey, lifetime, longest: lifetime };
  const at: Clock = { now: () => now, monotonic: () => clock.monotonic() };
  const certificate = await issueUserCertificate(signer, request, at);
  // Who was so before must not have it.
  if ((await entrant.stillProven?.()) === false) throw new RefusedError("the user was removed or reset meanwhile");
  const { roles } = principal;
  const { serial, expires } = certificate;
  await events.record({
    event: "cert.create",
    code: "TC000I",
    user,
    cert_type: "user",
    identity: { name: user, roles, serial, expires: new Date(expires).toISOString() },
  });
  return { principal, certificate };
}

/** How long a login lasts, in milliseconds: what was asked for, or the usual, and at most what each role allows. */
export function lifetimeOf(roles: readonly string[], directory: Directory, asked: number | undefined): number {
  const limits = roles.flatMap((name) => directory.role(name)?.options?.max_session_ttl ?? []);
  return Math.min(asked ?? USUAL_LIFETIME_MS, LONGEST_LIFETIME_MS, ...limits);
}

/** @throws PosternError `login_locked`, `login_refused` */
function principalIn(directory: Directory, { user, origin }: Entrant): Principal {
  const lock = directory.lockOf(user);
  if (lock !== undefined) {
    throw new PosternError("login_locked", `Cannot log in: the user is locked${lockMessage(lock)}`);
  }
  const principal = directory.principalOf(user);
  if (principal === undefined) throw new RefusedError("the user has proved who they are, but is not defined");
  // Nobody is let in by one's own word as somebody for whom another vouches, nor the other way round.
  const known = directory.user(user)?.origin;
  const isSame =
    known?.connector === origin?.connector && known?.issuer === origin?.issuer && known?.subject === origin?.subject;
  if (!isSame) throw new RefusedError("the user logs in another way");
  return principal;
}

/** One text for all that a stranger could try out; why is for the log. */
export class RefusedError extends PosternError {
  readonly why: string;

  constructor(why: string) {
    super("login_refused", "Cannot log in: user name, password or code is not right, or there were too many failures", {
      hint: "try again in a while, or ask an administrator: postern ctl users reset NAME",
    });
    this.why = why;
  }
}
