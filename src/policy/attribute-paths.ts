/** Attribute paths of rules: `total`, `address.city`, ``` `dotted.name`.x ```, and `pub_*` or `*`. */

import { entryOf, MatcherDraft, patternError, templateOf, type Matcher, type Site } from "./patterns.ts";

/** Compiled `attributes`. */
export interface AttributeMatcher {
  /** Matches an attribute that lies within one of the paths: `address` covers `address.city`. */
  readonly within: Matcher;
  /** Literal starts of the paths, for denies: reading `address` touches a denied `address.city`. */
  readonly over?: readonly string[];
  /** The same for entries with a template: trait, text before, text after. */
  readonly over_traits?: readonly (readonly [string | null, string, string])[];
}

/**
 * Compiles `attributes`. In a deny, a `*` behind the beginning of a name also reaches names that requests write in backquotes:
 * `secret*` means the attribute `secret.key` too.
 *
 * @throws PosternError `role_pattern_invalid` or `role_template_invalid`
 */
export function compileAttributes(paths: readonly string[], site: Site, block: "allow" | "deny"): AttributeMatcher {
  const draft = new MatcherDraft();
  const over: string[] = [];
  const overTraits: (readonly [string | null, string, string])[] = [];
  paths.forEach((text, at) => {
    const here = entryOf(site, at);
    const template = templateOf(text, here);
    if (template !== null) {
      if (/[*`]/u.test(template.before + template.after)) {
        throw patternError(
          here,
          text,
          "neither * nor backquotes go with a template in an attribute path",
          "let the trait hold a whole attribute name",
        );
      }
      overTraits.push([template.trait, template.before, template.after]);
      draft.addTemplate(template);
      // A trait may also name the parent of what is asked.
      for (const step of STEPS) draft.addTemplate({ ...template, after: `${template.after}${step}*` });
      return;
    }
    const { path, open, quoted } = parsePath(text, here);
    over.push(path);
    if (open) {
      if (path === "") draft.addGlob("*");
      else draft.addPrefix(path);
      if (block === "deny" && quoted !== "") draft.addPrefix(quoted);
      return;
    }
    draft.addExact(path);
    for (const step of STEPS) draft.addPrefix(`${path}${step}`);
  });
  const within = draft.matcher();
  if (within.any === true) return { within };
  return {
    within,
    ...(over.length === 0 ? {} : { over: [...new Set(over)] }),
    ...(overTraits.length === 0 ? {} : { over_traits: overTraits }),
  };
}

/** What may follow a path in a longer one. */
const STEPS = [".", "["] as const;

interface Path {
  /** As requests spell it: backquotes only round segments that hold `.`, `[`, `]` or a backquote (doubled inside). */
  readonly path: string;
  /** Whether a `*` stands behind it. */
  readonly open: boolean;
  /** The same with the last name as the beginning of one in backquotes; empty when the path does not end in a name. */
  readonly quoted: string;
}

/** Reads a path. One that no request could spell would be a hole in a deny. */
function parsePath(text: string, site: Site): Path {
  const open = text.endsWith("*");
  const body = open ? text.slice(0, -1) : text;
  const token = /`((?:[^`]|``)+)`|([^.[\]`*]+)|(\[(?:0|[1-9]\d*)\])|(\.)/uy;
  let path = "";
  let quoted = "";
  let expects: "name" | "step" = "name";
  while (token.lastIndex < body.length) {
    const [, between, plain, index, dot] = token.exec(body) ?? [];
    const name = between?.replaceAll("``", "`") ?? plain;
    if (expects === "name" && name !== undefined) {
      quoted = `${path}\`${name.replaceAll("`", "``")}`;
      path += spell(name);
    } else if (expects === "step" && (index !== undefined || dot !== undefined)) {
      quoted = "";
      path += index ?? dot;
    } else throw patternError(site, text, "it is not an attribute path", HINT);
    expects = dot === undefined ? "step" : "name";
  }
  if (expects === "name" && !open) throw patternError(site, text, "it is not an attribute path", HINT);
  return { path, open, quoted };
}

const HINT = "write names joined by dots, backquotes round a name that holds . [ or ], and * only at the end";

function spell(name: string): string {
  return /[.[\]`]/u.test(name) ? `\`${name.replaceAll("`", "``")}\`` : name;
}
