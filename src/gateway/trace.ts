/** The record of one request, from its first rule to its end: what the audit log and the metrics will say of it. */

import { newId } from "../base/ids.ts";
import { AuditSession } from "../audit/session.ts";
import type { OpenRequest } from "../audit/open-requests.ts";
import type { AuditDecision, RequestFacts, RequestOutcome } from "../audit/event.ts";
import { redactedBody } from "../dynamodb/redact.ts";
import type { DynamoRequest } from "../dynamodb/request.ts";
import type { Decision } from "../policy/decision.ts";
import type { Caller } from "./authenticate.ts";
import { pathOf } from "./head.ts";
import type { FixedListener } from "./listener.ts";
import { type Connection, type Exchange, headerOf } from "./ports.ts";
import type { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";

/** How a request went, gathered as it goes. */
export class Trace {
  /** Names this request everywhere: header, message, policy input and audit event. */
  readonly decisionId: string = newId();
  readonly startedAt: number;
  readonly #services: GatewayServices;
  readonly #listener: FixedListener;
  readonly #exchange: Exchange;
  /** What the client wrote in `X-Amz-Target`, for the record: not yet checked. */
  readonly target: string;
  operation = "unknown";
  caller: Caller | undefined;
  decision: Decision | undefined;
  /** Why the request was refused before policy was asked. */
  #refusal: Refusal | undefined;
  /** The policy revision that the request met. */
  revision = "";
  /** What the request says, once it is understood: an event shows it redacted. */
  request: DynamoRequest | undefined;
  /** The intent, once it is on record. */
  #intent: OpenRequest | undefined;

  constructor(services: GatewayServices, listener: FixedListener, exchange: Exchange) {
    this.#services = services;
    this.#listener = listener;
    this.#exchange = exchange;
    this.startedAt = services.clock.monotonic();
    this.target = (headerOf(exchange, "x-amz-target") ?? "").slice(0, 128);
    services.metrics.requestBegan();
  }

  /** Microseconds since the request began. */
  get elapsedUs(): number {
    return Math.round((this.#services.clock.monotonic() - this.startedAt) * 1000);
  }

  /**
   * Puts on record that the request is about to be sent.
   *
   * @throws PosternError `audit_unavailable`: then it must not be sent
   */
  async intend(): Promise<void> {
    this.#intent = await this.#services.recorder.begin(this.#facts());
  }

  /**
   * Puts the request's end on record.
   *
   * @throws PosternError `audit_unavailable`: then the answer must not end as if nothing were wrong
   */
  async end(outcome: RequestOutcome): Promise<void> {
    const { recorder } = this.#services;
    const written =
      this.#intent !== undefined
        ? recorder.finish(this.#intent, outcome)
        : recorder.record({ event: "db.session.dynamodb.request", ...this.#facts(), ...outcome });
    const { connection } = this.#exchange;
    if (connection.ended === true) endSession(this.#services, connection);
    await written;
  }

  /** Notes why the request is refused, so that its event names the decision id and the reason even when policy was not asked. */
  refused(refusal: Refusal): void {
    this.#refusal = refusal;
  }

  /** Counts the request as ended. Called once, after the answer is decided. */
  count(outcome: "allowed" | "denied" | "rejected" | "failed"): void {
    this.#services.metrics.requestEnded(this.operation, outcome, this.elapsedUs / 1e6);
  }

  #facts(): RequestFacts {
    return {
      session: sessionOf(this.#services, this.#listener, this.#exchange.connection, this.caller),
      target: this.target,
      method: this.#exchange.method.slice(0, 32),
      path: pathOf(this.#exchange.target).slice(0, 256),
      body: this.request === undefined ? null : redactedBody(this.request, this.#services.redact),
      decision: this.#decisionFacts(),
    };
  }

  #decisionFacts(): AuditDecision | null {
    if (this.decision !== undefined) return decisionFacts(this.decisionId, this.decision);
    if (this.#refusal === undefined) return null;
    const { code, message, reasons } = this.#refusal;
    return {
      id: this.decisionId,
      allow: false,
      reasons: reasons.length > 0 ? reasons : [{ code, message, access: null, role: null }],
      roles: [],
      revision: this.revision,
      eval_us: 0,
    };
  }
}

/** The session of a connection; its start goes on record with the first request of its caller. */
function sessionOf(
  services: GatewayServices,
  listener: FixedListener,
  connection: Connection,
  caller: Caller | undefined,
): AuditSession {
  const db_user = caller?.awsRoleArn ?? listener.dbUser;
  const db_uri = caller?.database.uri ?? "";
  const known = connection.session?.audit;
  if (known !== undefined && known.facts.db_user === db_user && known.facts.db_uri === db_uri) return known;
  const session = new AuditSession({
    sid: known === undefined ? connection.id : newId(),
    user: listener.user,
    db_service: listener.database,
    db_protocol: "dynamodb",
    db_name: "",
    db_user,
    db_uri,
  });
  recordSessionEnd(services, connection);
  connection.session = { audit: session, startedAt: services.clock.now() };
  // Not awaited: it stands in the chain before the request's own line, whose fate is awaited.
  services.recorder
    .record({
      event: "db.session.start",
      code: caller === undefined ? "TDB00W" : "TDB00I",
      session,
      error: caller === undefined ? "the caller was refused" : null,
    })
    .catch(() => undefined);
  return session;
}

/** Puts the end of a closed connection's session on record, if it began. */
export function endSession(services: GatewayServices, connection: Connection): void {
  connection.ended = true;
  recordSessionEnd(services, connection);
}

function recordSessionEnd(services: GatewayServices, connection: Connection): void {
  const { session } = connection;
  if (session === undefined) return;
  delete connection.session;
  services.recorder
    .record({
      event: "db.session.end",
      code: "TDB01I",
      session: session.audit,
      session_start: new Date(session.startedAt).toISOString(),
      session_stop: new Date(services.clock.now()).toISOString(),
    })
    .catch(() => undefined);
}

function decisionFacts(id: string, decision: Decision): AuditDecision {
  const { allow, roles, revision, evalUs } = decision;
  return { id, allow, reasons: decision.allow ? [] : decision.reasons, roles, revision, eval_us: evalUs };
}
