/** Public keys that others send to have them certified. */

import type { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { PosternError } from "../base/errors.ts";

/** Curves that TLS stacks and our own checks know, and of enough strength. */
const CURVES = ["prime256v1", "secp384r1"];

/** PEM of the largest of them has 215 characters. */
const MAX_CHARACTERS = 1024;

/**
 * Reads a public key, as PEM of a SubjectPublicKeyInfo, and gives it as DER.
 *
 * @throws PosternError `public_key_invalid`; it does not repeat the text, which might be a private key
 */
export function readPublicKey(pem: string): Buffer<ArrayBuffer> {
  // The parser would also take a private key or a certificate, and find the public key in it.
  const form = /^-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\r?\n?$/;
  if (pem.length > MAX_CHARACTERS) throw invalid(`it has ${pem.length} characters, ${MAX_CHARACTERS} allowed`);
  if (!form.test(pem)) throw invalid("it is not the PEM of a public key");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw invalid("it cannot be read");
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType !== "ec" || curve === undefined || !CURVES.includes(curve)) {
    throw invalid(`it is of type ${[key.asymmetricKeyType, curve].filter((part) => part !== undefined).join(" ")}`);
  }
  return key.export({ type: "spki", format: "der" }) as Buffer<ArrayBuffer>;
}

function invalid(reason: string): PosternError {
  return new PosternError("public_key_invalid", `Cannot certify a public key: ${reason}`, {
    hint: "send a key of curve P-256 or P-384 as PEM, beginning with BEGIN PUBLIC KEY",
  });
}
