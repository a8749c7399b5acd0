/** Placeholders of guides and examples that somebody forgot to replace. */

import type { DocumentPath } from "../identity/problem.ts";
import { formatPath, type Problem } from "../identity/problem.ts";
import { quoted } from "../identity/names.ts";

/** A problem for every text of a document that still is a placeholder. */
export function placeholdersIn(value: unknown): readonly Problem[] {
  const problems: Problem[] = [];
  search(value, [], problems);
  return problems;
}

/** `path` is the way to `value`; it is changed while this looks further down, and left as it was. */
function search(value: unknown, path: (string | number)[], problems: Problem[]): void {
  if (typeof value === "string") {
    if (PLACEHOLDER.test(value)) problems.push(problemAt([...path], value));
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [at, inner] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    path.push(at);
    search(inner, path, problems);
    path.pop();
  }
}

function problemAt(path: DocumentPath, value: string): Problem {
  const key = path.findLast((step) => typeof step === "string");
  const hint = HINTS[String(key)] ?? "replace it with your own value";
  return { path, message: `${formatPath(path)}: ${quoted(value)} is still a placeholder`, hint };
}

/** Host names that RFC 2606 keeps free of owners: nothing will ever answer there. */
export function isExampleHost(text: string): boolean {
  return /(?:^|\.)example(?:\.com|\.org|\.net)?(?::[0-9]+)?$/i.test(text);
}

const PLACEHOLDER =
  /^change[-_ ]?me$|this-is-an-example|insecure-do-not-use|abdc1245efgh5678|^<[^<>]+>$|^\$\{?[A-Za-z_]\w*\}?$|…/i;

const HINTS: Readonly<Record<string, string>> = {
  account_id: "write the 12 digits that `aws sts get-caller-identity` prints as Account",
  nodename: "write a name for this machine, or leave nodename out to use its host name",
  auth_token: "write the path of the file that holds the join token",
  ca_pin: "write the pin that `postern ctl status` prints",
  db_user: "write the name of the IAM role to assume",
};
