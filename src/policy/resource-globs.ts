/** `resources` of rules: globs over ARNs of what is not a table, such as a bucket. */

import { compileGlobs, entryOf, type Matcher, patternError, type Site, templateOf } from "./patterns.ts";

/**
 * Compiles `resources`. In a deny, a bucket is meant whoever is told to own it: the request need not say who does, so
 * that neither saying nor keeping silent evades the denial.
 *
 * @throws PosternError `role_pattern_invalid` or `role_template_invalid`
 */
export function compileResources(patterns: readonly string[], site: Site, block: "allow" | "deny"): Matcher {
  for (const [at, pattern] of patterns.entries()) admit(pattern, entryOf(site, at));
  return compileGlobs(block === "allow" ? patterns : patterns.flatMap(withAnyOwner), site);
}

/** Tables are named in `tables`, by name; what can begin no ARN would be a hole in a deny. */
function admit(pattern: string, site: Site): void {
  templateOf(pattern, site);
  const isTable = /^arn:[^:]*:dynamodb:/u.test(pattern);
  // Six parts, unless a `*` or a trait may stand for some of them.
  if (!isTable && /^(?:\*|\{\{|arn:(?:[^:]*:){4}|arn:[^:]*(?::[^:]*)*(?:\*|\{\{))/u.test(pattern)) return;
  throw patternError(
    site,
    pattern,
    "it is not the ARN of something other than a table",
    'write an ARN or a glob over ARNs such as "arn:aws:s3:::my-exports/*"; tables stand in tables, by name',
  );
}

/** `arn:aws:s3::111122223333:bucket` as well as `arn:aws:s3:::bucket`, and the other way round. */
function withAnyOwner(pattern: string): string[] {
  const [, service, owner, bucket] = BUCKET.exec(pattern) ?? [];
  if (service === undefined || owner === undefined || bucket === undefined) return [pattern];
  return owner === "" ? [pattern, `${service}*:${bucket}`] : [pattern, `${service}:${bucket}`];
}

const BUCKET = /^(arn:[^:]*:s3:[^:]*:)([^:]*):(.*)$/su;
