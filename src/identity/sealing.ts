/** Seals small secrets for storage: only who has the installation's keys can read them, each only in its own place. */

import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import { addKeyToList, dropKeyFromList, type KeyListPlace, readKeyList, writeKeyList } from "../base/key-list.ts";
import { Secret } from "../base/secret.ts";

/** Where a sealed value belongs. In any other place it does not open. */
export interface SealingContext {
  /** Kind and name of the resource that holds it. */
  readonly kind: string;
  readonly name: string;
  /** Which secret of that resource, and whatever else it must stay with. */
  readonly purpose: string;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_DIGITS = 16;

/** Longest secret, in bytes of UTF-8: this is for keys and seeds, not for data. */
const MAX_SECRET_BYTES = 65_536;

/** `sealed:1:<key id>:<base64url>`, and `mac:1:…` likewise. */
const TEXT = /^(sealed|mac):1:([0-9a-f]{16}):([A-Za-z0-9_-]+)$/;

interface RingKey {
  readonly id: string;
  readonly sealing: Buffer;
  readonly digesting: Buffer;
}

/** Reads the keys anew, where they may have become more. */
type Renew = () => readonly Uint8Array[];

/** The keys of an installation: the first seals, all open. They are replaced together, for all who hold the ring. */
export class KeyRing {
  #keys: readonly [RingKey, ...RingKey[]];
  readonly #renew: Renew | undefined;
  /** The key that is to seal, while it is not here. */
  #missing: string | undefined;

  /**
   * @param renew asked when something was sealed under a key that is not here
   * @throws PosternError `sealing_key_invalid` when there is none, one of them is not 32 bytes, or one is there twice
   */
  constructor(keys: readonly Uint8Array[], renew?: Renew) {
    const [first, ...others] = keys.map(ringKey);
    if (first === undefined) throw keyInvalid("there is none", "give at least one");
    if (new Set([first, ...others].map(({ id }) => id)).size !== keys.length) {
      throw keyInvalid("one is there twice", "remove one of the two");
    }
    this.#keys = [first, ...others];
    this.#renew = renew;
  }

  /**
   * Takes the keys of another ring, of which the one of this id seals.
   *
   * @throws PosternError `sealing_key_lost` when there is none of this id: then the keys are as before, and none of them
   * seals, as others may drop it at any time
   */
  become(other: KeyRing, seals: string): void {
    // It may have come after the other ring was read.
    const first = other.#keys.find(({ id }) => id === seals) ?? other.#renewed(seals);
    this.#missing = first === undefined ? seals : undefined;
    if (first === undefined) throw lost(`Cannot seal under key ${seals}: it is not here`);
    this.#keys = [first, ...other.#keys.filter((key) => key !== first)];
  }

