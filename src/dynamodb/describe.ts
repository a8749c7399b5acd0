/** Reads the keys of a table and its indexes off DescribeTable's answer. */

import { Buffer } from "node:buffer";
import { type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import type { IndexSchema, KeyAttribute, KeySchema, KeyType, TableSchema } from "./key-schema.ts";

/** The body of the question. */
export function describeTableBody(table: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ TableName: table }));
}

/**
 * The schema of the table that was asked for; undefined for an answer that is not one, or about another table. Never
 * throws.
 */
export function schemaOfAnswer(body: Uint8Array, table: string): TableSchema | undefined {
  try {
    const described = objectAt(parseJson(body), "Table");
    if (described.get("TableName") !== table) return undefined;
    const types = typesOf(described);
    const keys = keysOf(described, types);
    if (keys.partition.length > 1 || keys.sort.length > 1) return undefined;
    const indexes = new Map<string, IndexSchema>();
    for (const member of ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"]) {
      for (const index of listAt(described, member)) {
        const name = textAt(index, "IndexName");
        if (indexes.has(name)) return undefined;
        indexes.set(name, indexOf(index, keys, types));
      }
    }
    const created = described.get("TableId") ?? described.get("CreationDateTime");
    if (typeof created !== "string" && typeof created !== "number") return undefined;
    return { table, id: `${created}`, ...keys, indexes };
  } catch {
    return undefined;
  }
}

/** The attributes that an index holds, from what its projection adds to its keys and the table's. */
export function projectedAttributes(
  projection: string,
  others: readonly string[],
  ...keys: readonly KeySchema[]
): IndexSchema["projected"] {
  if (projection === "ALL") return "all";
  if (projection !== "KEYS_ONLY" && projection !== "INCLUDE") return null;
  const names = keys.flatMap((each) => [...each.partition, ...each.sort].map(({ name }) => name));
  return [...new Set([...names, ...(projection === "INCLUDE" ? others : [])])].sort();
}

function indexOf(index: JsonObject, table: KeySchema, types: ReadonlyMap<string, KeyType>): IndexSchema {
  const keys = keysOf(index, types);
  const projection = objectAt(index, "Projection");
  const others = projection.get("NonKeyAttributes") ?? [];
  if (!Array.isArray(others)) throw new TypeError("NonKeyAttributes is no list");
  return {
    ...keys,
    projected: projectedAttributes(
      textAt(projection, "ProjectionType"),
      (others as JsonValue[]).map(asText),
      table,
      keys,
    ),
  };
}

function keysOf(described: JsonObject, types: ReadonlyMap<string, KeyType>): KeySchema {
  const partition: KeyAttribute[] = [];
  const sort: KeyAttribute[] = [];
  for (const element of listAt(described, "KeySchema")) {
    const name = textAt(element, "AttributeName");
    const kind = textAt(element, "KeyType");
    if (kind !== "HASH" && kind !== "RANGE") throw new TypeError("A key is neither HASH nor RANGE");
    (kind === "HASH" ? partition : sort).push({ name, type: types.get(name) ?? null });
  }
  const [first, ...more] = partition;
  if (first === undefined) throw new TypeError("There is no partition key");
  return { partition: [first, ...more], sort };
}

function typesOf(described: JsonObject): Map<string, KeyType> {
  const types = new Map<string, KeyType>();
  for (const definition of listAt(described, "AttributeDefinitions")) {
    const type = textAt(definition, "AttributeType");
    if (type !== "S" && type !== "N" && type !== "B") throw new TypeError("A key has an unknown type");
    types.set(textAt(definition, "AttributeName"), type);
  }
  return types;
}

function objectAt(value: JsonValue | undefined, member: string): JsonObject {
  const found = value instanceof Map ? (value as JsonObject).get(member) : undefined;
  if (!(found instanceof Map)) throw new TypeError(`${member} is no object`);
  return found as JsonObject;
}

function listAt(object: JsonObject, member: string): JsonObject[] {
  const found = object.get(member) ?? [];
  if (!Array.isArray(found) || !found.every((element) => element instanceof Map)) {
    throw new TypeError(`${member} is no list of objects`);
  }
  return found as JsonObject[];
}

function textAt(object: JsonObject, member: string): string {
  return asText(object.get(member));
}

function asText(value: JsonValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("A text is missing");
  // A copy: V8 makes a longer text of a piece of the answer, which would stay in memory with it.
  return Buffer.from(value).toString();
}
