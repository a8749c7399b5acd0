/** Identifiers: random, unguessable, short enough for a person to read out. */

import { randomUUID } from "node:crypto";

/** A random UUID (RFC 9562, version 4), for decisions, events and sessions. */
export function newId(): string {
  return randomUUID();
}
