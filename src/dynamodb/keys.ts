/** Proves which partitions a request works in, from its keys, items and key conditions. */

import type { JsonObject, JsonValue } from "../base/json.ts";
import type { KeyAttribute, KeySchema, TableSchema } from "./key-schema.ts";
import { canonicalNumber } from "./number.ts";

/**
 * What is proven of the partition key values of all that is touched: the values; or that the schema would tell
 * (`wanting`), that it does not fit (`mismatched`), or that nothing can tell (`unprovable`).
 */
export type KeyProof = readonly string[] | "wanting" | "mismatched" | "unprovable";

/**
 * The one text of a key value: S as it is, N in plain decimal notation (`1e3` is `1000`), B in base64. Undefined for a
 * value that cannot be a key.
 */
export function keyText(value: JsonValue | undefined): string | undefined {
  if (!(value instanceof Map)) return undefined;
  for (const [tag, content] of value as JsonObject) {
    if (typeof content !== "string") return undefined;
    if (tag === "S" || tag === "B") return content.length > LONGEST_KEY ? undefined : content;
    return tag === "N" ? canonicalNumber(content) : undefined;
  }
  return undefined;
}

/** Characters of the longest partition key: 2,048 bytes in base64. DynamoDB refuses more, and policy need not look at it. */
const LONGEST_KEY = 2_732;

/** The partition of a `Key`. With one attribute it can only be the partition key: DynamoDB wants all key attributes. */
export function partitionOfKey(key: JsonObject, schema: TableSchema | undefined): KeyProof {
  if (key.size === 1) for (const value of key.values()) return proven(keyText(value));
  if (schema === undefined) return "wanting";
  const [partition, ...others] = schema.partition;
  const fits =
    key.size === 1 + others.length + schema.sort.length &&
    isHeldBy(key, partition) &&
    schema.sort.every((attribute) => isHeldBy(key, attribute));
  return fits ? proven(keyText(key.get(partition.name))) : unfit(schema);
}

/** The partition that a whole item belongs to. */
export function partitionOfItem(item: ReadonlyMap<string, JsonValue>, schema: TableSchema | undefined): KeyProof {
  // An item without key attributes is refused by DynamoDB, so the only attribute is the key.
  if (item.size === 1) for (const value of item.values()) return proven(keyText(value));
  if (schema === undefined) return "wanting";
  const [partition] = schema.partition;
  return isHeldBy(item, partition) ? proven(keyText(item.get(partition.name))) : unfit(schema);
}

/** Top-level attributes and the values to which every item touched is confined. */
export type Equalities = ReadonlyMap<string, readonly JsonValue[]>;

/**
 * The partitions to which equalities confine an access that DynamoDB executes by key or not at all: a Query, or a
 * statement that changes one item. There a single equality can only be the partition key's.
 */
export function partitionOfLookup(equalities: Equalities, keys: KeySchema | undefined, schema?: TableSchema): KeyProof {
  if (keys !== undefined) return partitionOfSearch(equalities, keys, schema);
  if (equalities.size === 0) return "unprovable";
  if (equalities.size > 1) return "wanting";
  for (const values of equalities.values()) return allProven(values);
  return "unprovable";
}

/** The partitions to which equalities confine a statement that would scan without them: only the schema tells. */
export function partitionOfSearch(equalities: Equalities, keys: KeySchema | undefined, schema?: TableSchema): KeyProof {
  if (equalities.size === 0) return "unprovable";
  if (keys === undefined) return "wanting";
  // A partition has all of its key attributes; one that is left open may be any.
  for (const attribute of keys.partition) {
    const values = equalities.get(attribute.name);
    if (values === undefined || !values.every((value) => isOfType(value, attribute))) {
      return schema === undefined ? "unprovable" : unfit(schema);
    }
  }
  return allProven(equalities.get(keys.partition[0].name) ?? []);
}

/** Whether an index is partitioned by the very attribute by which its table is: its partition keys are the table's then. */
export function isPartitionedAlike(index: KeySchema, table: KeySchema): boolean {
  const [{ name }, ...others] = index.partition;
  return others.length === 0 && table.partition.length === 1 && name === table.partition[0].name;
}

/** Names of the key attributes, in no particular order. */
export function keyNames(keys: KeySchema): string[] {
  return [...keys.partition, ...keys.sort].map(({ name }) => name);
}

/** More than any request names in keys; a statement can list more values in its parameters. */
const MOST_VALUES = 200;

function allProven(values: readonly JsonValue[]): KeyProof {
  if (values.length === 0 || values.length > MOST_VALUES) return "unprovable";
  const texts: string[] = [];
  for (const value of values) {
    const text = keyText(value);
    if (text === undefined) return "unprovable";
    texts.push(text);
  }
  return texts;
}

function proven(text: string | undefined): KeyProof {
  return text === undefined ? "unprovable" : [text];
}

/** A schema that we were told in the configuration does not get better by asking again. */
function unfit(schema: TableSchema): KeyProof {
  return schema.id === null ? "unprovable" : "mismatched";
}

function isHeldBy(item: ReadonlyMap<string, JsonValue>, attribute: KeyAttribute): boolean {
  const value = item.get(attribute.name);
  return value !== undefined && isOfType(value, attribute);
}

function isOfType(value: JsonValue, { type }: KeyAttribute): boolean {
  return value instanceof Map && (type === null || (value as JsonObject).has(type));
}
