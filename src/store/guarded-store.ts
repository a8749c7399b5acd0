/** A store whose resources carry a keyed seal, so that what others wrote, swapped or changed in it is refused when read. */

import { createHmac } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import { isSameText } from "../base/same-text.ts";
import { checkWrites } from "./checks.ts";
import { nameOf } from "./store-errors.ts";
import type { Change, Store, StoredResource, StoredValue, Write } from "./store.ts";

const MIN_KEY_BYTES = 32;
/** Where the key of the seals is: it is sealed by another, and so the one resource that has no seal of this kind. */
export const GUARD_KEY = { kind: "guard_key", name: "store" } as const;
/**
 * Kinds without a seal: what is needed before there is the key of the seals. Each is sealed or wrapped by another key, or
 * is a mark that can only keep people out.
 */
export const UNGUARDED: ReadonlySet<string> = new Set([GUARD_KEY.kind, "sealing_key", "restore"]);
/** Says what is sealed: no seal of one kind passes for one of the other. */
const RESOURCE = "postern store resource 1";
const BACKUP = "postern store backup 1";

/** Told which resource is not what was written. */
export type OnTampered = (resource: { readonly kind: string; readonly name: string }) => void;

/**
 * Seals kind, name, value and expiry with HMAC-SHA-256. That a resource was taken away, or put back to what it was once under
 * the same name, no seal can tell. Revisions are the inner store's and not sealed.
 */
export class GuardedStore implements Store {
  /** The store with seals in its values: what backups are made of. */
  readonly inner: Store;
  readonly #key: Uint8Array;
  readonly #onTampered: OnTampered;

  /**
   * @param onTampered told of what is not as it was written, besides the error; it may not throw
   * @throws PosternError `store_key_invalid` for a key of fewer than 32 bytes
   */
  constructor(inner: Store, key: Uint8Array, onTampered: OnTampered = () => undefined) {
    if (key.length < MIN_KEY_BYTES) {
      throw new PosternError("store_key_invalid", `Cannot seal a store with a key of ${key.length} bytes`, {
        hint: `give it a key of ${MIN_KEY_BYTES} bytes or more`,
      });
    }
    this.inner = inner;
    this.#key = Uint8Array.from(key);
    this.#onTampered = onTampered;
  }

  async get(kind: string, name: string): Promise<StoredResource | undefined> {
    const sealed = await this.inner.get(kind, name);
    return sealed === undefined ? undefined : this.open(sealed, kind, name);
  }

  async list(kind: string, options?: { readonly after?: string; readonly limit?: number }): Promise<StoredResource[]> {
    return (await this.inner.list(kind, options)).map((sealed) => this.open(sealed, kind));
  }

  async write(writes: readonly Write[]): Promise<StoredResource[]> {
    // Before sealing: what the store refuses has no form to seal.
    checkWrites(writes);
    const written = await this.inner.write(writes.map((write) => this.#sealed(write)));
    return written.map((sealed) => this.open(sealed));
  }

  /** A batch with a broken seal is a gap: whoever reads anew meets `store_tampered`. */
  watch(onChange: (changes: readonly Change[]) => void, onGap: () => void): Promise<() => Promise<void>> {
    return this.inner.watch((sealed) => {
      let changes: Change[];
      try {
        changes = sealed.map((change) =>
          change.resource === undefined || UNGUARDED.has(change.kind)
            ? change
            : { ...change, resource: this.open(change.resource, change.kind, change.name) },
        );
      } catch {
        onGap();
        return;
      }
      onChange(changes);
    }, onGap);
  }

  async *snapshot(): AsyncGenerator<StoredResource> {
    for await (const sealed of this.inner.snapshot()) {
      if (UNGUARDED.has(sealed.kind)) continue;
      yield this.open(sealed);
    }
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  /**
   * What a sealed resource holds.
   *
   * @param kind what was asked for, when that is known: the answer must be about it
   * @throws PosternError `store_tampered`
   */
  open(sealed: StoredResource, kind = sealed.kind, name = sealed.name): StoredResource {
    const held = sealed.value as { readonly seal?: unknown; readonly value?: StoredValue } | null;
    const given = held?.seal;
    const value = held?.value;
    if (typeof given === "string" && value !== undefined && sealed.kind === kind && sealed.name === name) {
      const right = this.#sealOf(RESOURCE, [kind, name, sealed.expiresAt ?? null], value);
      if (isSameText(given, right)) return { ...sealed, value };
    }
    this.#onTampered({ kind, name });
    throw new PosternError("store_tampered", `Cannot use ${nameOf({ kind, name })}: it is not what Postern wrote`, {
      hint: "find out who writes to the store; then restore a backup, or remove it, and check that the key is the one of this store",
    });
  }

  /** The seal of a backup, given the digest of what is in it. */
  sealBackup(digest: string): string {
    return this.#sealOf(BACKUP, digest, null);
  }

  isSealOfBackup(digest: string, seal: string): boolean {
    return isSameText(seal, this.sealBackup(digest));
  }

  #sealed(write: Write): Write {
    if (!("value" in write)) return write;
    const seal = this.#sealOf(RESOURCE, [write.kind, write.name, write.expiresAt ?? null], write.value);
    return { ...write, value: { seal, value: write.value } };
  }

  #sealOf(purpose: string, about: StoredValue, value: StoredValue): string {
    return createHmac("sha256", this.#key)
      .update(canonical([purpose, about, value]))
      .digest("base64url");
  }
}

/** JSON of one form, in whatever order a store gives the members of an object. */
function canonical(value: StoredValue): string {
  return JSON.stringify(value, (_, member: StoredValue) =>
    isObject(member)
      ? Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );
}

function isObject(value: StoredValue): value is { readonly [name: string]: StoredValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
