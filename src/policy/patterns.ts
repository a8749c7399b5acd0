/** Lists of patterns, compiled to matchers when roles are loaded: at evaluation a look-up, a prefix or a suffix, seldom a regex. */

import { PosternError } from "../base/errors.ts";
import { parseTemplate, type Template } from "./templates.ts";

/** Where a pattern stands, for errors. */
export interface Site {
  readonly role: string;
  /** For example `spec.allow.db_rules[1].tables[0]`. */
  readonly path: string;
}

/** A compiled list of patterns; a value matches when any entry does. Absent members match nothing. */
export interface Matcher {
  readonly any?: true;
  readonly exact?: Readonly<Record<string, true>>;
  readonly more?: MoreMatchers;
  readonly traits?: TraitMatchers;
  /** Traits that the entries need: where one is missing, a deny matches. */
  readonly needs?: readonly string[];
}

/** The rarer forms, one level down so that the common ones cost one look-up. */
export interface MoreMatchers {
  readonly prefix?: readonly string[];
  readonly suffix?: readonly string[];
  /** Prefix, suffix, and their length together in code points, so that they cannot overlap. */
  readonly affix?: readonly (readonly [string, string, number])[];
  /** RE2, always wrapped in `^(?:…)$`. */
  readonly re?: readonly string[];
}

/** Entries with a template, by what is done with each value of the trait (null: the user's name). */
export interface TraitMatchers {
  /** Each value is a selector itself (db_labels only). */
  readonly selectors?: readonly string[];
  /** Trait, text before, text after: equal. */
  readonly is?: readonly (readonly [string | null, string, string])[];
  /** Trait, text before it, text after it up to the `*`, suffix after the `*`. */
  readonly starts?: readonly (readonly [string | null, string, string, string])[];
  /** Trait, prefix before the `*`, text between `*` and the trait, text after it. */
  readonly ends?: readonly (readonly [string | null, string, string, string])[];
  /** Trait, start and end of a regex: for entries with several `*`. */
  readonly like?: readonly (readonly [string | null, string, string])[];
}

/** Compiles globs whose templates hold literal text. A text may be normalised or refused by `admit` first. */
export function compileGlobs(patterns: readonly string[], site: Site, admit: Admit = () => undefined): Matcher {
  const draft = new MatcherDraft();
  patterns.forEach((pattern, at) => {
    const here = entryOf(site, at);
    admit(pattern, here);
    draft.addText(pattern, templateOf(pattern, here));
  });
  return draft.matcher();
}

/** Compiles the values of one label: globs, `^…$` regexes, and templates that stand for selectors. */
export function compileLabelValues(patterns: readonly string[], site: Site): Matcher {
  const draft = new MatcherDraft();
  patterns.forEach((pattern, at) => {
    const here = entryOf(site, at);
    const template = templateOf(pattern, here);
    const isRegex = pattern.startsWith("^") && pattern.endsWith("$");
    if (isRegex && template !== null) {
      throw patternError(
        here,
        pattern,
        "a regular expression cannot hold a template",
        "let the trait hold the whole expression",
      );
    }
    if (isRegex && pattern.includes("\0")) throw patternError(here, pattern, "it holds NUL", "write NUL as \\x00");
    if (isRegex) draft.addRegex(pattern);
    else if (template?.trait != null && template.before === "" && template.after === "")
      draft.addSelector(template.trait);
    else draft.addText(pattern, template);
  });
  return draft.matcher();
}

/** Refuses a text by throwing. */
export type Admit = (pattern: string, site: Site) => void;

/** The regex that matches the whole text or nothing. Wrapping it, rather than trusting its own anchors, is what keeps `^a|b$` from matching a part. */
export function anchored(regex: string): string {
  return `${ANCHOR[0]}${regex}${ANCHOR[1]}`;
}

/** The regex inside an anchored one. Both must be valid: `^a)|(b$` is valid only once it is wrapped. */
export function unanchored(regex: string): string {
  return regex.slice(ANCHOR[0].length, -ANCHOR[1].length);
}

/** The template of a text, or null. @throws PosternError `role_template_invalid` */
export function templateOf(pattern: string, site: Site): Template | null {
  assertText(pattern, site);
  const template = parseTemplate(pattern);
  if (template === null || !("fault" in template)) return template;
  throw patternError(site, pattern, template.fault, template.hint, "role_template_invalid");
}

/** An error that names role, place, value, reason and remedy. */
export function patternError(
  site: Site,
  value: string,
  why: string,
  hint: string,
  code = "role_pattern_invalid",
): PosternError {
  const message = `Cannot load role "${site.role}": ${site.path} ${JSON.stringify(value)}: ${why}`;
  return new PosternError(code, message, { hint });
}

