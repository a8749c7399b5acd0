/** Sealing keys that lie in the store, each wrapped by a key service such as AWS KMS that never gives away its own key. */

import { Buffer } from "node:buffer";
import * as z from "zod";
import { messageOf, PosternError } from "../base/errors.ts";
import { KeyRing } from "./sealing.ts";

/** What a wrapped key is bound to; the service refuses to unwrap it with any other (KMS: EncryptionContext). */
export type WrappingContext = Readonly<Record<string, string>>;

/** The calls that we need of AWS KMS. Failures may be of any kind; they never become visible to a client. */
export interface KeyService {
  /** A new key of 32 bytes, plain and wrapped (GenerateDataKey, AES_256). */
  generateDataKey(context: WrappingContext): Promise<{ readonly plain: Uint8Array; readonly wrapped: Uint8Array }>;
  /** A key of ours, wrapped (Encrypt). */
  encrypt(plain: Uint8Array, context: WrappingContext): Promise<Uint8Array>;
  /** The key that was wrapped (Decrypt). */
  decrypt(wrapped: Uint8Array, context: WrappingContext): Promise<Uint8Array>;
}

/** A wrapped key as the store keeps it. It is no secret: without the service it opens nothing. */
export interface WrappedKey {
  readonly version: 1;
  /** The id that values sealed under it carry. */
  readonly id: string;
  /** Base64. */
  readonly wrapped: string;
}

/** Makes a new key. Put it before the others, and it seals. */
export async function newWrappedKey(service: KeyService, cluster: string): Promise<WrappedKey> {
  const { plain, wrapped } = await asked("make a sealing key", () => service.generateDataKey(contextOf(cluster)));
  const key = wrappedKey(plain, wrapped);
  plain.fill(0);
  return key;
}

/** Wraps a key that was elsewhere until now: what it sealed stays as it is. */
export async function wrapKey(service: KeyService, cluster: string, plain: Uint8Array): Promise<WrappedKey> {
  const wrapped = await asked("wrap a sealing key", () => service.encrypt(plain, contextOf(cluster)));
  return wrappedKey(plain, wrapped);
}

/** The keys themselves, to be kept in another place. @throws PosternError as `unwrapKeyRing` */
export function unwrapKeys(
  service: KeyService,
  cluster: string,
  keys: readonly WrappedKey[],
): Promise<readonly Uint8Array[]> {
  return Promise.all(keys.map((key) => unwrap(service, cluster, key)));
}

/** Reads what the store holds of a key. @throws PosternError `sealing_key_invalid` */
export function parseWrappedKey(value: unknown): WrappedKey {
  const result = FORM.safeParse(value);
  if (result.success) return result.data;
  throw new PosternError(
    "sealing_key_invalid",
    "Cannot use a sealing key in the store: it is not in the form of ours",
    {
      hint: "restore the wrapped keys from a backup of the store",
    },
  );
}

const FORM: z.ZodType<WrappedKey> = z.strictObject({
  version: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{16}$/),
  wrapped: z.string().max(16_384),
});

/**
 * The ring of these keys, the one that seals first.
 *
 * @throws PosternError `sealing_key_unavailable` when the service does not answer or refuses, `sealing_key_invalid` when
 * it gives another key than the one that was wrapped
 */
export async function unwrapKeyRing(
  service: KeyService,
  cluster: string,
  keys: readonly WrappedKey[],
): Promise<KeyRing> {
  const plain = await unwrapKeys(service, cluster, keys);
  const ring = new KeyRing(plain);
  for (const bytes of plain) bytes.fill(0);
  return ring;
}

function wrappedKey(plain: Uint8Array, wrapped: Uint8Array): WrappedKey {
  const [id = ""] = new KeyRing([plain]).ids;
  return { version: 1, id, wrapped: Buffer.from(wrapped).toString("base64") };
}

async function unwrap(service: KeyService, cluster: string, key: WrappedKey): Promise<Uint8Array> {
  const wrapped = Buffer.from(key.wrapped, "base64");
  const plain = await asked(`unwrap sealing key ${key.id}`, () => service.decrypt(wrapped, contextOf(cluster)));
  if (new KeyRing([plain]).ids[0] === key.id) return plain;
  throw new PosternError("sealing_key_invalid", `Cannot use sealing key ${key.id}: the key service gave another key`, {
    hint: "restore the wrapped keys from a backup of the store",
  });
}

async function asked<T>(attempt: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new PosternError("sealing_key_unavailable", `Cannot ${attempt}: ${messageOf(cause)}`, {
      cause,
      hint: "check that the key service can be reached and that this node may use its key",
    });
  }
}

function contextOf(cluster: string): WrappingContext {
  return { "postern:use": "sealing", "postern:cluster": cluster };
}
