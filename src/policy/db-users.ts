/** `db_users` selectors, compiled so that every spelling of an AWS role is compared as the ARN it stands for. */

import { compileGlobs, entryOf, MatcherDraft, patternError, templateOf, type Matcher, type Site } from "./patterns.ts";

/** Compiled `db_users`. */
export interface UserMatcher {
  /** Matched against what follows `arn:<partition>:iam::<account>:role/` of the database's own account. */
  readonly path?: Matcher;
  /** Denies only: matched against what follows the last `/` of the path. */
  readonly name?: Matcher;
  /** Matched against the whole ARN. */
  readonly arn?: Matcher;
  /** Trait (null: the user's name), text before, text after: each value makes a selector of any of the forms. */
  readonly selectors?: readonly (readonly [string | null, string, string])[];
  /** Traits that the entries need: where one is missing, a deny matches. */
  readonly needs?: readonly string[];
}

/**
 * Compiles `db_users`. `X` and `role/X` are one and the same. With `fold`, for denies, case is ignored: IAM's names are
 * unique regardless of it, so a spelling must not evade a denial. Nor must a path: names are unique regardless of paths
 * too, so that there a name without a path means the role wherever it stands.
 *
 * @throws PosternError `role_pattern_invalid` or `role_template_invalid`
 */
export function compileUsers(selectors: readonly string[], site: Site, fold: boolean): UserMatcher | undefined {
  if (selectors.length === 0) return undefined;
  const paths: string[] = [];
  const arns: string[] = [];
  const names: string[] = [];
  const templates: (readonly [string | null, string, string])[] = [];
  const needs = new Set<string>();
  selectors.forEach((selector, at) => {
    const here = entryOf(site, at);
    const template = templateOf(selector, here);
    if (template !== null) {
      assertNoRegex(selector, here);
      templates.push([template.trait, template.before, template.after]);
      if (template.trait !== null) needs.add(template.trait);
      return;
    }
    const path = rolePathOf(selector, here);
    const text = fold ? (path ?? selector).toLowerCase() : (path ?? selector);
    (path === null ? arns : paths).push(text);
    if (fold && path?.includes("/") === false) names.push(text);
  });
  return {
    ...(paths.length === 0 ? {} : { path: draftOf(paths) }),
    ...(names.length === 0 ? {} : { name: draftOf(names) }),
    ...(arns.length === 0 ? {} : { arn: compileGlobs(arns, site) }),
    ...(templates.length === 0 ? {} : { selectors: templates }),
    ...(needs.size === 0 ? {} : { needs: [...needs] }),
  };
}

function draftOf(globs: readonly string[]): Matcher {
  const draft = new MatcherDraft();
  for (const glob of globs) draft.addGlob(glob);
  return draft.matcher();
}

/** The part of a role's ARN after `role/`, or null when the selector is a whole ARN. Refuses what can match no role: in a deny it would be a hole. */
function rolePathOf(selector: string, site: Site): string | null {
  assertNoRegex(selector, site);
  if (!/^[!-~]+$/u.test(selector))
    throw patternError(site, selector, "an AWS role's name holds visible ASCII only", "write it as IAM shows it");
  if (/^arn:/iu.test(selector)) {
    assertRoleArn(selector, site);
    return null;
  }
  if (/^role\//iu.test(selector) && !selector.startsWith("role/")) {
    throw patternError(site, selector, "the prefix is written in lower case", `write "role/${selector.slice(5)}"`);
  }
  const path = selector.startsWith("role/") ? selector.slice("role/".length) : selector;
  if (path === "" || path.startsWith("/"))
    throw patternError(site, selector, "it names no role", 'write the name, or a path such as "team/Name"');
  return path;
}

function assertNoRegex(selector: string, site: Site): void {
  if (!selector.startsWith("^")) return;
  throw patternError(site, selector, "regular expressions are not supported here", 'write a glob such as "admin-*"');
}

/** Each part of the ARN before the first that holds a `*` must be able to match. */
function assertRoleArn(selector: string, site: Site): void {
  const expected = [/^arn$/u, /^aws[a-z-]*$/u, /^iam$/u, /^$/u, /^\d{12}$/u, /^role\/[^/]/u];
  const parts = selector.split(":");
  const glob = parts.findIndex((part) => part.includes("*"));
  const checked = glob === -1 ? expected.length : glob;
  const isRole =
    expected.slice(0, checked).every((shape, at) => shape.test(parts[at] ?? "")) &&
    // A `*` in the last part may hide the rest of the path but not what kind of resource it is.
    (glob !== 5 || mayBeRole(parts[5] ?? "")) &&
    (glob !== -1 || parts.length === expected.length);
  if (!isRole) {
    throw patternError(
      site,
      selector,
      "it is not the ARN of an AWS role",
      "write arn:aws:iam::<12 digits>:role/<name>, or the name alone",
    );
  }
}

function mayBeRole(glob: string): boolean {
  const start = glob.slice(0, glob.indexOf("*"));
  return start.startsWith("role/") || "role/".startsWith(start);
}