  /** Ids of the keys, the one that seals first. An id tells nothing of its key. */
  get ids(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  /**
   * Seals a secret into a text that JSON can hold.
   *
   * @throws PosternError `sealed_value_too_long`, `sealing_key_lost` when the key that is to seal is not here
   */
  seal(secret: Secret, context: SealingContext): string {
    const plain = Buffer.from(secret.reveal());
    if (plain.length > MAX_SECRET_BYTES) {
      throw new PosternError(
        "sealed_value_too_long",
        `Cannot seal ${shown(context)}: it has ${plain.length} bytes, ${MAX_SECRET_BYTES} allowed`,
      );
    }
    const key = this.#sealingKey();
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key.sealing, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(bondsOf(key.id, context));
    const parts = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
    return `sealed:1:${key.id}:${Buffer.concat(parts).toString("base64url")}`;
  }

  /**
   * Opens what was sealed for this very place.
   *
   * @throws PosternError `sealed_value_damaged` when it was altered or belongs elsewhere, `sealing_key_lost` when its key
   * is not in the ring
   */
  open(sealed: string, context: SealingContext): Secret {
    const { id, content } = partsOf("sealed", sealed) ?? {};
    if (id === undefined || content === undefined || content.length < NONCE_BYTES + TAG_BYTES) throw damaged(context);
    const key = this.#keyOf(id, shown(context));
    const nonce = content.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", key.sealing, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(bondsOf(id, context));
    decipher.setAuthTag(content.subarray(-TAG_BYTES));
    try {
      const plain = [decipher.update(content.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
      return new Secret(Buffer.concat(plain).toString());
    } catch {
      // What the cipher says of it tells nobody more.
      throw damaged(context);
    }
  }

  /** A keyed digest of a text, for one purpose. */
  mac(purpose: string, text: string): string {
    const [key] = this.#keys;
    return `mac:1:${key.id}:${digest(key, purpose, text).toString("base64url")}`;
  }

  /**
   * True when the digest was made of this very text for this purpose, with any key of the ring.
   *
   * @throws PosternError `sealing_key_lost` when its key is not in the ring
   */
  hasMac(purpose: string, text: string, mac: string): boolean {
    const { id, content } = partsOf("mac", mac) ?? {};
    if (id === undefined || content === undefined) return false;
    const right = digest(this.#keyOf(id, `what was written for "${purpose}"`), purpose, text);
    return content.length === right.length && timingSafeEqual(content, right);
  }

  /** True for what an older key sealed or digested: seal it again, then the old key can go. */
  needsResealing(text: string): boolean {
    return TEXT.exec(text)?.[2] !== this.#keys[0].id;
  }

  /** The same secret under the key that seals now. */
  reseal(sealed: string, context: SealingContext): string {
    return this.seal(this.open(sealed, context), context);
  }

  #keyOf(id: string, what: string): RingKey {
    const key = this.#keys.find((candidate) => candidate.id === id) ?? this.#renewed(id);
    if (key !== undefined) return key;
    throw lost(`Cannot open ${what}: it was sealed under key ${id}, which is not here`);
  }

  #sealingKey(): RingKey {
    const id = this.#missing;
    if (id === undefined) return this.#keys[0];
    const key = this.#renewed(id);
    if (key === undefined) throw lost(`Cannot seal under key ${id}: it is not here`);
    this.#keys = [key, ...this.#keys.filter((other) => other !== key)];
    this.#missing = undefined;
    return key;
  }

  /** The one that seals stays the one that seals. */
  #renewed(id: string): RingKey | undefined {
    if (this.#renew === undefined) return undefined;
    const found = this.#renew().map(ringKey);
    const [first] = this.#keys;
    this.#keys = [first, ...found.filter((key) => key.id !== first.id)];
    return this.#keys.find((candidate) => candidate.id === id);
  }
}

/** Whether a text has the form of a sealed one. */
export function isSealed(text: string): boolean {
  return TEXT.exec(text)?.[1] === "sealed";
}

/** Which key file: that of a data directory, or another. */
export interface SealingKeyFile {
  readonly directory: string;
  readonly path?: string | undefined;
}

/**
 * The ring of a data directory's `sealing.key`, which reads the file anew when a key is missing. With `make`, a file that is
 * not there is made: right for a new cluster only.
 */
export function keyRingFromFile(file: string | SealingKeyFile, options: { readonly make: boolean }): KeyRing {
  const place = placeIn(file);
  return new KeyRing(readKeyList(place, options), () => readKeyList(place, { make: false }));
}

/** Adds a new key to `sealing.key`, as its first. */
export function addSealingKey(file: string | SealingKeyFile): KeyRing {
  return new KeyRing(addKeyToList(placeIn(file)));
}

/** Makes a key file of keys that were elsewhere before; one that is there is an error. */
export function writeSealingKeys(file: SealingKeyFile, keys: readonly Uint8Array[]): void {
  writeKeyList(placeIn(file), keys);
}

/** The keys of a key file themselves, to be wrapped; those who read them overwrite them when done. */
export function sealingKeysIn(file: SealingKeyFile): readonly Uint8Array[] {
  return readKeyList(placeIn(file), { make: false });
}

/**
 * Removes an old key from `sealing.key`, when nothing that it sealed is left.
 *
 * @throws PosternError `sealing_key_in_use` for the first one, `sealing_key_lost` when there is none of this id
 */
export function dropSealingKey(file: string | SealingKeyFile, id: string): KeyRing {
  const [inUse, ...old] = keyRingFromFile(file, { make: false }).ids;
  if (id === inUse) {
    throw new PosternError("sealing_key_in_use", `Cannot drop sealing key ${id}: it is the one that seals`, {
      hint: "add a new key and seal everything again first",
    });
  }
  if (!old.includes(id)) {
    throw new PosternError(
      "sealing_key_lost",
      `Cannot drop sealing key ${JSON.stringify(id)}: the file does not hold it`,
    );
  }
  return new KeyRing(dropKeyFromList(placeIn(file), (key) => idOf(key) === id));
}

function placeIn(file: string | SealingKeyFile): KeyListPlace {
  return typeof file === "string" ? { directory: file, name: "sealing" } : { ...file, name: "sealing" };
}

function ringKey(bytes: Uint8Array): RingKey {
  if (bytes.length !== KEY_BYTES) throw keyInvalid(`one has ${bytes.length} bytes, not ${KEY_BYTES}`, "restore it");
  return { id: idOf(bytes), sealing: derived(bytes, "aes-256-gcm"), digesting: derived(bytes, "hmac-sha256") };
}

function idOf(root: Uint8Array): string {
  return derived(root, "id").toString("hex").slice(0, ID_DIGITS);
}

function derived(root: Uint8Array, use: string): Buffer {
  return Buffer.from(hkdfSync("sha256", root, "", `postern sealing 1: ${use}`, KEY_BYTES));
}

/** With the purpose's length, so that no purpose runs on into a text. */
function digest(key: RingKey, purpose: string, text: string): Buffer {
  return createHmac("sha256", key.digesting).update(`${purpose.length}:${purpose}`).update(text).digest();
}

/** What a value is bound to; as JSON, so that no two contexts run together to one text. */
function bondsOf(id: string, { kind, name, purpose }: SealingContext): Buffer {
  return Buffer.from(JSON.stringify(["postern sealed 1", id, kind, name, purpose]));
}

function partsOf(form: "sealed" | "mac", text: string): { readonly id: string; readonly content: Buffer } | undefined {
  const [, found, id, encoded] = TEXT.exec(text) ?? [];
  if (found !== form || id === undefined || encoded === undefined) return undefined;
  const content = Buffer.from(encoded, "base64url");
  // Base64 has several spellings of some bytes; only ours counts.
  return content.toString("base64url") === encoded ? { id, content } : undefined;
}

function shown({ kind, name, purpose }: SealingContext): string {
  return `the ${purpose} of ${kind} ${JSON.stringify(name)}`;
}

function damaged(context: SealingContext): PosternError {
  return new PosternError(
    "sealed_value_damaged",
    `Cannot open ${shown(context)}: the sealed value was altered, or sealed for another place`,
    { hint: "restore it from a backup, and find out who can write to the store" },
  );
}

function lost(message: string): PosternError {
  return new PosternError("sealing_key_lost", message, {
    hint: "put that key back as a further line of the key file, from a backup or another node",
  });
}

function keyInvalid(reason: string, hint: string): PosternError {
  return new PosternError("sealing_key_invalid", `Cannot use the sealing keys: ${reason}`, { hint });
}
