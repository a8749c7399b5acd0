/** Reads certificates that others show, and believes only what the cluster's own authorities signed. */

import { Buffer } from "node:buffer";
import { X509Certificate, type KeyObject } from "node:crypto";
import type { X509Certificate as Parsed } from "@peculiar/x509";
import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { newAuthority, trustedCertificates, type Authority, type AuthorityKind } from "./authority.ts";
import { CLOCK_SKEW_MS } from "./authority-keys.ts";
import { CLAIMS_OID, readHostClaims, readUserClaims, type HostRole, type Route } from "./certificate-claims.ts";
import { usesOf } from "./certificates.ts";
import type { HostDatabases } from "./host-databases.ts";
import { nameFault, quoted } from "./names.ts";
import type { Principal } from "./principal.ts";
import { loadX509, type X509 } from "./x509.ts";

/** Longest certificate that is looked at, in bytes of DER. */
const MAX_BYTES = 65_536;

/** Certificates of which is kept what they say. */
const MAX_READ = 1_000;

/** The algorithm of all our signatures, in DER. */
const ECDSA_WITH_SHA256 = Buffer.from("300a06082a8648ce3d040302", "hex");

/** True for a serial number, in lower-case hex, that has been revoked. */
export type IsRevoked = (serial: string) => boolean;

/** What every certificate that was believed tells. */
export interface Verified {
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since the epoch: when it was issued, to a second, and when it ends. */
  readonly issued: number;
  readonly expires: number;
}

export interface VerifiedUser extends Verified {
  readonly user: Principal;
  /** Undefined: a login's own. Whoever looks at one must look at this. */
  readonly route: Route | undefined;
}

export interface VerifiedHost extends Verified {
  readonly hostId: string;
  readonly role: HostRole;
  readonly databases: HostDatabases;
}

interface Issuer {
  readonly kind: AuthorityKind;
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
}

/** What stands in a certificate that one of our authorities signed. Nothing of it depends on the time. */
interface Signed {
  readonly kind: AuthorityKind;
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly begins: number;
  readonly expires: number;
  /** @throws PosternError `certificate_malformed` */
  readonly said: () => { readonly name: string; readonly claims: Uint8Array };
}

/** Those whom a cluster trusts now. Made anew when an authority changes. */
export class Trust {
  readonly cluster: string;
  readonly #certificates: Readonly<Record<AuthorityKind, readonly string[]>>;
  readonly #issuers: readonly Issuer[];
  /** By its bytes: a peer shows the same certificate with each connection. */
  readonly #signed = new LRUCache<string, Signed>({ max: MAX_READ });

  /** Who only calls hosts knows no authority of users, and trusts no user. */
  constructor(authorities: { readonly host: Authority; readonly user?: Authority | undefined }) {
    const { host, user } = authorities;
    this.cluster = host.cluster;
    if (host.kind !== "host" || (user !== undefined && (user.kind !== "user" || user.cluster !== this.cluster))) {
      throw new PosternError(
        "authority_invalid",
        "Cannot trust these authorities: they are not a cluster's host and user",
      );
    }
    this.#certificates = {
      host: trustedCertificates(host),
      user: user === undefined ? [] : trustedCertificates(user),
    };
    this.#issuers = (["host", "user"] as const).flatMap((kind) =>
      this.#certificates[kind].map((pem) => {
        const certificate = new X509Certificate(pem);
        return { kind, certificate, publicKey: certificate.publicKey };
      }),
    );
  }

  /** For TLS: whom to trust for this kind of peer. */
  certificates(kind: AuthorityKind): readonly string[] {
    return this.#certificates[kind];
  }

  /** Of which kind the authority is that signed this; undefined when it is none of ours. */
  issuerOf(certificate: X509Certificate): AuthorityKind | undefined {
    // Whether the authority itself has ended needs no look: nothing that it signs lasts longer.
    return this.#issuers.find((issuer) => isSignedBy(certificate, issuer))?.kind;
  }

  /** What stands in a certificate (DER) that was kept. */
  kept(der: Uint8Array): Signed | undefined {
    return this.#signed.get(textOf(der));
  }

  /** Keeps what stands in one that these authorities signed, to the byte. */
  keep(der: Uint8Array, signed: Signed): void {
    this.#signed.set(textOf(der), signed);
  }
}

