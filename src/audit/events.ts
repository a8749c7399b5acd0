/** The closed list of audit events: names, codes, meanings and fields, for the recorder, its documentation and its tests. */

import { CLUSTER_EVENTS, CLUSTER_FIELDS } from "./cluster-events.ts";

/** How a request ended. */
export const OUTCOMES = {
  completed: "DynamoDB answered and the answer was passed on, whatever its status",
  aborted: "the client went away before the answer ended; status_code is 0 when DynamoDB had not answered yet",
  denied: "policy said no; nothing was sent on",
  rejected: "the request was malformed or not authenticated; nothing was sent on",
  failed: "Postern, AWS STS or DynamoDB broke; the client got a 5xx",
  unknown: "the process ended between intent and outcome; DynamoDB may or may not have done it",
} as const;

export type Outcome = keyof typeof OUTCOMES;

/** Every field there is beside the chain's own, with its JSON type and meaning. */
export const FIELDS = {
  event: ["string", "name of the event"],
  code: ["string", "code of the event; ends in I (done), W (refused or noteworthy) or E (denied or failed)"],
  time: ["string", "RFC 3339 in UTC with milliseconds"],
  uid: ["string", "identifier of the event; an intent and its event share one"],
  ei: ["number", "position of the event in its session, from 0; 0 outside sessions"],
  sid: ["string", "identifier of the session"],
  user: ["string", "who asked"],
  db_service: ["string", "name of the database in Postern"],
  db_protocol: ["string", "always dynamodb"],
  db_name: ["string", "name of the database on the server; empty for DynamoDB, which has none"],
  db_user: ["string", "the AWS role that the user chose, as a full ARN"],
  db_uri: ["string", "where requests are sent"],
  success: ["boolean", "whether it was let in"],
  error: ["string or null", "why not, without secrets"],
  session_start: ["string", "when the session began, RFC 3339"],
  session_stop: ["string", "when the session ended, RFC 3339"],
  target: ["string or object", "of a request: the X-Amz-Target header; of a lock: {user}, {role} or {server_id}"],
  method: [
    "string",
    "of a request: its HTTP method; of a login or a join: how it was proved, such as local, oidc, token or iam",
  ],
  path: ["string", "HTTP path as the client sent it"],
  body: [
    "object or null",
    "request body, key values and item values hashed unless configured; null when it could not be read",
  ],
  decision: ["object or null", "{id, allow, reasons, roles, revision, eval_us}; null when policy was not asked"],
  status_code: ["number", "HTTP status that the client got; 0 when it got none"],
  aws_request_id: ["string or null", "DynamoDB's own identifier of the request"],
  latency_us: ["number", "microseconds from the request's last byte to the answer's last byte"],
  response: [
    "object or null",
    "{items, consumed_capacity, error}, each null when not known; null when nothing was sent on",
  ],
  outcome: ["string", "completed, aborted, denied, rejected, failed or unknown"],
  service: ["string", "which part of Postern"],
  version: ["string", "version of Postern"],
  reason: ["string", "why, in a sentence"],
  revision: ["string", "digest of the policy or the resources"],
  source: ["string", "where it was loaded from"],
  table: ["string", "the table whose keys are asked for"],
  counts: ["object", "number of documents of each kind"],
  stream: ["string", "which chain of lines: each writing process has its own"],
  file: ["string", "the file concerned"],
  bytes: ["number", "how many bytes were cut off"],
  missing_from: ["number or null", "first sequence number that is gone; null when that cannot be known"],
  missing_to: ["number or null", "last sequence number that is gone; null when that cannot be known"],
  faulted_at: ["string", "when writing first failed, RFC 3339"],
  faulted_ms: ["number", "milliseconds without a working log"],
  rejected_count: ["number", "records refused meanwhile"],
  dropped_count: ["number", "records dropped because the buffer was full"],
  ...CLUSTER_FIELDS,
} as const satisfies Record<string, readonly [type: string, meaning: string]>;

export type FieldName = keyof typeof FIELDS;

/** What there is to say of an event. */
interface EventRow {
  readonly meaning: string;
  /** Each code with what tells it from its siblings. */
  readonly codes: Readonly<Record<string, string>>;
  /** In the order in which they stand in a line, after `event, code, time, uid, ei`. */
  readonly fields: readonly FieldName[];
}