/** The place of the entry at `at` of a list. */
export function entryOf(site: Site, at: number): Site {
  return { role: site.role, path: `${site.path}[${at}]` };
}

/** Collects entries of one list. */
export class MatcherDraft {
  readonly #exact: string[] = [];
  readonly #needs = new Set<string>();
  readonly #lists = { prefix: [], suffix: [], affix: [], re: [] } as DraftOf<MoreMatchers>;
  readonly #traits = { selectors: [], is: [], starts: [], ends: [], like: [] } as DraftOf<TraitMatchers>;
  #any = false;

  addExact(text: string): void {
    this.#exact.push(text);
  }

  addPrefix(text: string): void {
    this.#lists.prefix.push(text);
  }

  addRegex(regex: string): void {
    this.#lists.re.push(anchored(regex));
  }

  addSelector(trait: string): void {
    this.#needs.add(trait);
    this.#traits.selectors.push(trait);
  }

  addText(pattern: string, template: Template | null): void {
    if (template === null) this.addGlob(pattern);
    else this.addTemplate(template);
  }

  addGlob(glob: string): void {
    const parts = glob.split("*");
    const [first = "", last = ""] = parts;
    if (glob !== "" && parts.every((part) => part === "")) this.#any = true;
    else if (parts.length === 1) this.addExact(glob);
    else if (parts.length > 2) this.addRegex(`(?s:${quoted(parts)})`);
    else if (last === "") this.addPrefix(first);
    else if (first === "") this.#lists.suffix.push(last);
    else this.#lists.affix.push([first, last, [...first].length + [...last].length]);
  }

  /** A glob or a template whose `*` stands for anything but a slash. */
  addSegment(text: string, template: Template | null): void {
    if (template !== null || !text.includes("*")) this.addText(text, template);
    else this.addRegex(quoted(text.split("*"), "[^/]*"));
  }

  addTemplate({ trait, before, after }: Template): void {
    if (trait !== null) this.#needs.add(trait);
    const left = before.split("*");
    const right = after.split("*");
    const stars = left.length + right.length - 2;
    if (stars === 0) this.#traits.is.push([trait, before, after]);
    else if (stars > 1) this.#traits.like.push([trait, `^(?s:${quoted(left)}`, `${quoted(right)})$`]);
    else if (right.length === 2) this.#traits.starts.push([trait, before, right[0] ?? "", right[1] ?? ""]);
    else this.#traits.ends.push([trait, left[0] ?? "", left[1] ?? "", after]);
  }

  matcher(): Matcher {
    if (this.#any) return { any: true };
    const more = withoutEmpty(this.#lists);
    const traits = withoutEmpty(this.#traits);
    return {
      ...(this.#exact.length === 0 ? {} : { exact: setOf(this.#exact) }),
      ...(more === undefined ? {} : { more }),
      ...(traits === undefined ? {} : { traits }),
      ...(this.#needs.size === 0 ? {} : { needs: [...this.#needs] }),
    };
  }
}

/** A set as JSON has it. Own properties only, so that a text like `__proto__` is one more text. */
export function setOf(texts: Iterable<string>): Record<string, true> {
  return Object.fromEntries([...texts].map((text) => [text, true as const]));
}

type DraftOf<T> = { [K in keyof T]-?: Exclude<T[K], undefined> extends readonly (infer E)[] ? E[] : never };

const ANCHOR = ["^(?:", ")$"] as const;

/** The texts between the `*` of a glob, as one regex body; everything but the `*` is literal. */
function quoted(parts: readonly string[], star = ".*"): string {
  // A regular expression ends at NUL in WASM, unless that is written otherwise.
  return parts
    .map((part) => part.replaceAll(/[\\.+*?()|[\]{}^$]/gu, String.raw`\$&`).replaceAll("\0", String.raw`\x00`))
    .join(star);
}

function withoutEmpty<T extends Record<string, readonly unknown[]>>(lists: T): Partial<T> | undefined {
  const kept = Object.entries(lists).filter(([, list]) => list.length > 0);
  return kept.length === 0 ? undefined : (Object.fromEntries(kept) as Partial<T>);
}

function assertText(pattern: string, site: Site): void {
  if (pattern === "") throw patternError(site, pattern, "an empty text selects nothing", "leave the entry out");
  // WASM's JSON parser refuses lone surrogates: one of them would take down the whole of the data.
  if (/\p{Surrogate}/u.test(pattern))
    throw patternError(site, pattern, "it is not well-formed Unicode", "write the text anew");
}
