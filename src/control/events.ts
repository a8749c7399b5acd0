/** What is recorded of a change: Teleport's names and codes. */

import type { ResourceEvent } from "../audit/event.ts";
import { type JoinToken, maskedName, parseJoinToken } from "../identity/join-tokens.ts";
import { parseLock } from "../identity/lock.ts";
import { parseUser } from "../identity/user.ts";
import type { PlannedChange } from "./world.ts";

/** The event of a change by `user`. Kinds that have none of their own are recorded by whoever brings them. */
export function eventOf(
  { kind, name, verb, before, after }: PlannedChange,
  user: string,
  service: string,
): ResourceEvent | undefined {
  const by = { user, service, name };
  switch (`${kind}/${verb}`) {
    case "role/create":
      return { event: "role.created", code: "T9000I", ...by };
    case "role/update":
      return { event: "role.updated", code: "T9002I", ...by };
    case "role/delete":
      return { event: "role.deleted", code: "T9001I", ...by };
    case "user/create":
      return { event: "user.create", code: "T1002I", ...by, ...userFacts(after) };
    case "user/update":
      return { event: "user.update", code: "T1003I", ...by, ...userFacts(after) };
    case "user/delete":
      return { event: "user.delete", code: "T1004I", ...by };
    case "lock/create":
    case "lock/update":
      return { event: "lock.created", code: "TLK00I", ...by, ...lockFacts(after) };
    case "lock/delete":
      return { event: "lock.deleted", code: "TLK01I", ...by };
    case "db/create":
      return { event: "db.create", code: "TDB03I", ...by };
    case "db/update":
      return { event: "db.update", code: "TDB04I", ...by };
    case "db/delete":
      return { event: "db.delete", code: "TDB05I", ...by };
    case "token/create":
    case "token/update":
      return { event: "join_token.create", code: "TJT00I", ...by, ...tokenFacts(after) };
    case "token/delete":
      return { event: "postern.join_token.deleted", code: "PJT01I", ...by, name: maskedName(tokenOf(before?.value)) };
    default:
      return undefined;
  }
}

function userFacts(document: unknown): { roles: readonly string[] } {
  return { roles: parseUser(document).value.roles };
}

function lockFacts(document: unknown): { target: { user: string } | { role: string }; expires: string | null } {
  const { target, expires } = parseLock(document).value;
  return { target, expires: timeOf(expires) };
}

function tokenFacts(document: unknown): {
  name: string;
  roles: readonly string[];
  join_method: string;
  expires: string | null;
} {
  const token = parseJoinToken(document).value;
  return { name: maskedName(token), roles: token.roles, join_method: token.method, expires: timeOf(token.expires) };
}

/** What is there and cannot be read is taken for a secret. */
function tokenOf(document: unknown): Pick<JoinToken, "name" | "method"> {
  try {
    return parseJoinToken(document).value;
  } catch {
    return { name: "", method: "token" };
  }
}

function timeOf(expires: number | undefined): string | null {
  return expires === undefined ? null : new Date(expires).toISOString();
}
