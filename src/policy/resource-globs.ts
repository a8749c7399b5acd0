/** `resources` of rules: globs over ARNs of what is no table of the database, such as a bucket or a replica. */

import { compileGlobs, entryOf, type Matcher, MatcherDraft, patternError, type Site, templateOf } from "./patterns.ts";

/**
 * Compiles `resources`. In a deny, a bucket is meant whoever is told to own it: the request need not say who does, so
 * that neither saying nor keeping silent evades the denial. And a place in S3 is meant with all that lies in it, and with
 * all that may hold it: of a denied `bucket/private/*` a request tells `bucket`, `bucket/pri` or `bucket/private` as well.
 *
 * @throws PosternError `role_pattern_invalid` or `role_template_invalid`
 */
export function compileResources(patterns: readonly string[], site: Site, block: "allow" | "deny"): Matcher {
  for (const [at, pattern] of patterns.entries()) admit(pattern, entryOf(site, at));
  if (block === "allow") return compileGlobs(patterns, site);
  const draft = new MatcherDraft();
  for (const pattern of patterns.flatMap(withAnyOwner)) {
    for (const glob of withWhatHolds(pattern)) draft.addText(glob, templateOf(glob, site));
    const bucket = bucketOf(pattern);
    if (bucket !== undefined) draft.addSegment(bucket, templateOf(bucket, site));
  }
  return draft.matcher();
}

/** Whether the pattern is for ARNs of tables: of their replicas in other regions. */
export function isTableArn(pattern: string): boolean {
  return /^arn:[^:]*:dynamodb:/u.test(pattern);
}

/** What can begin no ARN, or only that of a part of a table, would be a hole in a deny. */
function admit(pattern: string, site: Site): void {
  templateOf(pattern, site);
  const isPart = isTableArn(pattern) && !/^arn:[^:]*:dynamodb:(?:.*\*|[^:]*:[^:]*:table\/[^/]+$)/su.test(pattern);
  // Six parts, unless a `*` or a trait may stand for some of them.
  if (!isPart && /^(?:\*|\{\{|arn:(?:[^:]*:){4}|arn:[^:]*(?::[^:]*)*(?:\*|\{\{))/u.test(pattern)) return;
  throw patternError(
    site,
    pattern,
    "it is not the ARN of a bucket, key, stream or role, or of a table's replica in another region",
    'write an ARN or a glob over ARNs such as "arn:aws:s3:::my-exports/*"; tables of the database stand in tables, by name',
  );
}

/** `arn:aws:s3::111122223333:bucket` as well as `arn:aws:s3:::bucket`, and the other way round. */
function withAnyOwner(pattern: string): string[] {
  const [, service, owner, bucket] = BUCKET.exec(pattern) ?? [];
  if (service === undefined || owner === undefined || bucket === undefined) return [pattern];
  return owner === "" ? [pattern, `${service}*:${bucket}`] : [pattern, `${service}:${bucket}`];
}

/** The pattern, one for what lies in the place, and those for the places in its bucket whose names are beginnings of its own. */
function withWhatHolds(pattern: string): string[] {
  const [, bucket, path] = PLACE.exec(pattern) ?? [];
  if (bucket === undefined) return [pattern];
  const found = pattern.endsWith("*") ? [pattern] : [pattern, `${pattern}/*`];
  if (path === undefined) return found;
  const open = path.search(/\*|\{\{/u);
  let beginning = `${bucket}/`;
  for (const character of open === -1 ? path : path.slice(0, open)) found.push((beginning += character));
  // What stands there instead of the `*` or the trait may be longer than what the request tells.
  if (open !== -1) found.push(`${beginning}*`);
  return [...new Set(found)];
}

/** The bucket itself of a pattern for places in it. */
function bucketOf(pattern: string): string | undefined {
  const [, bucket, path] = PLACE.exec(pattern) ?? [];
  return path === undefined ? undefined : bucket;
}

/** The bucket is what stands before the first slash that is not in a template. */
const PLACE = /^(arn:[^:]*:s3:[^:]*:[^:]*:(?:\{\{.*?\}\}|[^/])*)(?:\/(.*))?$/su;
const BUCKET = /^(arn:[^:]*:s3:[^:]*:)([^:]*):(.*)$/su;
