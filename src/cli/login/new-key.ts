/** Keys of users. */

import { generateKeyPairSync } from "node:crypto";
import { Secret } from "../../base/secret.ts";

/** The private key never leaves this machine. */
export function newKey(): { readonly publicKey: string; readonly privateKey: Secret } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { publicKey, privateKey: new Secret(privateKey) };
}
