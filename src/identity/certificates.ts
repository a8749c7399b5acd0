/** Certificates for users and hosts, issued for a public key that they send. */

import { isIP } from "node:net";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { AuthorityKind } from "./authority.ts";
import type { AuthoritySigner, Issued, ToSign } from "./authority-keys.ts";
import { CLAIMS_OID, MAX_CLAIMS_BYTES, type HostRole, type Route, writeClaims } from "./certificate-claims.ts";
import type { HostDatabases } from "./host-databases.ts";
import { nameFault, quoted } from "./names.ts";
import type { Principal } from "./principal.ts";
import { readPublicKey } from "./public-key.ts";

/** A user who has logged in, and the key that is to speak for it. */
export interface UserRequest {
  readonly user: Principal;
  /** PEM of a SubjectPublicKeyInfo. */
  readonly publicKey: string;
  /** Milliseconds that the user asks for. */
  readonly lifetime: number;
  /** Milliseconds that the roles allow (max_session_ttl). */
  readonly longest: number;
  /** For one database only; it counts nowhere else then. */
  readonly route?: Route;
}

/** A process of the cluster that has joined, and its key. */
export interface HostRequest {
  readonly hostId: string;
  readonly role: HostRole;
  /** Of a database service. */
  readonly databases?: HostDatabases;
  /** Host names and IP addresses under which it is called. */
  readonly names: readonly string[];
  /** PEM of a SubjectPublicKeyInfo. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly lifetime: number;
}

/**
 * Issues a user's certificate.
 *
 * @throws PosternError `public_key_invalid`, `certificate_request_invalid`, `authority_expired`
 */
export async function issueUserCertificate(
  authority: AuthoritySigner,
  request: UserRequest,
  clock: Clock,
): Promise<Issued> {
  const { user, longest } = request;
  if (!(longest > 0)) throw invalid(user.name, `its roles allow ${longest} ms`);
  const { cluster } = authority;
  const { mfaVerified: mfa_verified, roles, traits } = user;
  const { route } = request;
  const claims = { cluster, mfa_verified, roles, traits, ...(route === undefined ? {} : { route }) };
  const toSign = prepared("user", authority, {
    name: user.name,
    publicKey: request.publicKey,
    lifetime: Math.min(request.lifetime, longest),
    claims: writeClaims(claims),
  });
  return authority.sign(toSign, clock);
}

/**
 * Issues a host's certificate.
 *
 * @throws PosternError `public_key_invalid`, `certificate_request_invalid`, `authority_expired`
 */
export async function issueHostCertificate(
  authority: AuthoritySigner,
  request: HostRequest,
  clock: Clock,
): Promise<Issued> {
  const { hostId, role, names, databases } = request;
  const wrong = names.find((name) => isIP(name) === 0 && !isHostName(name));
  if (wrong !== undefined) throw invalid(hostId, `${quoted(wrong)} is neither a host name nor an IP address`);
  const toSign = prepared("host", authority, {
    name: hostId,
    publicKey: request.publicKey,
    lifetime: request.lifetime,
    claims: writeClaims({ cluster: authority.cluster, role, ...(databases === undefined ? {} : { databases }) }),
  });
  const extensions: ToSign["extensions"] = (x509) => [
    ...toSign.extensions(x509),
    ...(names.length === 0
      ? []
      : [
          new x509.SubjectAlternativeNameExtension(
            names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
          ),
        ]),
  ];
  return authority.sign({ ...toSign, extensions }, clock);
}

interface Wanted {
  readonly name: string;
  readonly publicKey: string;
  readonly lifetime: number;
  readonly claims: Uint8Array<ArrayBuffer>;
}

function prepared(kind: AuthorityKind, authority: AuthoritySigner, wanted: Wanted): ToSign {
  const { name, lifetime, claims } = wanted;
  // A mistake of ours; the certificate would be refused everywhere.
  if (authority.kind !== kind) throw invalid(name, `the ${authority.kind} authority does not vouch for a ${kind}`);
  const fault = nameFault(name);
  if (fault !== undefined) throw invalid(name, fault);
  if (!(lifetime >= 1000)) throw invalid(name, `a life of ${lifetime} ms is too short`);
  if (claims.length > MAX_CLAIMS_BYTES) {
    throw invalid(name, `roles and traits have ${claims.length} bytes, ${MAX_CLAIMS_BYTES} allowed`);
  }
  return {
    name,
    lifetime,
    publicKey: readPublicKey(wanted.publicKey),
    extensions: (x509) => [
      new x509.ExtendedKeyUsageExtension(usesOf(kind), false),
      // Not critical: OpenSSL would refuse what it does not know, before we can look.
      new x509.Extension(CLAIMS_OID[kind], false, claims),
    ],
  };
}

/** Users only call; hosts call each other too. By OID: server and client authentication. */
export function usesOf(kind: AuthorityKind): string[] {
  const client = "1.3.6.1.5.5.7.3.2";
  return kind === "user" ? [client] : ["1.3.6.1.5.5.7.3.1", client];
}

function isHostName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(name)
  );
}

function invalid(name: string, reason: string): PosternError {
  return new PosternError("certificate_request_invalid", `Cannot issue a certificate for ${quoted(name)}: ${reason}`);
}
