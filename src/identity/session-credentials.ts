/**
 * Credentials for AWS SDKs by which a user of a cluster speaks to a database without a program in between. The secret key is
 * known to the user and the database's agents alone: the session token carries the user's certificate, and the secret for each
 * agent, encrypted with what only the holder of the certificate's key and that agent can compute (ECDH on P-256, HKDF and
 * AES-256-GCM). So whoever passes a token on can neither read nor make one, and the token needs no signature of its own.
 */

import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";

/** What an SDK signs with. */
export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: Secret;
}

/** A token that was received. Nothing of it has been believed yet. */
export interface ReceivedToken {
  /** DER of the user's certificate. */
  readonly certificate: Uint8Array;
  /** Of the agents that can open it. */
  readonly keyIds: readonly string[];
}

/** Longest token, in characters: what servers take for a header, and some thirty agents. */
export const MAX_TOKEN_CHARACTERS = 8192;

const VERSION = "1";
const ENTRY = /^([0-9a-f]{16})([A-Za-z0-9_-]{75})$/;
const SECRET_BYTES = 40;
const TAG_BYTES = 16;

/** Names a public key: the first half of the SHA-256 of its SubjectPublicKeyInfo, in hex. */
export function keyIdOf(publicKey: KeyObject): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex")
    .slice(0, 16);
}

/**
 * Makes credentials for the certificate of a database route.
 *
 * @param agents the keys of the database's agents, each taken from a certificate that was verified
 * @throws PosternError `agents_too_many`, `database_without_agent`
 */
export function newSessionCredentials({
  certificate,
  privateKey,
  agents,
}: {
  readonly certificate: Uint8Array;
  readonly privateKey: KeyObject;
  readonly agents: readonly KeyObject[];
}): SessionCredentials {
  if (agents.length === 0)
    throw new PosternError("database_without_agent", "Cannot make credentials: no agent serves the database");
  // As AWS's are: forty characters that every SDK takes.
  const secret = randomBytes(SECRET_BYTES * 0.75).toString("base64");
  const salt = randomBytes(16);
  const entries = agents.map((agent) => {
    const id = keyIdOf(agent);
    const cipher = createCipheriv("aes-256-gcm", keyOf(privateKey, agent, { salt, id, certificate }), NONCE);
    const sealed = Buffer.concat([cipher.update(secret, "latin1"), cipher.final(), cipher.getAuthTag()]);
    return id + sealed.toString("base64url");
  });
  const token = [VERSION, base64url(certificate), base64url(salt), entries.join("~")].join(".");
  if (token.length > MAX_TOKEN_CHARACTERS)
    throw new PosternError(
      "agents_too_many",
      `Cannot make credentials: a token for ${agents.length} agents has ${token.length} characters, ${MAX_TOKEN_CHARACTERS} allowed`,
      { hint: "use postern proxy db, or give the user fewer roles and traits" },
    );
  return { accessKeyId: accessKeyIdOf(token), secretAccessKey: new Secret(secret), sessionToken: new Secret(token) };
}

/** The access key id of a token: it names the token in logs and tells nothing of it. */
export function accessKeyIdOf(token: string): string {
  return `PSTN${createHash("sha256").update(token).digest("hex").slice(0, 16).toUpperCase()}`;
}

/** Reads a token; undefined when it is none. */
export function readSessionToken(token: string): ReceivedToken | undefined {
  const parts = partsOf(token);
  return parts === undefined ? undefined : { certificate: parts.certificate, keyIds: [...parts.entries.keys()] };
}

/**
 * The secret key of a token, for the agent of this key. Undefined when the token is none, is not for this agent, or was not made
 * by whoever holds the certificate's key. Whether the certificate counts is for others to say.
 */
export function openSessionToken(token: string, agent: KeyObject, id: string): Secret | undefined {
  const parts = partsOf(token);
  const sealed = parts?.entries.get(id);
  if (parts === undefined || sealed === undefined) return undefined;
  const { certificate, salt } = parts;
  try {
    const { publicKey } = new X509Certificate(certificate);
    const decipher = createDecipheriv("aes-256-gcm", keyOf(agent, publicKey, { salt, id, certificate }), NONCE);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const secret = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
    return new Secret(secret.toString("latin1"));
  } catch {
    return undefined;
  }
}

/** Each key encrypts one secret: the salt is new with every token. */
const NONCE = Buffer.alloc(12);

function keyOf(
  own: KeyObject,
  other: KeyObject,
  { salt, id, certificate }: { readonly salt: Uint8Array; readonly id: string; readonly certificate: Uint8Array },
): Uint8Array {
  const shared = diffieHellman({ privateKey: own, publicKey: other });
  // The certificate is bound in, so that another one of the same key does not stand in for it.
  const info = Buffer.concat([
    Buffer.from(`postern session secret ${VERSION}\0${id}\0`),
    createHash("sha256").update(certificate).digest(),
  ]);
  return new Uint8Array(hkdfSync("sha256", shared, salt, info, 32));
}

function partsOf(token: string):
  | {
      readonly certificate: Uint8Array;
      readonly salt: Uint8Array;
      readonly entries: ReadonlyMap<string, Uint8Array>;
    }
  | undefined {
  if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
  const [version, certificate = "", salt = "", list = "", ...more] = token.split(".");
  if (version !== VERSION || more.length > 0 || !isBase64url(certificate) || !/^[A-Za-z0-9_-]{22}$/.test(salt))
    return undefined;
  const entries = new Map<string, Uint8Array>();
  for (const entry of list.split("~")) {
    const match = ENTRY.exec(entry);
    if (match === null) return undefined;
    const [, id = "", sealed = ""] = match;
    if (entries.has(id)) return undefined;
    entries.set(id, Buffer.from(sealed, "base64url"));
  }
  return { certificate: Buffer.from(certificate, "base64url"), salt: Buffer.from(salt, "base64url"), entries };
}

function isBase64url(text: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(text);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
