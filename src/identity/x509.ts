/** The one door to @peculiar/x509, which is loaded when a certificate is first made or read, not at every start. */

import { webcrypto } from "node:crypto";
import type * as library from "@peculiar/x509";

/** The library, with the cryptography that it is to use. */
export interface X509 {
  readonly x509: Omit<typeof library, "default">;
  readonly crypto: Crypto;
}

/**
 * Loads the library. Its registry of algorithms refuses to load without two functions of a proposal for metadata, and
 * then uses them only to learn of constructor parameters, of which it has none. So it finds them while it loads, and no
 * other code sees them.
 */
export async function loadX509(): Promise<X509> {
  const missing = !("getMetadata" in Reflect);
  if (missing) {
    for (const name of METADATA) Object.defineProperty(Reflect, name, { value: noMetadata, configurable: true });
  }
  try {
    // Built into dist/, where it comes as CommonJS too, it has only this one export.
    const { default: x509 } = await import("@peculiar/x509");
    return { x509, crypto: webcrypto as unknown as Crypto };
  } finally {
    for (const name of METADATA) if (Reflect.get(Reflect, name) === noMetadata) Reflect.deleteProperty(Reflect, name);
  }
}

const METADATA = ["getMetadata", "getOwnMetadata"] as const;

function noMetadata(): undefined {
  return undefined;
}
