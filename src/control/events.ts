/** What is recorded of a change: Teleport's names and codes. */

import type { ResourceEvent } from "../audit/event.ts";
import type { CodeOf } from "../audit/events.ts";
import { parseUser } from "../identity/user.ts";
import type { PlannedChange } from "./world.ts";

/** The event of a change. Kinds that have none of their own are recorded by whoever brings them. */
export function eventOf(
  { kind, name, verb, after }: PlannedChange,
  user: string,
  service: string,
): ResourceEvent | undefined {
  const who = { user, service, name };
  const row = EVENTS_OF[`${kind}/${verb}`];
  if (row === undefined) return undefined;
  if (row.event === "user.create" || row.event === "user.update")
    return { ...row, ...who, roles: parseUser(after).value.roles };
  return { ...row, ...who };
}

type Row<E extends ResourceEvent["event"]> = E extends unknown
  ? { readonly event: E; readonly code: CodeOf<E> }
  : never;

const EVENTS_OF: Readonly<Record<string, Row<Exclude<ResourceEvent["event"], "postern.control.denied">>>> = {
  "role/create": { event: "role.created", code: "T9000I" },
  "role/update": { event: "role.updated", code: "T9002I" },
  "role/delete": { event: "role.deleted", code: "T9001I" },
  "user/create": { event: "user.create", code: "T1002I" },
  "user/update": { event: "user.update", code: "T1003I" },
  "user/delete": { event: "user.delete", code: "T1004I" },
  "lock/create": { event: "lock.created", code: "TLK00I" },
  "lock/update": { event: "lock.created", code: "TLK00I" },
  "lock/delete": { event: "lock.deleted", code: "TLK01I" },
  "db/create": { event: "db.create", code: "TDB03I" },
  "db/update": { event: "db.update", code: "TDB04I" },
  "db/delete": { event: "db.delete", code: "TDB05I" },
};
