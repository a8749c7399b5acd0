/** Random queries and scans, of tables and of every kind of index. */

import {
  apart,
  type Body,
  condition,
  FILTERS,
  legacyComparison,
  legacyFilter,
  PATHS,
  Placeholders,
} from "./expressions.ts";
import { keyFor, oddNumber } from "./keys.ts";
import type { Random } from "./random.ts";
import { INDEXES, KEYS, partitionOf, type TableName } from "./tables.ts";
import { type Item, NAMES, PARTITIONS, type Value, valueFor } from "./world.ts";

type Searched = readonly [table: TableName, index: string | undefined];

const QUERIED: readonly Searched[] = [
  ["items", undefined],
  ["items", undefined],
  ["bins", undefined],
  ["plain", undefined],
  ["items", "by-g"],
  ["items", "by-h"],
  ["items", "by-l"],
  ["bins", "by-gh"],
  ["bins", "by-n"],
];
const SCANNED: readonly Searched[] = [
  ["items", undefined],
  ["plain", undefined],
  ["bins", undefined],
  ["items", "by-g"],
  ["items", "by-h"],
  ["bins", "by-gh"],
  ["bins", "by-n"],
];
/** Attributes of legacy filters: no keys. */
const FILTERED = ["a", "b", "sec"];

export function query(random: Random): Body {
  const [table, index] = random.pick(QUERIED);
  const placeholders = new Placeholders(random);
  const partition = index === undefined ? [partitionOf(table, null)] : (INDEXES[index]?.partition ?? []);
  const sort = index === undefined ? KEYS[table]?.[1] : INDEXES[index]?.sort;
  const values = partition.map((name): [string, Value] => [name, partitionValue(table, name, random)]);
  const base = { TableName: table, ...(index === undefined ? {} : { IndexName: index }) };
  if (random.chance(0.15)) {
    const equal = values.map(([name, value]) => [name, { ComparisonOperator: "EQ", AttributeValueList: [value] }]);
    const range = { ComparisonOperator: random.pick(["EQ", "GE"]), AttributeValueList: [{ N: "1" }] };
    return {
      ...base,
      KeyConditions: {
        ...(Object.fromEntries(equal) as Body),
        ...(sort !== undefined && random.chance(0.5) ? { [sort]: range } : {}),
      },
      ...(random.chance(0.5) ? { QueryFilter: legacyOn(random.pick(FILTERED), random) } : {}),
      ...legacyShown(random),
    };
  }
  const parts = values.map(([name, value]) =>
    random.chance(0.7)
      ? `${placeholders.path(name)} = ${placeholders.value(value)}`
      : `${placeholders.value(value)} = ${placeholders.path(name)}`,
  );
  if (sort !== undefined && random.chance(0.5)) parts.push(range(sort, random, placeholders));
  const ordered = random.chance(0.5) ? parts : parts.toReversed();
  return {
    ...base,
    KeyConditionExpression: random.chance(0.2)
      ? ordered.map((part) => `(${part})`).join(" and ")
      : ordered.join(" AND "),
    ...searched(random, index, placeholders),
    ...placeholders.toBody(),
    ...(random.chance(0.3) ? { ScanIndexForward: false } : {}),
    ...(random.chance(0.1) ? { ExclusiveStartKey: startKey(table, index, random, Object.fromEntries(values)) } : {}),
  };
}

export function scan(random: Random): Body {
  const [table, index] = random.pick(SCANNED);
  const placeholders = new Placeholders(random);
  const base = {
    TableName: table,
    ...(index === undefined ? {} : { IndexName: index }),
    ...(random.chance(0.25) ? segment(random) : {}),
    ...(random.chance(0.15) ? { ExclusiveStartKey: startKey(table, index, random, {}) } : {}),
  };
  if (random.chance(0.15)) return { ...base, ...legacyFilter(random, "ScanFilter"), ...legacyShown(random) };
  return { ...base, ...searched(random, index, placeholders), ...placeholders.toBody() };
}

function segment(random: Random): Body {
  const TotalSegments = 1 + random.below(3);
  return { TotalSegments, Segment: random.below(TotalSegments) };
}

function partitionValue(table: TableName, name: string, random: Random): Value {
  return partitionOf(table, null) === name
    ? (keyFor(table, random)[name] as Value)
    : { S: random.pick(["u", "u", "v"]) };
}

function range(sort: string, random: Random, placeholders: Placeholders): string {
  const name = placeholders.path(sort);
  const value = (text: string): string => placeholders.value({ N: text });
  return random.pick([
    () => `${name} = ${value(oddNumber("1", random))}`,
    () => `${name} BETWEEN ${value("0")} AND ${value("2")}`,
    () => `${name} >= ${value("1")}`,
  ])();
}

/** Where a page might go on: mostly a place of this search, sometimes one of another partition. */
function startKey(table: TableName, index: string | undefined, random: Random, equal: Item): Item {
  const start: Item = { ...keyFor(table, random) };
  if (index !== undefined) {
    const { partition, sort } = INDEXES[index] ?? { partition: [], sort: undefined };
    for (const name of [...partition, ...(sort === undefined ? [] : [sort])]) start[name] ??= valueFor(name, random);
  }
  const [name = ""] = KEYS[table] ?? [];
  if (start[name] !== undefined && random.chance(0.1)) start[name] = random.pick(PARTITIONS[table]);
  return random.chance(0.9) ? { ...start, ...equal } : start;
}

/** What a search filters and shows. */
function searched(random: Random, index: string | undefined, placeholders: Placeholders): Body {
  const kind = random.next();
  const rest = {
    ...(random.chance(0.5) ? { FilterExpression: condition(random, placeholders, 1, FILTERS) } : {}),
    ...(random.chance(0.4) ? { Limit: 1 + random.below(2) } : {}),
  };
  const local = index !== undefined && INDEXES[index]?.local === true;
  if (kind < 0.2) return rest;
  if (kind < 0.35) return { ...rest, Select: "COUNT" };
  if (kind < 0.45 && (index === undefined || local)) return { ...rest, Select: "ALL_ATTRIBUTES" };
  if (kind < 0.55 && index !== undefined) return { ...rest, Select: "ALL_PROJECTED_ATTRIBUTES" };
  const holds = index === undefined ? [] : (INDEXES[index]?.holds ?? []);
  const paths = apart(random.some(holds.length === 0 ? PATHS : holds, 1, 3)).map((path) => placeholders.path(path));
  return {
    ...rest,
    ProjectionExpression: paths.join(", "),
    ...(random.chance(0.2) ? { Select: "SPECIFIC_ATTRIBUTES" } : {}),
  };
}

function legacyOn(name: string, random: Random): Body {
  return { [name]: legacyComparison(name, random) };
}

function legacyShown(random: Random): Body {
  if (random.chance(0.3)) return { Select: "COUNT" };
  if (random.chance(0.4)) return {};
  return {
    AttributesToGet: random.some(NAMES, 1, 3),
    ...(random.chance(0.2) ? { Select: "SPECIFIC_ATTRIBUTES" } : {}),
  };
}
