/** What a role may say and hardly ever means: read as it stands, and told to whoever loads it. */

import { quoted } from "./names.ts";
import { formatPath, type DocumentPath, type Problem } from "./problem.ts";
import type { RoleConditions, RoleRule } from "./role.ts";

/** Warnings about the rules of both blocks. */
export function doubtsAbout(spec: { readonly allow: RoleConditions; readonly deny: RoleConditions }): Problem[] {
  return (["allow", "deny"] as const).flatMap((block) =>
    (spec[block].db_rules ?? []).flatMap((rule, at) => [
      ...doubtsAboutRule(rule, ["spec", block, "db_rules", at]),
      ...(block === "allow" ? neverMatching(rule, ["spec", block, "db_rules", at]) : []),
    ]),
  );
}

function doubtsAboutRule({ leading_keys, attributes }: RoleRule, rule: DocumentPath): Problem[] {
  const regexes = entriesOf(leading_keys, (text) => text.startsWith("^") && text.endsWith("$")).map(([at, text]) =>
    doubt(
      [...rule, "leading_keys", at],
      `${quoted(text)} is no regular expression here: the key must be this text, where only * stands for more`,
      "write the value, or a glob",
    ),
  );
  const placeholders = entriesOf(attributes, (text) => text.startsWith("#")).map(([at, text]) =>
    doubt(
      [...rule, "attributes", at],
      `${quoted(text)} is an attribute whose name begins with #: placeholders of requests mean nothing here`,
      "write the attribute's own name",
    ),
  );
  return [...regexes, ...placeholders];
}

function neverMatching({ leading_keys, full_scan }: RoleRule, rule: DocumentPath): Problem[] {
  if (leading_keys === undefined || full_scan !== true) return [];
  const reason = "the rule allows nothing: a full scan proves no partition key, and leading_keys demands it";
  return [doubt([...rule, "full_scan"], reason, "leave out full_scan or leading_keys")];
}

function entriesOf(list: readonly string[] | undefined, is: (text: string) => boolean): [number, string][] {
  return [...(list ?? []).entries()].filter(([, text]) => is(text));
}

function doubt(path: DocumentPath, reason: string, hint: string): Problem {
  return { path, message: `${formatPath(path)}: ${reason}`, hint };
}
