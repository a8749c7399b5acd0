/** Both authorities of a cluster, made anew for each run, with what a test needs to issue and to judge. */

import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Clock } from "../../src/base/clock.ts";
import { newAuthority, type Authority } from "../../src/identity/authority.ts";
import { newAuthorityKey, openAuthority, type Issued } from "../../src/identity/authority-keys.ts";
import { Trust, type Judging } from "../../src/identity/certificate-reader.ts";
import { issueHostCertificate, issueUserCertificate } from "../../src/identity/certificates.ts";
import type { HostRequest, UserRequest } from "../../src/identity/certificates.ts";
import { KeyRing } from "../../src/identity/sealing.ts";

export const HOUR = 3_600_000;

/** A clock that stands still until it is set. */
export function settableClock(now: number): Clock & { set(now: number): void } {
  let time = now;
  return { now: () => time, monotonic: () => time, set: (to) => (time = to) };
}

export interface KeyPair {
  /** PEM. */
  readonly publicKey: string;
  readonly privateKey: string;
}

export function newKeyPair(): KeyPair {
  return generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

export class ClusterAuthorities {
  readonly ring = new KeyRing([randomBytes(32)]);
  readonly keys: KeyPair = newKeyPair();
  readonly clock: Clock;
  host: Authority;
  user: Authority;

  private constructor(clock: Clock, host: Authority, user: Authority) {
    this.clock = clock;
    this.host = host;
    this.user = user;
  }

  static async make(cluster: string, clock: Clock): Promise<ClusterAuthorities> {
    const none = newAuthority("host", cluster, { certificate: "", sealedKey: "" });
    const made = new ClusterAuthorities(clock, none, none);
    made.host = newAuthority("host", cluster, await newAuthorityKey("host", cluster, made));
    made.user = newAuthority("user", cluster, await newAuthorityKey("user", cluster, made));
    return made;
  }

  async issueUser(request: Partial<UserRequest> = {}): Promise<Issued> {
    const user = { name: "alice", roles: ["access"], traits: { team: ["payments"] }, mfaVerified: true };
    const whole = { user, publicKey: this.keys.publicKey, lifetime: HOUR, longest: HOUR, ...request };
    return issueUserCertificate(await openAuthority(this.user, this.ring), whole, this.clock);
  }

  async issueHost(request: Partial<HostRequest> = {}): Promise<Issued> {
    const whole = {
      hostId: "9c1f",
      role: "proxy" as const,
      names: ["localhost", "127.0.0.1"],
      publicKey: this.keys.publicKey,
      lifetime: HOUR,
      ...request,
    };
    return issueHostCertificate(await openAuthority(this.host, this.ring), whole, this.clock);
  }

  judging(changes: Partial<Judging> = {}): Judging {
    return { trust: new Trust(this), clock: this.clock, isRevoked: () => false, ...changes };
  }
}
