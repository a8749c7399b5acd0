/** One session's part of its audit lines: rendered once, shared by all of them. */

/** Who speaks to what, as every `db.session.*` line says it. */
export interface SessionFacts {
  /** Identifier of the session. */
  readonly sid: string;
  readonly user: string;
  /** Name of the database in Postern. */
  readonly db_service: string;
  readonly db_protocol: "dynamodb";
  /** Empty for DynamoDB. */
  readonly db_name: string;
  /** The AWS role that the user chose, as a full ARN. */
  readonly db_user: string;
  /** Where requests are sent. */
  readonly db_uri: string;
}

/** A session as the recorder needs it: its facts, ready as JSON, and the number of its next event. */
export class AuditSession {
  readonly facts: SessionFacts;
  /** `"sid":…,"user":…,…` without braces. */
  readonly json: string;
  #next = 0;

  constructor(facts: SessionFacts) {
    this.facts = facts;
    const { sid, user, db_service, db_protocol, db_name, db_user, db_uri } = facts;
    this.json = JSON.stringify({ sid, user, db_service, db_protocol, db_name, db_user, db_uri }).slice(1, -1);
  }

  /** The `ei` of the next event: 0, 1, 2 … */
  nextIndex(): number {
    return this.#next++;
  }
}
