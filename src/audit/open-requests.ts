/** The requests between intent and event. */

import type { AuditSession } from "./session.ts";

/** A request whose intent is to be on record, and whose event is not yet. */
export class OpenRequest {
  /** What intent and event have in common for those who read them. */
  readonly uid: string;
  readonly session: AuditSession;
  readonly facts: string;
  /** The file that its intent is in, or one before it. */
  readonly first: number;
  /** Its event, once it ended. */
  text: string | undefined;
  /** Whether writing that event failed: it is written when the log recovers. */
  late = false;
  /** Its place among all, for OpenRequests. */
  place = -1;

  constructor(uid: string, session: AuditSession, facts: string, first: number) {
    this.uid = uid;
    this.session = session;
    this.facts = facts;
    this.first = first;
  }
}

/**
 * All of them, in no order. Not a Map: each table that one grows out of points to the next, so that the first of them to become old
 * keeps every later one, and the texts of all their requests, until the heap's next full collection. bench: load, a
 * thirtieth of what was promoted.
 */
export class OpenRequests {
  readonly #all: OpenRequest[] = [];

  get size(): number {
    return this.#all.length;
  }

  has(request: OpenRequest): boolean {
    return this.#all[request.place] === request;
  }

  add(request: OpenRequest): void {
    request.place = this.#all.push(request) - 1;
  }

  delete(request: OpenRequest): void {
    if (!this.has(request)) return;
    const last = this.#all.pop();
    if (last === undefined || last === request) return;
    last.place = request.place;
    this.#all[request.place] = last;
  }

  /** The first file that any of them needs; undefined without any. */
  get first(): number | undefined {
    let first: number | undefined;
    for (const request of this.#all) if (first === undefined || request.first < first) first = request.first;
    return first;
  }

  /** Those whose event is to be written late. */
  late(): OpenRequest[] {
    return this.#all.filter(({ late }) => late);
  }
}
