/** The operations that list what is there: where their answers name tables, and where they say how the list goes on. */

import type { JsonObject, JsonValue } from "../base/json.ts";

/** What is to be known of one list operation. */
export interface Listing {
  /** The member that holds the entries. */
  readonly entries: string;
  /** The member of an entry that names its table, by name or by ARN; null when the entry is the name itself. */
  readonly names: string | null;
  /** Of lists that go on behind an entry that they name: the members, and the member of an entry that is named. */
  readonly cursor: { readonly last: string; readonly start: string; readonly of: string | null } | null;
}

/** Lists without a `cursor` go on with a token that says nothing. */
export const LISTINGS: ReadonlyMap<string, Listing> = new Map<string, Listing>([
  ["ListTables", listing("TableNames", null, cursor("TableName", null))],
  ["ListStreams", listing("Streams", "TableName", cursor("StreamArn", "StreamArn"))],
  ["ListBackups", listing("BackupSummaries", "TableName", cursor("BackupArn", "BackupArn"))],
  ["ListGlobalTables", listing("GlobalTables", "GlobalTableName", cursor("GlobalTableName", "GlobalTableName"))],
  ["ListContributorInsights", listing("ContributorInsightsSummaries", "TableName", null)],
  ["ListExports", listing("ExportSummaries", "ExportArn", null)],
  ["ListImports", listing("ImportSummaryList", "TableArn", null)],
  ["ListBulkOperations", listing("BulkOperationsSummaryList", "BulkOperationArn", null)],
]);

/** The entries of an answer; undefined when it is not such an answer. */
export function entriesOf(answer: JsonObject, { entries }: Listing): readonly JsonValue[] | undefined {
  const list = answer.get(entries);
  return Array.isArray(list) ? (list as readonly JsonValue[]) : undefined;
}

/** The table that an entry is about; undefined when it names none without doubt. */
export function tableOfEntry(entry: JsonValue, { names }: Listing): string | undefined {
  const text = names === null ? entry : entry instanceof Map ? (entry as JsonObject).get(names) : undefined;
  return tableIn(text);
}

/** The table that the answer's cursor names, which need not be among its entries; undefined when it names none without doubt. */
export function tableOfCursor(answer: JsonObject, { cursor }: Listing): string | undefined {
  return cursor === null ? undefined : tableIn(answer.get(cursor.last));
}

function tableIn(text: JsonValue | undefined): string | undefined {
  if (typeof text !== "string") return undefined;
  const name = /^arn:[^:]*:dynamodb:[^:]*:[^:]*:table\/([^/]+)/.exec(text)?.[1] ?? text;
  return /^[a-zA-Z0-9_.-]{3,255}$/.test(name) ? name : undefined;
}

/** What a list that ends with this entry goes on behind. */
export function cursorOfEntry(entry: JsonValue, { cursor }: Listing): string | undefined {
  if (cursor === null) return undefined;
  const text = cursor.of === null ? entry : entry instanceof Map ? (entry as JsonObject).get(cursor.of) : undefined;
  return typeof text === "string" ? text : undefined;
}

function listing(entries: string, names: string | null, cursor: Listing["cursor"]): Listing {
  return { entries, names, cursor };
}

function cursor(what: string, of: string | null): Listing["cursor"] {
  return { last: `LastEvaluated${what}`, start: `ExclusiveStart${what}`, of };
}
