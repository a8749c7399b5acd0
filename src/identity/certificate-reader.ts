/** Reads certificates that others show, and believes only what the cluster's own authorities signed. */

import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { X509Certificate as Parsed } from "@peculiar/x509";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { trustedCertificates, type Authority, type AuthorityKind } from "./authority.ts";
import { CLOCK_SKEW_MS } from "./authority-keys.ts";
import { CLAIMS_OID, readHostClaims, readUserClaims, type HostRole } from "./certificate-claims.ts";
import { usesOf } from "./certificates.ts";
import { nameFault, quoted } from "./names.ts";
import type { Principal } from "./principal.ts";
import { loadX509, type X509 } from "./x509.ts";

/** Longest certificate that is looked at, in bytes of DER. */
const MAX_BYTES = 65_536;

/** True for a serial number, in lower-case hex, that has been revoked. */
export type IsRevoked = (serial: string) => boolean;

/** What every certificate that was believed tells. */
export interface Verified {
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

export interface VerifiedUser extends Verified {
  readonly user: Principal;
}

export interface VerifiedHost extends Verified {
  readonly hostId: string;
  readonly role: HostRole;
}

/** Those whom a cluster trusts now. Made anew when an authority changes. */
export class Trust {
  readonly cluster: string;
  readonly #certificates: Readonly<Record<AuthorityKind, readonly string[]>>;
  readonly #issuers: readonly { readonly kind: AuthorityKind; readonly certificate: X509Certificate }[];

  constructor(authorities: { readonly host: Authority; readonly user: Authority }) {
    const { host, user } = authorities;
    this.cluster = host.cluster;
    if (host.kind !== "host" || user.kind !== "user" || user.cluster !== this.cluster) {
      throw new PosternError(
        "authority_invalid",
        "Cannot trust these authorities: they are not a cluster's host and user",
      );
    }
    this.#certificates = { host: trustedCertificates(host), user: trustedCertificates(user) };
    this.#issuers = (["host", "user"] as const).flatMap((kind) =>
      this.#certificates[kind].map((pem) => ({ kind, certificate: new X509Certificate(pem) })),
    );
  }

  /** For TLS: whom to trust for this kind of peer. */
  certificates(kind: AuthorityKind): readonly string[] {
    return this.#certificates[kind];
  }

  /** Of which kind the authority is that signed this; undefined when it is none of ours, or has ended. */
  issuerOf(certificate: X509Certificate, now: number): AuthorityKind | undefined {
    return this.#issuers.find(
      ({ certificate: issuer }) =>
        certificate.checkIssued(issuer) &&
        certificate.verify(issuer.publicKey) &&
        now < Date.parse(issuer.validTo) + CLOCK_SKEW_MS,
    )?.kind;
  }
}

/** What it takes to believe a certificate. */
export interface Judging {
  readonly trust: Trust;
  readonly clock: Clock;
  readonly isRevoked: IsRevoked;
}

/**
 * Reads a user's certificate, PEM or DER.
 *
 * @throws PosternError `certificate_malformed`, `certificate_untrusted`, `certificate_wrong_kind`,
 * `certificate_not_yet_valid`, `certificate_expired`, `certificate_revoked`
 */
export async function verifyUserCertificate(certificate: string | Uint8Array, judging: Judging): Promise<VerifiedUser> {
  const { name, claims: bytes, verified } = await verify("user", certificate, judging);
  const claims = readUserClaims(bytes);
  requireClaims(claims, judging);
  const { roles, traits, mfa_verified: mfaVerified } = claims;
  return { ...verified, user: { name, roles, traits, mfaVerified } };
}

/**
 * Reads a host's certificate, PEM or DER. Whether it is the host that was called is for TLS to say.
 *
 * @throws PosternError as for users
 */
export async function verifyHostCertificate(certificate: string | Uint8Array, judging: Judging): Promise<VerifiedHost> {
  const { name, claims: bytes, verified } = await verify("host", certificate, judging);
  const claims = readHostClaims(bytes);
  requireClaims(claims, judging);
  return { ...verified, hostId: name, role: claims.role };
}

interface Believed {
  readonly name: string;
  readonly claims: Uint8Array;
  readonly verified: Verified;
}

