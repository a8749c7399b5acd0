/** Audit records as a table for people. */

import { type AuditRecord, isDenied, operationOf } from "../../audit/search.ts";

/** Column headings, in their order. */
export const HEADINGS = ["TIME", "USER", "ACTION", "ON", "RESULT", "STATUS", "LATENCY", "REASON"] as const;

/** The cells of one record. Of several lines one is made; other control characters, which a client may have sent, are shown as `?`. */
export function rowOf(record: AuditRecord): string[] {
  const status = record["status_code"];
  const latency = record["latency_us"];
  return [
    record.time.replace("T", " ").replace(/\.\d+Z$/, "Z"),
    textOf(record["user"]),
    operationOf(record) ?? record.event,
    objectOf(record),
    resultOf(record),
    typeof status === "number" && status > 0 ? String(status) : "",
    typeof latency === "number" && latency > 0 ? `${(latency / 1000).toFixed(1)} ms` : "",
    reasonOf(record),
  ].map(printable);
}

/** Lays rows out under the headings. Columns are as wide as they need to be; the last one runs free. */
export function renderTable(rows: readonly (readonly string[])[], color: boolean): string {
  const widths = HEADINGS.map((heading, at) => Math.max(heading.length, ...rows.map((row) => row[at]?.length ?? 0)));
  return [HEADINGS, ...rows].map((row) => renderRow(row, widths, color)).join("");
}

/** One row, its cells padded to `widths`. */
export function renderRow(row: readonly string[], widths: readonly number[], color: boolean): string {
  const line = row
    .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
    .join("  ")
    .trimEnd();
  const result = row[RESULT_COLUMN] ?? "";
  return color && REFUSED.has(result) ? `\u001b[31m${line}\u001b[39m\n` : `${line}\n`;
}

const RESULT_COLUMN = HEADINGS.indexOf("RESULT");
const REFUSED: ReadonlySet<string> = new Set(["denied", "rejected", "failed", "unknown", "refused"]);

function resultOf(record: AuditRecord): string {
  const outcome = record["outcome"];
  if (outcome === "completed" || outcome === "aborted") return outcome === "completed" ? "allowed" : "aborted";
  if (typeof outcome === "string") return outcome;
  if (isDenied(record) || record.code.endsWith("E") || record["success"] === false) return "refused";
  return record.event === "db.session.dynamodb.intent" ? "intent" : "";
}

/** What the record is about: tables where they are named, else the database, what was administered, a file or a source. */
function objectOf(record: AuditRecord): string {
  const tables = [...new Set(tablesOf(record["body"]))];
  if (tables.length > 0)
    return tables.length > 3 ? `${tables.slice(0, 3).join(",")},+${tables.length - 3}` : tables.join(",");
  const { kind, name } = record;
  if (typeof kind === "string" && typeof name === "string") return name === "" ? kind : `${kind}/${name}`;
  for (const field of [
    "table",
    "db_service",
    "name",
    "resource",
    "token_name",
    "source",
    "service",
    "file",
    "stream",
  ]) {
    if (typeof record[field] === "string") return textOf(record[field]);
  }
  return "";
}

function tablesOf(body: unknown): string[] {
  if (!isObject(body)) return [];
  const { TableName, RequestItems, TransactItems } = body;
  if (typeof TableName === "string") return [TableName];
  if (isObject(RequestItems)) return Object.keys(RequestItems);
  if (!Array.isArray(TransactItems)) return [];
  return TransactItems.filter(isObject).flatMap((item) => Object.values(item).flatMap(tablesOf));
}

function reasonOf(record: AuditRecord): string {
  const { decision, response } = record;
  if (isObject(decision) && decision["allow"] === false && Array.isArray(decision["reasons"])) {
    return decision["reasons"]
      .filter(isObject)
      .map((reason) => `${textOf(reason["code"])}: ${textOf(reason["message"])}`)
      .join("; ");
  }
  if (isObject(response) && typeof response["error"] === "string") return response["error"];
  return textOf(record["error"] ?? record["reason"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function printable(cell: string): string {
  const line = cell.replaceAll(/\s*\n\s*/g, " ");
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return line.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "?");
}
