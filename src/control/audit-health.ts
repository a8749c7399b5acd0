/** Nothing is done that could not go on record. */

import { PosternError } from "../base/errors.ts";
import type { EventSink } from "./administration.ts";

/** @param what that is not done: "log in". @throws PosternError `audit_unavailable` while the audit log cannot be written */
export function requireAudit({ healthy }: Pick<EventSink, "healthy">, what: string): void {
  if (healthy) return;
  throw new PosternError("audit_unavailable", `Cannot ${what}: the audit log cannot be written`);
}