/** The fields that every line has, in their order, before its own. */
export const COMMON_FIELDS = ["event", "code", "time", "uid", "ei"] as const satisfies readonly FieldName[];

/** The chain's fields, which end every line. */
export const CHAIN_FIELDS = {
  seq: "number of the line in its stream, from 1",
  prev: "`hash` of the line before it; 64 zeros for the first",
  hash: 'SHA-256, in hex, of the bytes of the line before `,"hash":`',
} as const;

const SESSION = ["sid", "user", "db_service", "db_protocol", "db_name", "db_user", "db_uri"] as const;
const REQUEST = [...SESSION, "target", "method", "path", "body", "decision"] as const;

/** Every event there is. Names and codes of `db.session.*` are Teleport's, so that parsers made for it go on working. */
export const EVENTS = {
  "db.session.start": {
    meaning: "A client opened a session with a database",
    codes: { TDB00I: "let in", TDB00W: "refused" },
    fields: [...SESSION, "success", "error"],
  },
  "db.session.end": {
    meaning: "A client's session with a database ended",
    codes: { TDB01I: "ended" },
    fields: [...SESSION, "session_start", "session_stop"],
  },
  "db.session.dynamodb.intent": {
    meaning: "A request was allowed and is about to be sent; written before the first byte goes upstream",
    codes: { TDY00I: "about to be sent" },
    fields: REQUEST,
  },
  "db.session.dynamodb.request": {
    meaning: "A request ended; written before the last byte of the answer",
    codes: { TDY01I: "sent on and answered", TDY01E: "denied, failed, or its end is unknown" },
    fields: [...REQUEST, "status_code", "aws_request_id", "latency_us", "response", "outcome"],
  },
  "postern.service.start": {
    meaning: "A service is ready",
    codes: { PSV01I: "ready" },
    fields: ["service", "version"],
  },
  "postern.service.stop": {
    meaning: "A service ended in order",
    codes: { PSV02I: "ended" },
    fields: ["service", "reason"],
  },
  "postern.table.described": {
    meaning: "The gateway asks DynamoDB for a table's keys, with the caller's AWS role, to decide about a request",
    codes: { PTD01I: "about to be asked" },
    fields: ["decision", "user", "db_service", "db_user", "table"],
  },
  "postern.policy.activated": {
    meaning: "A policy is in force from here on",
    codes: { PPO01I: "in force" },
    fields: ["revision", "source"],
  },
  "postern.policy.refused": {
    meaning: "A policy was not put in force; the one before it stays",
    codes: { PPO01E: "refused" },
    fields: ["revision", "source", "reason"],
  },
  "postern.resources.loaded": {
    meaning: "Roles, users and databases are in force from here on",
    codes: { PRS01I: "in force" },
    fields: ["revision", "source", "counts"],
  },
  "postern.resources.refused": {
    meaning: "Resources were not put in force; those before them stay",
    codes: { PRS01E: "refused" },
    fields: ["source", "reason"],
  },
  "postern.audit.repaired": {
    meaning: "A crash left half a line at the end of the log; it was cut off (it had not been acknowledged)",
    codes: { PAU01W: "cut off" },
    fields: ["stream", "file", "bytes"],
  },
  "postern.audit.gap": {
    meaning: "Lines that were on record are gone from the end of the log, or its last line was altered",
    codes: { PAU02E: "gone" },
    fields: ["stream", "missing_from", "missing_to", "reason"],
  },
  "postern.audit.recovered": {
    meaning: "The log could not be written for a while and now can",
    codes: { PAU03W: "recovered" },
    fields: ["stream", "faulted_at", "faulted_ms", "reason", "rejected_count"],
  },
  "postern.audit.dropped": {
    meaning: "best_effort only: records were dropped because the log could not be written fast enough",
    codes: { PAU04W: "dropped" },
    fields: ["stream", "dropped_count"],
  },
  ...CLUSTER_EVENTS,
} as const satisfies Record<string, EventRow>;

export type EventName = keyof typeof EVENTS;

/** The codes of one event. */
export type CodeOf<E extends EventName> = keyof (typeof EVENTS)[E]["codes"] & string;