function textOf(der: Uint8Array): string {
  return Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("latin1");
}

/**
 * Those whom a cluster trusts by what somebody keeps of it: PEM of its authorities, those first who issue. Who only calls hosts keeps no
 * authority of users.
 *
 * @throws PosternError `authority_invalid`, and the runtime's for what is no certificate
 */
export function trustOf(
  cluster: string,
  { host, user }: { readonly host: readonly string[]; readonly user?: readonly string[] },
): Trust {
  const authority = (kind: AuthorityKind, [first = "", second]: readonly string[]): Authority => {
    // Nobody here signs with it.
    const own = newAuthority(kind, cluster, { certificate: first, sealedKey: "" });
    return second === undefined ? own : { ...own, other: { certificate: second, sealedKey: "" } };
  };
  return new Trust({ host: authority("host", host), user: user && authority("user", user) });
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
  return { ...verified, user: { name, roles, traits, mfaVerified }, route: claims.route };
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
  return { ...verified, hostId: name, role: claims.role, databases: claims.databases };
}

/** What any certificate says. */
interface Stated {
  readonly cluster: string;
  /** Milliseconds since the epoch. */
  readonly begins: number;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly publicKey: KeyObject;
}

/** What a user's certificate says. */
export interface StatedUser extends Stated {
  readonly user: Principal;
}

/**
 * Reads a user's certificate for the one whose it is. It is believed by nobody yet: who signed it is not looked at.
 *
 * @throws PosternError `certificate_malformed`
 */
export async function readOwnCertificate(pem: string): Promise<StatedUser> {
  const { name, claims: bytes, stated } = await readUnbelieved("user", pem);
  const claims = readUserClaims(bytes);
  if (claims === undefined) throw malformed("what it says cannot be read");
  const { roles, traits, mfa_verified: mfaVerified, cluster } = claims;
  return { ...stated, user: { name, roles, traits, mfaVerified }, cluster };
}

/** What a host's certificate says. */
export interface StatedHost extends Stated {
  readonly hostId: string;
  readonly role: HostRole;
  readonly databases: HostDatabases;
}

/**
 * Reads a host's certificate for the one whose it is, as `readOwnCertificate()` does.
 *
 * @throws PosternError `certificate_malformed`
 */
export async function readOwnHostCertificate(pem: string): Promise<StatedHost> {
  const { name, claims: bytes, stated } = await readUnbelieved("host", pem);
  const claims = readHostClaims(bytes);
  if (claims === undefined) throw malformed("what it says cannot be read");
  const { role, cluster, databases } = claims;
  return { ...stated, hostId: name, role, cluster, databases };
}

async function readUnbelieved(
  kind: AuthorityKind,
  pem: string,
): Promise<{ readonly name: string; readonly claims: Uint8Array; readonly stated: Omit<Stated, "cluster"> }> {
  const certificate = read(pem);
  const library = (await loadX509()).x509;
  let parsed: Parsed;
  try {
    parsed = new library.X509Certificate(new Uint8Array(certificate.raw));
  } catch {
    throw malformed("it cannot be read");
  }
  const [begins, expires] = [parsed.notBefore.getTime(), parsed.notAfter.getTime()];
  return {
    name: nameIn(parsed),
    claims: claimsIn(parsed, kind, library),
    stated: { begins, expires, publicKey: certificate.publicKey },
  };
}

interface Believed {
  readonly name: string;
  readonly claims: Uint8Array;
  readonly verified: Verified;
}

