/** The one door to @simplewebauthn/server, which is loaded with the first passkey, not at every start. */

import type * as library from "@simplewebauthn/server";
import type { decodeAttestationObject } from "@simplewebauthn/server/helpers";
import { loadX509 } from "./x509.ts";

/** As much of the library as we use. */
export type Webauthn = Pick<
  typeof library,
  "generateRegistrationOptions" | "verifyRegistrationResponse" | "verifyAuthenticationResponse"
> & { readonly decodeAttestationObject: typeof decodeAttestationObject };

/**
 * Loads the library. What it reads certificates of attestations with, which we refuse, adds functions to `Reflect`; they
 * are taken away again, so that no other code sees them.
 */
export async function loadWebauthn(): Promise<Webauthn> {
  // It shares that library with us, whose own loading must not lose what it needs to what is taken away here.
  await loadX509();
  const before = new Set(Reflect.ownKeys(Reflect));
  const [server, helpers] = await Promise.all([
    import("@simplewebauthn/server"),
    import("@simplewebauthn/server/helpers"),
  ]);
  for (const name of Reflect.ownKeys(Reflect)) if (!before.has(name)) Reflect.deleteProperty(Reflect, name);
  return { ...server, decodeAttestationObject: helpers.decodeAttestationObject };
}
