/** What is recorded of a change: Teleport's names and codes. */

import type { ResourceEvent } from "../audit/event.ts";
import { maskedName, parseJoinToken } from "../identity/join-tokens.ts";
import { parseLock } from "../identity/lock.ts";
import { parseUser } from "../identity/user.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { AdministrationOptions } from "./administration.ts";
import type { Actor } from "./authorize.ts";
import type { PlannedChange } from "./world.ts";

/** Who did something, where it was asked for and from where: the first members of such an event. */
export function byWhom(
  { name: user, address }: Actor,
  service: string,
): { readonly user: string; readonly service: string; readonly "addr.remote": string | null } {
  return { user, service, "addr.remote": address ?? null };
}

/** Puts changes that are in force on record. @throws PosternError `audit_unavailable` when that cannot be done */
export async function recordChanges(
  changes: readonly PlannedChange[],
  actor: Actor,
  { events, service }: Pick<AdministrationOptions, "events" | "service">,
): Promise<void> {
  const recorded = changes.flatMap((change) => {
    const event = eventOf(change, actor, service);
    return event === undefined ? [] : [events.record(event)];
  });
  await Promise.all(recorded).catch((cause: unknown) => {
    throw new PosternError(
      "audit_unavailable",
      `The change is in force, but could not be recorded: ${messageOf(cause)}`,
      { cause, hint: "make data_dir writable, and note the change elsewhere" },
    );
  });
}

/** The event of a change; undefined for a kind that has none, and is recorded by whoever brings it. */
function eventOf(change: PlannedChange, actor: Actor, service: string): ResourceEvent | undefined {
  const { kind, name, verb, after } = change;
  const by = byWhom(actor, service);
  const who = { ...by, name };
  if (kind === "token") return tokenEvent(change, by);
  switch (`${kind}/${verb}`) {
    case "role/create":
      return { event: "role.created", code: "T9000I", ...who };
    case "role/update":
      return { event: "role.updated", code: "T9002I", ...who };
    case "role/delete":
      return { event: "role.deleted", code: "T9001I", ...who };
    case "user/create":
      return { event: "user.create", code: "T1002I", ...who, roles: parseUser(after).value.roles };
    case "user/update":
      return { event: "user.update", code: "T1003I", ...who, roles: parseUser(after).value.roles };
    case "user/delete":
      return { event: "user.delete", code: "T1004I", ...who };
    case "lock/create":
    case "lock/update": {
      const { target, expires } = parseLock(after).value;
      return { event: "lock.created", code: "TLK00I", ...who, target, expires: timeOf(expires) };
    }
    case "lock/delete":
      return { event: "lock.deleted", code: "TLK01I", ...who };
    case "oidc/create":
    case "oidc/update":
      return { event: "oidc.created", code: "T8100I", ...who };
    case "oidc/delete":
      return { event: "oidc.deleted", code: "T8101I", ...who };
    case "db/create":
      return { event: "db.create", code: "TDB03I", ...who };
    case "db/update":
      return { event: "db.update", code: "TDB04I", ...who };
    case "db/delete":
      return { event: "db.delete", code: "TDB05I", ...who };
    default:
      return undefined;
  }
}

/** A token's name may be what joins: events show its end only. */
function tokenEvent({ name, after }: PlannedChange, by: ReturnType<typeof byWhom>): ResourceEvent {
  if (after === undefined) {
    const shown = maskedName({ name, method: "token" });
    return { event: "postern.join_token.deleted", code: "PJT01I", ...by, name: shown };
  }
  const token = parseJoinToken(after).value;
  const { roles, method, expires } = token;
  const facts = { roles, join_method: method, expires: timeOf(expires) };
  return { event: "join_token.create", code: "TJT00I", ...by, name: maskedName(token), ...facts };
}

function timeOf(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
