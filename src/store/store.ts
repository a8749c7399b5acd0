/** Where a cluster keeps its resources: one port, filled by SQLite and by a DynamoDB table. */

/** A value that JSON can hold. */
export type StoredValue =
  | null
  | boolean
  | number
  | string
  | readonly StoredValue[]
  | { readonly [name: string]: StoredValue };

/** A resource as it is in the store. */
export interface StoredResource {
  /** Lower-case letters, digits and inner underscores: `role`, `user`, `join_token`. */
  readonly kind: string;
  /** 1 to 255 bytes of UTF-8 without control characters. */
  readonly name: string;
  readonly value: StoredValue;
  /** Opaque; another one with every write. */
  readonly revision: string;
  /** Milliseconds since the epoch after which nobody sees it; absent: it stays. That it expired is told to no one who watches. */
  readonly expiresAt?: number;
}

/** One write. All writes of a call happen, or none. No two of them are of the same resource. */
export type Write =
  /** Fails with `store_exists` when it is there. */
  | {
      readonly op: "create";
      readonly kind: string;
      readonly name: string;
      readonly value: StoredValue;
      readonly expiresAt?: number;
    }
  /** Whatever was there. */
  | {
      readonly op: "put";
      readonly kind: string;
      readonly name: string;
      readonly value: StoredValue;
      readonly expiresAt?: number;
    }
  /** Fails with `store_conflict` unless it is there in this revision. */
  | {
      readonly op: "update";
      readonly kind: string;
      readonly name: string;
      readonly value: StoredValue;
      readonly revision: string;
      readonly expiresAt?: number;
    }
  /** Fails with `store_missing` when it is not there, with `store_conflict` when it is in another revision than the one given. */
  | { readonly op: "delete"; readonly kind: string; readonly name: string; readonly revision?: string }
  /** Changes nothing; fails with `store_conflict` unless it is there in this revision, or, with null, is not there. */
  | { readonly op: "expect"; readonly kind: string; readonly name: string; readonly revision: string | null };

/** What happened to a resource; `resource` is absent when it is gone. */
export interface Change {
  readonly kind: string;
  readonly name: string;
  readonly resource?: StoredResource;
}

/**
 * A store. Errors are PosternErrors: `store_exists`, `store_missing`, `store_conflict` (each says which resource),
 * `store_invalid` (a kind, name or value that it cannot keep), `store_tampered` (what is there is not what was written),
 * `store_corrupt` (it is damaged, or no store of ours), `store_exposed` (others can write or read its file),
 * `store_newer` (made by a newer version), `store_older` (taken back to an earlier schema meanwhile), `store_unavailable` (try again), `store_closed`.
 */
export interface Store {
  get(kind: string, name: string): Promise<StoredResource | undefined>;
  /** Those of a kind, by name in the order of their UTF-8 bytes, beginning behind `after`. At most `limit`; by default all. */
  list(kind: string, options?: { readonly after?: string; readonly limit?: number }): Promise<StoredResource[]>;
  /**
   * At most 50 writes, of values of 300 KiB each and 1.5 MB together. Returns what creates, puts and updates wrote, in their
   * order. Acknowledged writes survive kill -9 and power cuts.
   */
  write(writes: readonly Write[]): Promise<StoredResource[]>;
  /**
   * Calls `onChange` for what this and other processes write from now on, in the order of writing, within a second. Several
   * writes of one resource may come as the last of them. After a gap that cannot be told, `onGap` is called instead: read
   * anew. Neither may throw. Returns how to end it.
   */
  watch(onChange: (changes: readonly Change[]) => void, onGap: () => void): Promise<() => Promise<void>>;
  /** Everything that has not expired, as it is at one moment, in the order of kind and name. */
  snapshot(): AsyncIterable<StoredResource>;
  close(): Promise<void>;
}

/** Told that opening a store took it from one schema to another. */
export type OnMigrated = (from: number, to: number) => void;
