/** Keys of authorities: made, and opened to sign certificates. A private key is plain only inside this file. */

import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import type { Extension, Name } from "@peculiar/x509";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { pinOf, sealingContextOf, type Authority, type AuthorityKey, type AuthorityKind } from "./authority.ts";
import { nameFault, quoted } from "./names.ts";
import type { KeyRing } from "./sealing.ts";
import { loadX509, type X509 } from "./x509.ts";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const YEARS = 10;

/** How far clocks may be apart: what is issued now is valid for a machine that is this much behind. */
export const CLOCK_SKEW_MS = 60_000;

/** Makes a key, and its certificate for ten years. */
export async function newAuthorityKey(
  kind: AuthorityKind,
  cluster: string,
  parts: { readonly ring: KeyRing; readonly clock: Clock },
): Promise<AuthorityKey> {
  const fault = nameFault(cluster);
  if (fault !== undefined) {
    throw new PosternError("cluster_name_invalid", `Cannot make an authority of cluster ${quoted(cluster)}: ${fault}`);
  }
  const { ring, clock } = parts;
  const ends = new Date(clock.now());
  ends.setUTCFullYear(ends.getUTCFullYear() + YEARS);
  const made = await selfSigned([cluster, `Postern ${kind} CA`], ends, clock);
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", made.privateKey));
  const secret = new Secret(der.toString("base64"));
  der.fill(0);
  const { certificate } = made;
  return { certificate, sealedKey: ring.seal(secret, sealingContextOf(kind, cluster, certificate)) };
}

/**
 * Makes a key that signs certificates, and its own. The name is an organisation and a common name; each key has a name of its
 * own beside it, so that during a rotation nobody looks for an issuer under the wrong one.
 */
export async function selfSigned(
  [organisation, name]: readonly [string, string],
  notAfter: Date,
  clock: Clock,
): Promise<{ readonly certificate: string; readonly privateKey: CryptoKey }> {
  const { x509, crypto } = await loadX509();
  const keys = await crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: nameOf(x509, [
        ["2.5.4.10", organisation],
        ["2.5.4.3", name],
        ["2.5.4.5", newSerial()],
      ]),
      notBefore: wholeSecond(clock.now() - CLOCK_SKEW_MS),
      notAfter,
      keys,
      signingAlgorithm: ECDSA,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  );
  return { certificate: withLineEnd(certificate.toString("pem")), privateKey: keys.privateKey };
}

/**
 * Opens the key that issues.
 *
 * @throws PosternError of the ring; `authority_invalid` when key and certificate do not belong together
 */
export async function openAuthority(authority: Authority, ring: KeyRing): Promise<AuthoritySigner> {
  const { kind, cluster, active } = authority;
  const opened = ring.open(active.sealedKey, sealingContextOf(kind, cluster, active.certificate));
  const der = Buffer.from(opened.reveal(), "base64");
  try {
    const spki = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
    if (!new X509Certificate(active.certificate).publicKey.equals(spki)) throw new Error("another key");
    const key = await webcrypto.subtle.importKey("pkcs8", der, ECDSA, false, ["sign"]);
    return new AuthoritySigner(authority, key as CryptoKey);
  } catch {
    throw new PosternError(
      "authority_invalid",
      `Cannot use the ${kind} authority of ${quoted(cluster)}: its private key is not that of ${pinOf(active.certificate)}`,
      { hint: "restore the authority from a backup" },
    );
  } finally {
    der.fill(0);
  }
}

/** What a certificate is to say, beside what all of an authority say alike. */
export interface ToSign {
  readonly name: string;
  /** DER. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Milliseconds from now; less when the authority itself ends before. */
  readonly lifetime: number;
  readonly extensions: (x509: X509["x509"]) => readonly Extension[];
}

/** A certificate, and what who issued it needs to remember. */
export interface Issued {
  /** PEM. */
  readonly certificate: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** An authority that can sign. Shows nothing of its key. */
export class AuthoritySigner {
  readonly kind: AuthorityKind;
  readonly cluster: string;
  readonly certificate: string;
  readonly #key: CryptoKey;

  constructor({ kind, cluster, active }: Authority, key: CryptoKey) {
    this.kind = kind;
    this.cluster = cluster;
    this.certificate = active.certificate;
    this.#key = key;
  }

  /** @throws PosternError `authority_expired` */
  async sign(what: ToSign, clock: Clock): Promise<Issued> {
    const { x509, crypto } = await loadX509();
    const own = new x509.X509Certificate(this.certificate);
    const now = clock.now();
    const notAfter = wholeSecond(Math.min(now + what.lifetime, own.notAfter.getTime()));
    if (notAfter.getTime() <= now) {
      const ended = own.notAfter.toISOString();
      throw new PosternError("authority_expired", `Cannot issue a certificate: the authority ended on ${ended}`, {
        hint: "rotate the authority",
      });
    }
    const serial = newSerial();
    const publicKey = new x509.PublicKey(what.publicKey);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: serial,
        subject: nameOf(x509, [["2.5.4.3", what.name]]),
        issuer: own.subjectName,
        notBefore: wholeSecond(now - CLOCK_SKEW_MS),
        notAfter,
        publicKey,
        signingKey: this.#key,
        signingAlgorithm: ECDSA,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          await x509.SubjectKeyIdentifierExtension.create(publicKey, false, crypto),
          await x509.AuthorityKeyIdentifierExtension.create(own.publicKey, false, crypto),
          ...what.extensions(x509),
        ],
      },
      crypto,
    );
    return { certificate: withLineEnd(certificate.toString("pem")), serial, expires: notAfter.getTime() };
  }
}

/** Always as UTF-8 strings: the library takes other texts apart, such as those that begin with `#` or hold quotes. */
function nameOf(x509: X509["x509"], parts: readonly (readonly [string, string])[]): Name {
  return new x509.Name(parts.map(([type, utf8String]) => ({ [type]: [{ utf8String }] })));
}

/** 126 random bits that begin with neither a zero nor a sign. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

/** Certificates count in seconds; never later than asked for. */
function wholeSecond(time: number): Date {
  return new Date(Math.floor(time / 1000) * 1000);
}

function withLineEnd(pem: string): string {
  return `${pem.trimEnd()}\n`;
}