async function verify(kind: AuthorityKind, shown: string | Uint8Array, judging: Judging): Promise<Believed> {
  const certificate = read(shown);
  const now = judging.clock.now();
  const issuer = judging.trust.issuerOf(certificate, now);
  if (issuer === undefined) {
    throw refused("untrusted", `no authority of cluster ${quoted(judging.trust.cluster)} signed it`, "log in again");
  }
  if (issuer !== kind) throw refused("wrong_kind", `it is a ${issuer}'s certificate, and a ${kind}'s is needed`);
  // From here on the bytes are ours: only now the second parser, which is less strict, may look at them.
  const library = (await loadX509()).x509;
  const parsed = new library.X509Certificate(new Uint8Array(certificate.raw));
  const serial = parsed.serialNumber.toLowerCase();
  if (judging.isRevoked(serial)) throw refused("revoked", `serial ${serial} has been revoked`, "log in again");
  const [begins, expires] = [parsed.notBefore.getTime(), parsed.notAfter.getTime()];
  if (now < begins - CLOCK_SKEW_MS) {
    throw refused(
      "not_yet_valid",
      `it is valid from ${iso(begins)}, and here it is ${iso(now)}`,
      "set the clocks right",
    );
  }
  if (now >= expires + CLOCK_SKEW_MS) {
    throw refused("expired", `it ended on ${iso(expires)}, and here it is ${iso(now)}`, "log in again");
  }
  const [name, ...others] = parsed.subjectName.getField("CN");
  if (name === undefined || others.length > 0 || nameFault(name) !== undefined) throw malformed("its name is none");
  return { name, claims: claimsIn(parsed, kind, library), verified: { serial, expires } };
}

/** By OpenSSL, which is strict with DER and knows of no attribute that could run code of ours. */
function read(shown: string | Uint8Array): X509Certificate {
  if (shown.length > MAX_BYTES * 2) throw malformed("it is too long");
  const der = typeof shown === "string" ? derOf(shown) : Buffer.from(shown);
  if (der.length > MAX_BYTES) throw malformed("it is too long");
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch {
    throw malformed("it cannot be read");
  }
  // What stands behind a certificate, or is another spelling of it, is not what was signed.
  if (!certificate.raw.equals(der)) throw malformed("it is not in its one form (DER)");
  return certificate;
}

function derOf(pem: string): Buffer {
  const [, body] =
    /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----\s*$/.exec(pem) ?? [];
  if (body === undefined) throw malformed("it is not the PEM of one certificate");
  return Buffer.from(body, "base64");
}

/** The claims, when everything beside them is as we write it. */
function claimsIn(certificate: Parsed, kind: AuthorityKind, library: X509["x509"]): Uint8Array {
  const { extensions } = certificate;
  const types = extensions.map(({ type }) => type);
  if (new Set(types).size !== types.length) throw malformed("it has an extension twice");
  const known = new Set([
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.35",
    "2.5.29.37",
    CLAIMS_OID[kind],
  ]);
  const unknown = extensions.find(({ type, critical }) => critical && !known.has(type));
  if (unknown !== undefined) throw malformed(`its critical extension ${unknown.type} is unknown`);
  const isAuthority = certificate.getExtension(library.BasicConstraintsExtension)?.ca;
  const usages = certificate.getExtension(library.KeyUsagesExtension)?.usages;
  const uses = certificate.getExtension(library.ExtendedKeyUsageExtension)?.usages.map(String);
  if (isAuthority !== false || usages !== library.KeyUsageFlags.digitalSignature)
    throw malformed("it is an authority's");
  if (uses === undefined || uses.join() !== usesOf(kind).join()) throw malformed(`its uses are not a ${kind}'s`);
  const claims = certificate.getExtension(CLAIMS_OID[kind]);
  if (claims === null) throw malformed(`it does not say what a ${kind}'s must`);
  return new Uint8Array(claims.value);
}

function requireClaims<T extends { readonly cluster: string }>(
  claims: T | undefined,
  { trust }: Judging,
): asserts claims is T {
  if (claims === undefined) throw malformed("what it says cannot be read");
  if (claims.cluster !== trust.cluster) {
    throw refused("untrusted", `it is for cluster ${quoted(claims.cluster)}, and this is ${quoted(trust.cluster)}`);
  }
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function malformed(reason: string): PosternError {
  return refused("malformed", reason);
}

function refused(code: string, reason: string, hint?: string): PosternError {
  return new PosternError(
    `certificate_${code}`,
    `Cannot accept the certificate: ${reason}`,
    hint === undefined ? {} : { hint },
  );
}
