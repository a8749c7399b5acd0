/** An authenticator made of software, which also does what real ones never would. */

import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** What a test may have wrong in an answer. */
export interface Twist {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly challenge?: string;
  readonly counter?: number;
  readonly flags?: number;
  readonly key?: KeyObject;
  readonly id?: string;
  readonly attestation?: Uint8Array;
}

const PRESENT_AND_VERIFIED = 0x05;
const HAS_CREDENTIAL = 0x40;

/** One passkey of one page. */
export class Authenticator {
  readonly id = randomBytes(16).toString("base64url");
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #origin: string;
  counter = 0;

  constructor(origin: string) {
    this.#origin = origin;
  }

  get key(): KeyObject {
    return this.#keys.privateKey;
  }

  /** What a page sends after `create()`. */
  create(options: object, twist: Twist = {}): string {
    const id = Buffer.from(twist.id ?? this.id, "base64url");
    const { x = "", y = "" } = this.#keys.publicKey.export({ format: "jwk" });
    const key = Buffer.concat([
      // A map of five: kty EC2, alg ES256, crv P-256, x and y.
      Buffer.from("a5010203262001215820", "hex"),
      Buffer.from(x, "base64url"),
      Buffer.from("225820", "hex"),
      Buffer.from(y, "base64url"),
    ]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(id.length);
    const data = Buffer.concat([this.#data(twist, HAS_CREDENTIAL), Buffer.alloc(16), length, id, key]);
    const size = Buffer.alloc(2);
    size.writeUInt16BE(data.length);
    const attestation = Buffer.concat([
      // {fmt: "none", attStmt: {}, authData: …}
      Buffer.from("a363666d74646e6f6e656761747453746d74a068617574684461746159", "hex"),
      size,
      data,
    ]);
    return JSON.stringify({
      id: id.toString("base64url"),
      client_data: this.#clientData(options, "webauthn.create", twist).toString("base64url"),
      attestation: Buffer.from(twist.attestation ?? attestation).toString("base64url"),
    });
  }

  /** What a page sends after `get()`. */
  get(options: object, twist: Twist = {}): string {
    this.counter += 1;
    const client = this.#clientData(options, "webauthn.get", twist);
    const data = this.#data(twist, 0);
    const signed = Buffer.concat([data, createHash("sha256").update(client).digest()]);
    return JSON.stringify({
      id: twist.id ?? this.id,
      client_data: client.toString("base64url"),
      authenticator_data: data.toString("base64url"),
      signature: sign("sha256", signed, twist.key ?? this.key).toString("base64url"),
    });
  }

  #clientData(options: object, type: string, twist: Twist): Buffer {
    const challenge = twist.challenge ?? (options as { readonly challenge: string }).challenge;
    const text = { type: twist.type ?? type, challenge, origin: twist.origin ?? this.#origin, crossOrigin: false };
    return Buffer.from(JSON.stringify(text));
  }

  #data({ rpId, flags = PRESENT_AND_VERIFIED, counter = this.counter }: Twist, more: number): Buffer {
    const tail = Buffer.alloc(5);
    tail.writeUInt8(flags | more);
    tail.writeUInt32BE(counter, 1);
    const party = rpId ?? new URL(this.#origin).hostname;
    return Buffer.concat([createHash("sha256").update(party).digest(), tail]);
  }
}
