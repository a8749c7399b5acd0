/** A certificate for this machine's own ports, by an authority whose key is gone as soon as it has signed. */

import { createPublicKey, generateKeyPairSync } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { Secret } from "../base/secret.ts";
import { newAuthority } from "./authority.ts";
import { AuthoritySigner, selfSigned } from "./authority-keys.ts";

/** What a port shows, and what its clients are to trust. All are PEM. */
export interface LocalCertificate {
  /** Vouches for this one certificate, and can never vouch for another: safe to trust. */
  readonly authority: string;
  readonly certificate: string;
  /** PKCS #8. */
  readonly privateKey: Secret;
}

/** As long as operating systems accept at most. */
const LIFETIME_MS = 397 * 86_400_000;

/**
 * Makes a certificate for `localhost`, 127.0.0.1 and ::1, for somewhat more than a year.
 *
 * @example
 * const { authority, certificate, privateKey } = await makeLocalCertificate(systemClock);
 */
export async function makeLocalCertificate(clock: Clock): Promise<LocalCertificate> {
  const notAfter = new Date(clock.now() + LIFETIME_MS);
  const { certificate: authority, privateKey: signingKey } = await selfSigned(
    ["Postern on this machine", "Postern localhost CA"],
    notAfter,
    clock,
  );
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = new AuthoritySigner(
    newAuthority("host", "localhost", { certificate: authority, sealedKey: "" }),
    signingKey,
  );
  const { certificate } = await signer.sign(
    {
      name: "localhost",
      publicKey: new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" })),
      lifetime: LIFETIME_MS,
      extensions: (x509) => [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: "dns", value: "localhost" },
          { type: "ip", value: "127.0.0.1" },
          { type: "ip", value: "::1" },
        ]),
      ],
    },
    clock,
  );
  return {
    authority,
    certificate,
    privateKey: new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
  };
}
