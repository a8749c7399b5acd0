/** The tables of the differential tests: their keys, their indexes, and how their paths are spelled. */

const key = (AttributeName: string, KeyType: string): object => ({ AttributeName, KeyType });
const attribute = (AttributeName: string, AttributeType: string): object => ({ AttributeName, AttributeType });
const ALL = { ProjectionType: "ALL" };
const KEYS_ONLY = { ProjectionType: "KEYS_ONLY" };

export const TABLES: readonly { readonly TableName: string; readonly [member: string]: unknown }[] = [
  {
    TableName: "items",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      attribute("pk", "S"),
      attribute("sk", "N"),
      attribute("g", "S"),
      attribute("h", "S"),
      attribute("l", "N"),
    ],
    KeySchema: [key("pk", "HASH"), key("sk", "RANGE")],
    GlobalSecondaryIndexes: [
      { IndexName: "by-g", KeySchema: [key("g", "HASH")], Projection: KEYS_ONLY },
      {
        IndexName: "by-h",
        KeySchema: [key("h", "HASH"), key("sk", "RANGE")],
        Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["a", "m"] },
      },
    ],
    LocalSecondaryIndexes: [{ IndexName: "by-l", KeySchema: [key("pk", "HASH"), key("l", "RANGE")], Projection: ALL }],
  },
  {
    TableName: "plain",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [attribute("id", "N")],
    KeySchema: [key("id", "HASH")],
  },
  {
    TableName: "bins",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      attribute("bk", "B"),
      attribute("sk", "N"),
      attribute("g", "S"),
      attribute("h", "S"),
      attribute("n", "N"),
    ],
    KeySchema: [key("bk", "HASH"), key("sk", "RANGE")],
    GlobalSecondaryIndexes: [
      {
        IndexName: "by-gh",
        KeySchema: [key("g", "HASH"), key("h", "HASH"), key("n", "RANGE")],
        Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["b"] },
      },
    ],
    LocalSecondaryIndexes: [
      { IndexName: "by-n", KeySchema: [key("bk", "HASH"), key("n", "RANGE")], Projection: KEYS_ONLY },
    ],
  },
];

export type TableName = "items" | "plain" | "bins";
export const NAMES_OF_TABLES: readonly TableName[] = ["items", "plain", "bins"];

/** The key attributes of each table, partition key first. */
export const KEYS: Readonly<Record<string, readonly string[]>> = {
  items: ["pk", "sk"],
  plain: ["id"],
  bins: ["bk", "sk"],
};

export interface IndexOf {
  readonly table: TableName;
  /** Partition key attributes; rules are about the first. */
  readonly partition: readonly string[];
  readonly sort: string | undefined;
  /** Attributes that it holds besides keys, where a projection of them is of interest. */
  readonly holds: readonly string[];
  readonly local: boolean;
}

export const INDEXES: Readonly<Record<string, IndexOf>> = {
  "by-g": { table: "items", partition: ["g"], sort: undefined, holds: ["g", "pk", "sk"], local: false },
  "by-h": { table: "items", partition: ["h"], sort: "sk", holds: ["h", "a", "m.x", "m", "pk"], local: false },
  "by-l": { table: "items", partition: ["pk"], sort: "l", holds: [], local: true },
  "by-gh": { table: "bins", partition: ["g", "h"], sort: "n", holds: ["g", "h", "n", "b", "bk"], local: false },
  "by-n": { table: "bins", partition: ["bk"], sort: "n", holds: [], local: true },
};

/** The partition key attribute, of several the first, of a table or an index. */
export function partitionOf(table: string, index: string | null): string {
  return (index === null ? KEYS[table]?.[0] : INDEXES[index]?.partition[0]) ?? "";
}

/** Attributes that are keys of an index of the table: they keep their type. */
export const INDEX_KEYS: Readonly<Record<string, readonly string[]>> = {
  items: ["g", "h", "l"],
  plain: [],
  bins: ["g", "h", "n"],
};

/** A top-level attribute's name, names of members, numbers of elements. */
export type Path = readonly (string | number)[];

/** The spelling of a path in rules and in policy's input, as docs/policy/roles.md says it. */
export function spelled(path: Path): string {
  return path
    .map((step, at) => {
      if (typeof step === "number") return `[${step}]`;
      const name = /[.[\]`]/.test(step) ? `\`${step.replaceAll("`", "``")}\`` : step;
      return at === 0 ? name : `.${name}`;
    })
    .join("");
}

/** Whether a spelled path lies within another. */
export function within(inner: string, outer: string): boolean {
  return inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
}

/** Whether one path lies within the other, or they are the same. */
export function overlaps(one: string, other: string): boolean {
  return one === other || within(one, other) || within(other, one);
}
