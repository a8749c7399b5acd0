/** Key schemas that a database's configuration gives, for tables that nobody may describe. */

/** The keys of a table or an index, as written in YAML: a name, `{name, type}`, or several of them. */
export interface KeysSpec {
  readonly partition_key: KeySpec | readonly KeySpec[];
  readonly sort_key?: KeySpec | readonly KeySpec[] | undefined;
}

export type KeySpec = string | { readonly name: string; readonly type?: KeyType | undefined };

/** DynamoDB's types of key attributes. */
export type KeyType = "S" | "N" | "B";

export interface TableKeysSpec extends KeysSpec {
  readonly indexes?: Readonly<Record<string, IndexKeysSpec>> | undefined;
}

export interface IndexKeysSpec extends KeysSpec {
  /** What the index holds besides keys; absent: not known. */
  readonly projection?: "all" | "keys_only" | readonly string[] | undefined;
}

/** The same, completed. */
export interface ConfiguredKeys {
  readonly partition: readonly [ConfiguredKey, ...ConfiguredKey[]];
  readonly sort: readonly ConfiguredKey[];
}

export interface ConfiguredKey {
  readonly name: string;
  readonly type: KeyType | null;
}

export interface ConfiguredTable extends ConfiguredKeys {
  readonly indexes: ReadonlyMap<string, ConfiguredKeys & Pick<IndexKeysSpec, "projection">>;
}

/** Completes what the configuration says. @throws TypeError never: the configuration's schema wants a partition key */
export function resolveKeySchemas(
  specs: Readonly<Record<string, TableKeysSpec>> | undefined,
): ReadonlyMap<string, ConfiguredTable> {
  return new Map(
    Object.entries(specs ?? {}).map(([table, spec]) => [
      table,
      {
        ...keysOf(spec),
        indexes: new Map(
          Object.entries(spec.indexes ?? {}).map(([index, keys]) => [
            index,
            { ...keysOf(keys), projection: keys.projection },
          ]),
        ),
      },
    ]),
  );
}

function keysOf({ partition_key, sort_key }: KeysSpec): ConfiguredKeys {
  const [first, ...more] = listOf(partition_key);
  if (first === undefined) throw new TypeError("Cannot use a key schema without a partition key");
  return { partition: [first, ...more], sort: sort_key === undefined ? [] : listOf(sort_key) };
}

function listOf(keys: KeySpec | readonly KeySpec[]): ConfiguredKey[] {
  const list = Array.isArray(keys) ? (keys as readonly KeySpec[]) : [keys as KeySpec];
  return list.map((key) =>
    typeof key === "string" ? { name: key, type: null } : { name: key.name, type: key.type ?? null },
  );
}
