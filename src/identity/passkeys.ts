/** Passkeys (WebAuthn): what a browser is asked for, and whether its answer is good. Pure of storage, as codes are. */

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import * as z from "zod";
import type { Clock } from "../base/clock.ts";
import { JsonError, parseJson } from "../base/json.ts";
import type { KeyRing } from "./sealing.ts";
import { loadWebauthn } from "./webauthn.ts";

/** For whom passkeys are made. No other page can use them, nor this one those of others. */
export interface RelyingParty {
  /** A host name, never an address. */
  readonly id: string;
  /** Shown by the browser. */
  readonly name: string;
  /** `https://host:port`, without `:443`. */
  readonly origin: string;
}

/** What is kept of a passkey. Nothing of it is a secret. */
export interface Passkey {
  /** In base64url, as everything here. */
  readonly id: string;
  /** The public key as COSE has it. */
  readonly publicKey: string;
  /** How often the passkey was used, by its own account; 0 for ever with those that do not count. */
  readonly counter: number;
}

/** What a challenge is for; an answer to it counts for nothing else. */
export interface PasskeyPurpose {
  readonly use: "registration" | "login";
  /** The one link or login that it belongs to. */
  readonly subject: string;
}

/** How a registration went; `reason` is for the log. */
export type RegistrationVerdict =
  | { readonly ok: true; readonly passkey: Passkey }
  | { readonly ok: false; readonly reason: string };

/** How a login went: the passkey as it is to be kept now, and the challenge, which whoever keeps things must take once only. */
export type AssertionVerdict =
  | { readonly ok: true; readonly passkey: Passkey; readonly challenge: UsedChallenge }
  | { readonly ok: false; readonly reason: string };

export interface UsedChallenge {
  /** SHA-256, in hex. */
  readonly digest: string;
  /** Milliseconds since the epoch from which on it counts for nothing anyway. */
  readonly expires: number;
}

export interface PasskeysOptions {
  readonly party: RelyingParty;
  readonly ring: KeyRing;
  readonly clock: Clock;
}

/** How long a page may stand open before its challenge is too old, in milliseconds. */
const LASTS: Readonly<Record<PasskeyPurpose["use"], number>> = { registration: 15 * 60_000, login: 5 * 60_000 };
/** ES256, which all have, and RS256, for older chips in Windows machines. The same on every runtime. */
const ALGORITHMS = [-7, -257];

/** Asks for passkeys and judges them. Challenges are sealed texts, so that any node knows those of the others. */
export class Passkeys {
  readonly #options: PasskeysOptions;

  constructor(options: PasskeysOptions) {
    this.#options = options;
  }

  /** What `navigator.credentials.create()` is asked for, in the form of `PublicKeyCredential.parseCreationOptionsFromJSON()`. */
  async creationOptions(user: string, subject: string): Promise<object> {
    const { party } = this.#options;
    const { generateRegistrationOptions } = await loadWebauthn();
    return generateRegistrationOptions({
      rpName: party.name,
      rpID: party.id,
      userName: user,
      userDisplayName: user,
      // The same for the same user, so that a new passkey replaces the one before, and tells who sees it nothing.
      userID: new Uint8Array(
        createHash("sha256")
          .update(JSON.stringify([party.name, party.id, user]))
          .digest(),
      ),
      challenge: this.#challenge({ use: "registration", subject }),
      timeout: 5 * 60_000,
      attestationType: "none",
      supportedAlgorithmIDs: ALGORITHMS,
      // The passkey itself must know its user: a login asks for none by name, so that nobody learns who has which.
      authenticatorSelection: { residentKey: "required", userVerification: "preferred" },
    });
  }

