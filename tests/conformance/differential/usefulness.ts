/** Counts what rules of each kind allowed and denied, so that a gateway which denies everything is noticed. */

import { allowing, isAbout, touchesOf } from "./promises.ts";
import type { Request } from "./requests.ts";
import { type Kind, KINDS, type Person, type Rule } from "./roles.ts";

/** What the gateway says when a rule of this kind kept a request out. */
const WORDS: Readonly<Record<Kind, RegExp>> = {
  actions: /none names dynamodb:/,
  tables: /do not name this table/,
  indexes: /do not name this index/,
  leading_keys: /a partition key is outside leading_keys|keys_unproven/,
  attributes: /attributes outside the allowed ones|replaces or removes whole items|attributes_unproven/,
  full_scan: /(?:are not about full scans|are about full scans only)/,
  return_values: /do not allow ReturnValues/,
};

export class Usefulness {
  readonly counts: Map<string, number> = new Map();
  forwarded = 0;
  denied = 0;

  /** A request went on: every rule that may have let it through has these members, and these denials were looked at. */
  allowed(person: Person, request: Request): void {
    this.forwarded += 1;
    for (const touch of touchesOf(request)) {
      const rules = allowing(person, touch);
      for (const kind of KINDS) {
        if (rules.length > 0 && rules.every((rule) => has(rule, kind))) this.#count(`allow rules with ${kind} allowed`);
      }
      if (rules.length > 0 && rules.every((rule) => isTemplate(rule)))
        this.#count("allow rules with templates allowed");
      const passed = person.roles.flatMap(({ deny }) =>
        deny.filter((rule) => isAbout(rule, touch.same, touch, person, true)),
      );
      for (const kind of KINDS)
        if (passed.some((rule) => has(rule, kind))) this.#count(`deny rules with ${kind} let pass`);
    }
  }

  /** A request was denied, in these words. */
  refused(person: Person, message: string): void {
    this.denied += 1;
    const [, name, at] = /role "([^"]+)" denies .*\(spec\.deny\.db_rules\[(\d+)\]\)/.exec(message) ?? [];
    const rule = person.roles.find((role) => role.name === name)?.deny[Number(at)];
    if (rule === undefined) {
      for (const kind of KINDS) if (WORDS[kind].test(message)) this.#count(`allow rules with ${kind} kept out`);
      if (person.roles.some(({ allow }) => allow?.some(isTemplate) === true) && WORDS.leading_keys.test(message))
        this.#count("allow rules with templates kept out");
    } else for (const kind of KINDS) if (has(rule, kind)) this.#count(`deny rules with ${kind} denied`);
  }

  /** What was to be counted and was not, at least so often. */
  missing(least: number): string[] {
    const wanted = [...KINDS, "templates"].flatMap((kind) => [
      `allow rules with ${kind} allowed`,
      `allow rules with ${kind} kept out`,
      ...(kind === "templates" ? [] : [`deny rules with ${kind} denied`, `deny rules with ${kind} let pass`]),
    ]);
    return wanted
      .filter((each) => (this.counts.get(each) ?? 0) < least)
      .map((each) => `${each}: ${this.counts.get(each) ?? 0}`);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function has(rule: Rule, kind: Kind): boolean {
  return rule[kind] !== undefined && !(kind === "actions" && rule.actions.includes("*"));
}

function isTemplate(rule: Rule): boolean {
  return rule.leading_keys?.some((entry) => entry.includes("{{")) === true;
}
