/** What a table's keys are called: what must be known to say which partition a request works in. */

/** The types that a key attribute can have. */
export type KeyType = "S" | "N" | "B";

export interface KeyAttribute {
  readonly name: string;
  /** Null when whoever gave the schema did not say. */
  readonly type: KeyType | null;
}

/** The keys of a table or an index, in order: one partition key attribute, or up to four in a global index. */
export interface KeySchema {
  readonly partition: readonly [KeyAttribute, ...KeyAttribute[]];
  readonly sort: readonly KeyAttribute[];
}

export interface IndexSchema extends KeySchema {
  /** Names of the attributes that the index holds, keys included; `all` for every one; null when not told. */
  readonly projected: "all" | readonly string[] | null;
}

/** A table's schema as DescribeTable or the configuration gives it. */
export interface TableSchema extends KeySchema {
  readonly table: string;
  /** Tells a table from another that later has its name: DynamoDB's TableId or creation time; null when configured. */
  readonly id: string | null;
  readonly indexes: ReadonlyMap<string, IndexSchema>;
}

/** What is known now of the schemas of one database's tables. Never waits. */
export interface SchemaLookup {
  schemaOf(table: string): TableSchema | undefined;
}

/** Knows no schema. */
export const NO_SCHEMAS: SchemaLookup = { schemaOf: () => undefined };