  /** What `navigator.credentials.get()` is asked for. */
  requestOptions(subject: string): object {
    return {
      challenge: Buffer.from(this.#challenge({ use: "login", subject })).toString("base64url"),
      rpId: this.#options.party.id,
      allowCredentials: [],
      timeout: 5 * 60_000,
      userVerification: "preferred",
    };
  }

  /** Judges what a page sends after `create()`. */
  async register(answer: string, subject: string): Promise<RegistrationVerdict> {
    const given = read(answer, REGISTRATION);
    if (given === undefined) return { ok: false, reason: "malformed" };
    const { id, client_data: clientDataJSON, attestation } = given;
    const { party } = this.#options;
    const { verifyRegistrationResponse, decodeAttestationObject } = await loadWebauthn();
    try {
      // Who made the authenticator is nothing that we ask for, and a stranger's chain of certificates nothing to read.
      const attested = decodeAttestationObject(new Uint8Array(Buffer.from(attestation, "base64url")));
      if (!["none", "packed"].includes(attested.get("fmt")) || attested.get("attStmt").get("x5c") !== undefined)
        return { ok: false, reason: "it brings an attestation that nobody asked for" };
      const { verified, registrationInfo } = await verifyRegistrationResponse({
        response: {
          id,
          rawId: id,
          type: "public-key",
          response: { clientDataJSON, attestationObject: attestation },
          clientExtensionResults: {},
        },
        expectedChallenge: (text) => this.#read(text, { use: "registration", subject }) !== undefined,
        expectedOrigin: party.origin,
        expectedRPID: party.id,
        requireUserVerification: false,
        supportedAlgorithmIDs: ALGORITHMS,
      });
      if (!verified) return { ok: false, reason: "its signature does not fit" };
      const { credential } = registrationInfo;
      if (credential.id !== id) return { ok: false, reason: "it is called otherwise than it says" };
      const publicKey = Buffer.from(credential.publicKey).toString("base64url");
      return { ok: true, passkey: { id, publicKey, counter: credential.counter } };
    } catch (thrown) {
      return { ok: false, reason: reasonOf(thrown) };
    }
  }

  /** Judges what a page sends after `get()`, against the passkeys of the user who wants in. */
  async judge(answer: string, subject: string, known: readonly Passkey[]): Promise<AssertionVerdict> {
    const given = read(answer, ASSERTION);
    if (given === undefined) return { ok: false, reason: "malformed" };
    const { id, client_data: clientDataJSON, authenticator_data: authenticatorData, signature } = given;
    const passkey = known.find((one) => one.id === id);
    if (passkey === undefined) return { ok: false, reason: "unknown" };
    const { party } = this.#options;
    const { verifyAuthenticationResponse } = await loadWebauthn();
    let challenge: UsedChallenge = { digest: "", expires: 0 };
    try {
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response: {
          id,
          rawId: id,
          type: "public-key",
          response: { clientDataJSON, authenticatorData, signature },
          clientExtensionResults: {},
        },
        expectedChallenge: (text) => {
          const found = this.#read(text, { use: "login", subject });
          challenge = found ?? challenge;
          return found !== undefined;
        },
        expectedOrigin: party.origin,
        expectedRPID: party.id,
        requireUserVerification: false,
        credential: {
          id,
          publicKey: new Uint8Array(Buffer.from(passkey.publicKey, "base64url")),
          counter: passkey.counter,
        },
      });
      if (!verified) return { ok: false, reason: "its signature does not fit" };
      return { ok: true, passkey: { ...passkey, counter: authenticationInfo.newCounter }, challenge };
    } catch (thrown) {
      return { ok: false, reason: reasonOf(thrown) };
    }
  }

  #challenge(purpose: PasskeyPurpose): Uint8Array<ArrayBuffer> {
    const { ring, clock } = this.#options;
    const text = `${clock.now() + LASTS[purpose.use]}.${randomBytes(16).toString("base64url")}`;
    return new Uint8Array(Buffer.from(`${text}.${ring.mac(macPurpose(purpose), text)}`));
  }

  /** Undefined for a challenge that is not ours, too old, or for something else. */
  #read(challenge: string, purpose: PasskeyPurpose): UsedChallenge | undefined {
    const { ring, clock } = this.#options;
    const plain = Buffer.from(challenge, "base64url").toString();
    const [, text = "", time = "", mac = ""] = /^(([0-9]{1,16})\.[A-Za-z0-9_-]{22})\.(mac:.*)$/.exec(plain) ?? [];
    if (text === "" || !ring.hasMac(macPurpose(purpose), text, mac)) return undefined;
    const expires = Number(time);
    return clock.now() < expires ? { digest: createHash("sha256").update(text).digest("hex"), expires } : undefined;
  }
}

function macPurpose({ use, subject }: PasskeyPurpose): string {
  return `passkey ${use} ${subject}`;
}

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
const REGISTRATION = z.strictObject({ id: base64url.max(1400), client_data: base64url, attestation: base64url });
const ASSERTION = z.strictObject({
  id: base64url.max(1400),
  client_data: base64url,
  authenticator_data: base64url,
  signature: base64url,
});

function read<T>(answer: string, form: z.ZodType<T>): T | undefined {
  try {
    const value = parseJson(Buffer.from(answer), { depth: 2 });
    return form.safeParse(value instanceof Map ? Object.fromEntries(value) : value).data;
  } catch (thrown) {
    if (thrown instanceof JsonError) return undefined;
    throw thrown;
  }
}

/** In the library's words, which quote what was sent: cut, and for the log only. */
function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message.slice(0, 200) : "it cannot be read";
}
