/** What callers hand to the recorder: one type for each event of the closed list. */

import type { ClusterEvent } from "./cluster-event.ts";
import type { CodeOf, EventName, Outcome } from "./events.ts";
import type { AuditSession } from "./session.ts";

export type { ClusterEvent, ResourceEvent } from "./cluster-event.ts";

/** Any event that others than the recorder itself may record. */
export type AuditEvent = SessionStartEvent | SessionEndEvent | RequestEvent | AdminEvent | ClusterEvent;

/** A decision as it stands in a line. */
export interface AuditDecision {
  readonly id: string;
  readonly allow: boolean;
  readonly reasons: readonly AuditReason[];
  readonly roles: readonly string[];
  readonly revision: string;
  readonly eval_us: number;
}

export interface AuditReason {
  readonly code: string;
  readonly message: string;
  readonly access: number | null;
  readonly role: string | null;
}

/** What is known of a request before it is sent on. */
export interface RequestFacts {
  readonly session: AuditSession;
  readonly target: string;
  readonly method: string;
  readonly path: string;
  /** JSON, redacted already; over 64 KiB it is left out and its size noted. `null` when it could not be read. */
  readonly body: unknown;
  /** `null` when policy was not asked. */
  readonly decision: AuditDecision | null;
}

/** What is known of a request when it has ended. */
export interface RequestOutcome {
  readonly outcome: Outcome;
  readonly status_code: number;
  readonly aws_request_id: string | null;
  readonly latency_us: number;
  readonly response: AuditResponse | null;
}

export interface AuditResponse {
  readonly items: number | null;
  readonly consumed_capacity: number | null;
  /** The `__type` of DynamoDB's error, without its namespace. */
  readonly error: string | null;
}

/** A request that ended without an intent: denied, rejected, or failed before it was sent. */
export interface RequestEvent extends RequestFacts, RequestOutcome {
  readonly event: "db.session.dynamodb.request";
}

export interface SessionStartEvent {
  readonly event: "db.session.start";
  readonly code: CodeOf<"db.session.start">;
  readonly session: AuditSession;
  readonly error: string | null;
}

export interface SessionEndEvent {
  readonly event: "db.session.end";
  readonly code: CodeOf<"db.session.end">;
  readonly session: AuditSession;
  /** RFC 3339. */
  readonly session_start: string;
  readonly session_stop: string;
}

/** Events outside any session. */
export type AdminEvent =
  | Admin<"postern.service.start", { service: string; version: string }>
  | Admin<"postern.service.stop", { service: string; reason: string }>
  | Admin<
      "postern.table.described",
      { decision: string; user: string; db_service: string; db_user: string; table: string }
    >
  | Admin<"postern.policy.activated", { revision: string; source: string }>
  | Admin<"postern.policy.refused", { revision: string; source: string; reason: string }>
  | Admin<"postern.resources.loaded", { revision: string; source: string; counts: Readonly<Record<string, number>> }>
  | Admin<"postern.resources.refused", { source: string; reason: string }>;

/** Events that the recorder writes about its own log. */
export type RecorderEvent =
  | Admin<"postern.audit.repaired", { stream: string; file: string; bytes: number }>
  | Admin<
      "postern.audit.gap",
      { stream: string; missing_from: number | null; missing_to: number | null; reason: string }
    >
  | Admin<
      "postern.audit.recovered",
      { stream: string; faulted_at: string; faulted_ms: number; reason: string; rejected_count: number }
    >
  | Admin<"postern.audit.dropped", { stream: string; dropped_count: number }>;

type Admin<E extends EventName, F> = { readonly event: E; readonly code: CodeOf<E> } & Readonly<F>;