async function verify(kind: AuthorityKind, shown: string | Uint8Array, judging: Judging): Promise<Believed> {
  const { trust } = judging;
  const now = judging.clock.now();
  const anew = kind === "user" ? "log in again" : "let the host join again";
  const kept = typeof shown === "string" ? undefined : trust.kept(shown);
  const signed = kept?.kind === kind ? kept : await readSigned(kind, shown, trust, anew);
  const { serial, begins, expires } = signed;
  if (judging.isRevoked(serial)) throw refused("revoked", `serial ${serial} has been revoked`, anew);
  if (now < begins - CLOCK_SKEW_MS) {
    throw refused(
      "not_yet_valid",
      `it is valid from ${iso(begins)}, and here it is ${iso(now)}`,
      "set the clocks right",
    );
  }
  if (now >= expires + CLOCK_SKEW_MS) {
    throw refused("expired", `it ended on ${iso(expires)}, and here it is ${iso(now)}`, anew);
  }
  const said = signed.said();
  // bench: path, a connection for one request: 1.5 ms of an agent's 7.
  if (signed !== kept && typeof shown !== "string") trust.keep(shown, { ...signed, said: () => said });
  return { ...said, verified: { serial, issued: begins + CLOCK_SKEW_MS, expires } };
}

async function readSigned(
  kind: AuthorityKind,
  shown: string | Uint8Array,
  trust: Trust,
  anew: string,
): Promise<Signed> {
  const certificate = read(shown);
  const issuer = trust.issuerOf(certificate);
  if (issuer === undefined)
    throw refused("untrusted", `no authority of cluster ${quoted(trust.cluster)} signed it`, anew);
  if (issuer !== kind) throw refused("wrong_kind", `it is a ${issuer}'s certificate, and a ${kind}'s is needed`);
  // From here on the bytes are ours: only now the second parser, which is less strict, may look at them.
  const library = (await loadX509()).x509;
  const parsed = new library.X509Certificate(new Uint8Array(certificate.raw));
  return {
    kind,
    serial: parsed.serialNumber.toLowerCase(),
    begins: parsed.notBefore.getTime(),
    expires: parsed.notAfter.getTime(),
    said: () => ({ name: nameIn(parsed), claims: claimsIn(parsed, kind, library) }),
  };
}

function nameIn(certificate: Parsed): string {
  const [name, ...others] = certificate.subjectName.getField("CN");
  if (name === undefined || others.length > 0 || nameFault(name) !== undefined) throw malformed("its name is none");
  return name;
}

/** By the runtime's own parser, which on Node is OpenSSL: strict, and the one that TLS uses. */
function read(shown: string | Uint8Array): X509Certificate {
  if (shown.length > MAX_BYTES * 2) throw malformed("it is too long");
  const der = typeof shown === "string" ? derOf(shown) : Buffer.from(shown);
  if (der.length > MAX_BYTES) throw malformed("it is too long");
  if (!hasOurFrame(der)) throw malformed("it is not in the form of ours");
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch {
    throw malformed("it cannot be read");
  }
  if (!certificate.raw.equals(der)) throw malformed("it is not in its one form (DER)");
  return certificate;
}

/**
 * True when that which the signature does not cover is as we write it: the lengths outside and the name of the algorithm.
 * Not every parser minds what stands behind a certificate, or an algorithm that is named differently inside and outside.
 */
function hasOurFrame(der: Buffer): boolean {
  if (der.length < 256 || der.readUInt16BE(0) !== 0x3082 || der.readUInt16BE(2) !== der.length - 4) return false;
  const end = 8 + der.readUInt16BE(6);
  if (der.readUInt16BE(4) !== 0x3082 || end + ECDSA_WITH_SHA256.length + 3 > der.length) return false;
  const behind = der.subarray(end);
  const signature = behind.subarray(ECDSA_WITH_SHA256.length);
  // A bit string, of whole bytes, to the end.
  const isFramed = signature[0] === 3 && signature[1] === signature.length - 2 && signature[2] === 0;
  return isFramed && behind.subarray(0, ECDSA_WITH_SHA256.length).equals(ECDSA_WITH_SHA256);
}

/** False for what cannot be checked as well: a signature of an unknown kind is a fault to some parsers. */
function isSignedBy(certificate: X509Certificate, issuer: Issuer): boolean {
  try {
    return certificate.checkIssued(issuer.certificate) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
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
