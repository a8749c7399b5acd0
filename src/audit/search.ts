/** Search: the newest lines of a log that fit a filter, oldest first. */

import { type AuditFile, listAuditFiles } from "./files.ts";
import { readLines } from "./line-reader.ts";

/** A line of the log, parsed. Which fields there are beside these, the table of events says. */
export interface AuditRecord {
  readonly event: string;
  readonly code: string;
  /** RFC 3339. */
  readonly time: string;
  readonly uid: string;
  readonly seq: number;
  readonly [field: string]: unknown;
}

/** What lines to find; every member narrows. */
export interface AuditFilter {
  /** Milliseconds since the Unix epoch, inclusive. */
  readonly since?: number;
  /** Milliseconds since the Unix epoch, exclusive. */
  readonly until?: number;
  readonly user?: string;
  /** Name of an event, or `user.*` for all whose names begin with `user.`. */
  readonly event?: string;
  /** Name of a database in Postern. */
  readonly database?: string;
  /** A DynamoDB operation, such as `GetItem`; upper and lower case are one. */
  readonly operation?: string;
  /** Only what policy denied. */
  readonly denied?: boolean;
  /** Identifier of the decision that a record is about. */
  readonly decision?: string;
  /** Leave out intents, whose events say the same and more. */
  readonly withoutIntents?: boolean;
}

/** Returns the newest `limit` lines that fit, in the order of their times. Lines that are not JSON are left out. */
export async function searchAudit(directory: string, filter: AuditFilter, limit: number): Promise<AuditRecord[]> {
  const { streams } = await listAuditFiles(directory);
  const found: AuditRecord[] = [];
  for (const files of streams.values()) found.push(...(await searchStream(files, filter, limit)));
  found.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  return limit < found.length ? found.slice(found.length - limit) : found;
}

/** The record in a line, or `undefined` when it holds none. */
export function parseAuditLine(line: Buffer): AuditRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { event, code, time, uid, seq } = value as Record<string, unknown>;
  const isRecord = [event, code, time, uid].every((field) => typeof field === "string") && typeof seq === "number";
  return isRecord ? (value as AuditRecord) : undefined;
}

/** Whether a record fits a filter. */
export function fits(record: AuditRecord, filter: AuditFilter): boolean {
  const { since, until, user, event, database, operation, denied, decision } = filter;
  if (event !== undefined && !isNamed(record.event, event)) return false;
  if (filter.withoutIntents === true && record.event === "db.session.dynamodb.intent") return false;
  if (user !== undefined && record["user"] !== user) return false;
  if (database !== undefined && record["db_service"] !== database) return false;
  if (operation !== undefined && operationOf(record)?.toLowerCase() !== operation.toLowerCase()) return false;
  if (denied === true && !isDenied(record)) return false;
  if (decision !== undefined && decisionOf(record) !== decision) return false;
  if (since === undefined && until === undefined) return true;
  const at = Date.parse(record.time);
  return (since === undefined || at >= since) && (until === undefined || at < until);
}

/** The DynamoDB operation that a record is about, without the version in front of it. */
export function operationOf(record: AuditRecord): string | undefined {
  const target = record["target"];
  return typeof target === "string" ? target.slice(target.lastIndexOf(".") + 1) : undefined;
}

/** The decision that a record is of, or was written for. */
function decisionOf({ decision }: AuditRecord): unknown {
  return typeof decision === "object" && decision !== null && "id" in decision ? decision.id : decision;
}

/** Whether policy said no: to a request, a session, or an administrative act. */
export function isDenied(record: AuditRecord): boolean {
  return record["outcome"] === "denied" || record.code === "TDB00W" || record.code === "PCT01E";
}

/** Whether an event has this name, or one of its family. */
export function isNamed(event: string, wanted: string): boolean {
  return wanted.endsWith(".*") ? event.startsWith(wanted.slice(0, -1)) : event === wanted;
}

async function searchStream(files: readonly AuditFile[], filter: AuditFilter, limit: number): Promise<AuditRecord[]> {
  let found: AuditRecord[] = [];
  for (const file of files.toReversed()) {
    if (found.length >= limit) break;
    const { records, startsAt } = await searchFile(file, filter, limit - found.length);
    found = [...records, ...found];
    if (filter.since !== undefined && startsAt !== undefined && startsAt < filter.since) break;
  }
  return found;
}

async function searchFile(
  file: AuditFile,
  filter: AuditFilter,
  limit: number,
): Promise<{ records: AuditRecord[]; startsAt: number | undefined }> {
  let records: AuditRecord[] = [];
  let startsAt: number | undefined;
  for await (const lines of readLines(file.path)) {
    for (const line of lines) {
      const record = line.complete && !line.oversize ? parseAuditLine(line.bytes) : undefined;
      if (record === undefined) continue;
      startsAt ??= Date.parse(record.time);
      if (fits(record, filter)) records.push(record);
    }
    // Cut now and then, so that memory follows the limit and not the file.
    if (records.length > 2 * limit + 1000) records = records.slice(records.length - limit);
  }
  return { records: records.slice(Math.max(0, records.length - limit)), startsAt };
}
