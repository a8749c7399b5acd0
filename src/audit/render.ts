/** From events to the text of lines: built by hand for requests, which pay for it twice each. */

import type {
  AuditDecision,
  AuditEvent,
  AuditResponse,
  RecorderEvent,
  RequestFacts,
  RequestOutcome,
  SessionEndEvent,
  SessionStartEvent,
} from "./event.ts";
import type { Outcome } from "./events.ts";
import { withoutSecrets } from "./guard.ts";
import type { AuditSession } from "./session.ts";

/** The longest request body, as JSON text, that is kept in a line. */
export const MAX_BODY_CHARACTERS: number = 64 * 1024;

/** What intent and event of one request have in common, as JSON members. */
export function renderFacts(facts: RequestFacts): string {
  const { target, method, path, decision } = facts;
  const members =
    `"target":${JSON.stringify(target)},"method":${JSON.stringify(method)},"path":${JSON.stringify(path)},` +
    `"body":${renderBody(facts.body)},"decision":`;
  return `${facts.session.json},${withoutSecrets(members + (decision === null ? "null" : renderDecision(decision)))}`;
}

/** The text of an intent's line; `facts` is from `renderFacts()`. */
export function renderIntent(uid: string, time: string, session: AuditSession, facts: string): string {
  return `{"event":"db.session.dynamodb.intent","code":"TDY00I","time":"${time}","uid":"${uid}","ei":${session.nextIndex()},${facts}`;
}

/** The text of a request's line; `facts` is from `renderFacts()`. */
export function renderRequest(uid: string, time: string, ei: number, facts: string, end: RequestOutcome): string {
  const { outcome, status_code, aws_request_id, latency_us, response } = end;
  return (
    `${renderStart("db.session.dynamodb.request", codeOf(outcome, status_code), time, uid, ei)},${facts},` +
    `"status_code":${renderNumber(status_code)},"aws_request_id":${JSON.stringify(aws_request_id)},` +
    `"latency_us":${renderNumber(Math.round(latency_us))},"response":${renderResponse(response)},"outcome":"${outcome}"`
  );
}

/** The text of any event's line. */
export function renderEvent(event: AuditEvent | RecorderEvent, uid: string, time: string): string {
  switch (event.event) {
    case "db.session.dynamodb.request":
      return renderRequest(uid, time, event.session.nextIndex(), renderFacts(event), event);
    case "db.session.start":
    case "db.session.end":
      return renderSession(event, uid, time);
    default: {
      const { event: name, code, ...fields } = event;
      return `${renderStart(name, code, time, uid, 0)},${withoutSecrets(JSON.stringify(fields).slice(1, -1))}`;
    }
  }
}

/** The text of the event for an intent whose end nobody saw; `intent` is its line, parsed. */
export function renderUnknown(intent: Readonly<Record<string, unknown>>, time: string): string {
  const { event: _event, code: _code, time: _time, uid, ei, seq: _seq, prev: _prev, hash: _hash, ...facts } = intent;
  const end: RequestOutcome = {
    outcome: "unknown",
    status_code: 0,
    aws_request_id: null,
    latency_us: 0,
    response: null,
  };
  return renderRequest(String(uid), time, Number(ei), withoutSecrets(JSON.stringify(facts).slice(1, -1)), end);
}

function renderSession(event: SessionStartEvent | SessionEndEvent, uid: string, time: string): string {
  const start = `${renderStart(event.event, event.code, time, uid, event.session.nextIndex())},${event.session.json}`;
  if (event.event === "db.session.end") {
    const { session_start, session_stop } = event;
    return `${start},${JSON.stringify({ session_start, session_stop }).slice(1, -1)}`;
  }
  return `${start},"success":${event.code === "TDB00I"},"error":${JSON.stringify(event.error)}`;
}

function renderStart(event: string, code: string, time: string, uid: string, ei: number): string {
  return `{"event":"${event}","code":"${code}","time":"${time}","uid":"${uid}","ei":${ei}`;
}

function renderBody(body: unknown): string {
  const text = JSON.stringify(body) as string | undefined;
  if (text === undefined) return "null";
  return text.length <= MAX_BODY_CHARACTERS
    ? text
    : `{"omitted":"longer than ${MAX_BODY_CHARACTERS} characters","characters":${text.length}}`;
}

// bench: intent and event, -1 µs against one JSON.stringify() of each object.
function renderDecision(decision: AuditDecision): string {
  const { id, allow, reasons, roles, revision, eval_us } = decision;
  return (
    `{"id":${JSON.stringify(id)},"allow":${allow},"reasons":${reasons.length === 0 ? "[]" : JSON.stringify(reasons)},` +
    `"roles":${roles.length === 0 ? "[]" : JSON.stringify(roles)},"revision":${JSON.stringify(revision)},"eval_us":${renderNumber(eval_us)}}`
  );
}

function renderResponse(response: AuditResponse | null): string {
  if (response === null) return "null";
  const { items, consumed_capacity, error } = response;
  return `{"items":${renderNumber(items)},"consumed_capacity":${renderNumber(consumed_capacity)},"error":${JSON.stringify(error)}}`;
}

/** JSON has no word for what is not finite. */
function renderNumber(value: number | null): string {
  return value !== null && Number.isFinite(value) ? String(value) : "null";
}

function codeOf(outcome: Outcome, statusCode: number): "TDY01I" | "TDY01E" {
  return outcome === "completed" || (outcome === "aborted" && statusCode !== 0) ? "TDY01I" : "TDY01E";
}
