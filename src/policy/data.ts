/** The data document of the policy: roles compiled when they are loaded, so that an evaluation pays only for what it asks. */

import { PosternError } from "../base/errors.ts";
import { ActionResolver, type ActionTable } from "./action-sets.ts";
import { compileAttributes, type AttributeMatcher } from "./attribute-paths.ts";
import { compileUsers, type UserMatcher } from "./db-users.ts";
import {
  compileGlobs,
  compileLabelValues,
  patternError,
  setOf,
  unanchored,
  type Matcher,
  type Site,
} from "./patterns.ts";
import { compileResources, isTableArn } from "./resource-globs.ts";
import { RETURN_VALUES, type ReturnValues, type RoleConditions, type RoleRule, type RoleSpec } from "./roles.ts";

/** The whole document, as `data`. Its JSON Schema is policies/schemas/data.json. */
export interface PolicyData {
  readonly postern: {
    readonly compiled: {
      readonly version: 1;
      readonly roles: Readonly<Record<string, CompiledRole>>;
      /** Name → action → positions in a role's `rules.list`. Shared: roles of one shape have one index. */
      readonly indexes: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
      /** Actions that an allow must name, for the words of a reason. */
      readonly named_only?: Readonly<Record<string, true>>;
    };
  };
}

/** A role. A block that can match nothing is absent. */
export interface CompiledRole {
  readonly allow?: CompiledConditions;
  readonly deny?: CompiledConditions;
}

export interface CompiledConditions {
  readonly labels?: LabelMatcher;
  readonly users?: UserMatcher;
  /** Absent in an allow block: every operation. Absent in a deny block: none. */
  readonly rules?: CompiledRules;
}

/** `any` matches every database; `all` lists key and values, every one of which must match. */
export interface LabelMatcher {
  readonly any?: true;
  readonly all?: readonly (readonly [string, Matcher])[];
}

export interface CompiledRules {
  readonly index: string;
  readonly list: readonly CompiledRule[];
}

export interface CompiledRule {
  readonly tables?: Matcher;
  /** Over ARNs of what is not a table. */
  readonly resources?: Matcher;
  /** In a deny, those of the resources that may be tables of the very database that is asked. */
  readonly homes?: Matcher;
  /** One level down, so that a rule without them costs one look-up. */
  readonly narrow?: {
    readonly indexes?: Matcher;
    readonly leading_keys?: Matcher;
    readonly attributes?: AttributeMatcher;
    /** The values of `full_scan` that the rule is about. */
    readonly scans?: readonly boolean[];
    /** The values of `return_values` that the rule is about. */
    readonly returns?: readonly ReturnValues[];
  };
}

/**
 * Compiles roles into the policy's data. Regular expressions are checked for shape only; let the policy itself check
 * `patternsOf()` before the data is used.
 *
 * @throws PosternError `role_duplicate`, `role_action_unknown`, `role_pattern_invalid`, `role_template_invalid`
 */
export function compilePolicyData(roles: readonly RoleSpec[], actions: ActionTable): PolicyData {
  const indexes = new IndexTable(new ActionResolver(actions));
  const compiled = new Map<string, CompiledRole>();
  for (const role of roles) {
    if (compiled.has(role.name)) {
      throw new PosternError("role_duplicate", `Cannot load role "${role.name}": there are two of that name`);
    }
    const allow = compileConditions(role, "allow", indexes);
    const deny = compileConditions(role, "deny", indexes);
    compiled.set(role.name, { ...(allow === undefined ? {} : { allow }), ...(deny === undefined ? {} : { deny }) });
  }
  return {
    postern: {
      compiled: {
        version: 1,
        roles: Object.fromEntries(compiled),
        indexes: indexes.toRecord(),
        named_only: setOf(actions.namedOnly),
      },
    },
  };
}

/** Every regular expression in the data, bare and anchored, each once: the input of `postern/patterns/invalid`. */
export function patternsOf(data: PolicyData): string[] {
  const found = new Set<string>();
  const collect = (matcher: Matcher | undefined): void => {
    for (const regex of matcher?.more?.re ?? []) found.add(regex).add(unanchored(regex));
    for (const [, start, end] of matcher?.traits?.like ?? []) found.add(start + end);
  };
  for (const role of Object.values(data.postern.compiled.roles)) {
    for (const block of [role.allow, role.deny]) {
      for (const [, values] of block?.labels?.all ?? []) collect(values);
      for (const users of [block?.users?.path, block?.users?.arn]) collect(users);
      for (const { tables, resources, narrow } of block?.rules?.list ?? []) {
        for (const matcher of [tables, resources, narrow?.indexes, narrow?.leading_keys, narrow?.attributes?.within])
          collect(matcher);
      }
    }
  }
  return [...found].toSorted();
}

/** The roles that hold one of these regular expressions, for the error that refuses them. */
export function rolesWithPatterns(data: PolicyData, patterns: ReadonlySet<string>): string[] {
  return Object.entries(data.postern.compiled.roles)
    .filter(([name, role]) => {
      const alone = { postern: { compiled: { ...data.postern.compiled, roles: { [name]: role } } } };
      return patternsOf(alone).some((pattern) => patterns.has(pattern));
    })
    .map(([name]) => name);
}

type Block = "allow" | "deny";

/** Rule numbers by action. Roles whose rules name the same actions share one table, which is then made only once. */
class IndexTable {
  readonly #resolver: ActionResolver;
  readonly #names = new Map<string, string>();
  readonly #tables = new Map<string, Record<string, readonly number[]>>();

  constructor(resolver: ActionResolver) {
    this.#resolver = resolver;
  }

  /** The name of the table for the rules of the list at `site`. @throws PosternError `role_action_unknown` */
  nameOf(rules: readonly RoleRule[], block: Block, site: Site): string {
    const shape = JSON.stringify([block, rules.map((rule) => rule.actions)]);
    const known = this.#names.get(shape);
    if (known !== undefined) return known;
    const name = `i${this.#names.size}`;
    this.#tables.set(name, this.#tableOf(rules, block, site));
    this.#names.set(shape, name);
    return name;
  }

  toRecord(): Record<string, Record<string, readonly number[]>> {
    return Object.fromEntries(this.#tables);
  }

  #tableOf(rules: readonly RoleRule[], block: Block, site: Site): Record<string, readonly number[]> {
    const byAction = new Map<string, number[]>();
    for (const [at, { actions }] of rules.entries()) {
      const here = { role: site.role, path: `${site.path}[${at}].actions` };
      const named =
        block === "deny" ? this.#resolver.resolveDenied(actions, here) : this.#resolver.resolveAllowed(actions, here);
      for (const action of named) {
        const numbers = byAction.get(action);
        if (numbers === undefined) byAction.set(action, [at]);
        else numbers.push(at);
      }
    }
    return Object.fromEntries(byAction);
  }
}

function compileConditions(role: RoleSpec, block: Block, indexes: IndexTable): CompiledConditions | undefined {
  const conditions: RoleConditions = role[block];
  const site = (field: string): Site => ({ role: role.name, path: `spec.${block}.${field}` });
  const labels = compileLabels(conditions.db_labels, site("db_labels"));
  const users = compileUsers(conditions.db_users, site("db_users"), block === "deny");
  const rules =
    conditions.db_rules === undefined ? undefined : compileRules(conditions.db_rules, site("db_rules"), block, indexes);
  if (labels === undefined && users === undefined && rules === undefined) return undefined;
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(users === undefined ? {} : { users }),
    ...(rules === undefined ? {} : { rules }),
  };
}

function compileLabels(selectors: Readonly<Record<string, readonly string[]>>, site: Site): LabelMatcher | undefined {
  const entries = Object.entries(selectors);
  if (entries.length === 0) return undefined;
  const all: [string, Matcher][] = [];
  let any = false;
  for (const [key, values] of entries) {
    const here = { role: site.role, path: `${site.path}[${JSON.stringify(key)}]` };
    const matcher = compileLabelValues(values, here);
    if (key === "*") {
      if (values.length !== 1 || values[0] !== "*") {
        throw patternError(
          here,
          values.join(", "),
          "the key * goes with the value * only",
          "write '*': '*' for every database, or name the label",
        );
      }
      any = true;
    } else if (key.includes("{{")) {
      throw patternError(
        here,
        key,
        "a label's key cannot hold a template",
        "write the key out",
        "role_template_invalid",
      );
    }
    all.push([key, matcher]);
  }
  return any ? { any } : { all };
}

function compileRules(rules: readonly RoleRule[], site: Site, block: Block, indexes: IndexTable): CompiledRules {
  const list = rules.map((rule, at): CompiledRule => {
    const here = (field: string): Site => ({ role: site.role, path: `${site.path}[${at}].${field}` });
    assertLists(rule, here);
    return compileRule(rule, here, block);
  });
  return { index: indexes.nameOf(rules, block, site), list };
}

function compileRule(rule: RoleRule, here: (field: string) => Site, block: Block): CompiledRule {
  // Every attribute, in an allow, is no restriction: it must not ask for a proof either.
  const attributes = block === "allow" && rule.attributes?.includes("*") === true ? undefined : rule.attributes;
  const narrow = {
    ...(rule.indexes === undefined ? {} : { indexes: compileGlobs(rule.indexes, here("indexes"), admitResourceName) }),
    ...(rule.leading_keys === undefined ? {} : { leading_keys: compileGlobs(rule.leading_keys, here("leading_keys")) }),
    ...(attributes === undefined ? {} : { attributes: compileAttributes(attributes, here("attributes"), block) }),
    ...(rule.full_scan === undefined ? {} : { scans: [rule.full_scan] }),
    ...(rule.return_values === undefined
      ? {}
      : { returns: returnsOf(rule.return_values, here("return_values"), block) }),
  };
  // Which region is another one depends on the database. In a deny, a table's ARN is meant wherever it stands.
  const homes = block === "deny" ? (rule.resources ?? []).filter(isTableArn) : [];
  return {
    ...(rule.tables === undefined ? {} : { tables: compileGlobs(rule.tables, here("tables"), admitResourceName) }),
    ...(rule.resources === undefined ? {} : { resources: compileResources(rule.resources, here("resources"), block) }),
    ...(homes.length === 0 ? {} : { homes: compileGlobs(homes, here("resources")) }),
    ...(Object.keys(narrow).length === 0 ? {} : { narrow }),
  };
}

const LIST_FIELDS = [
  "actions",
  "tables",
  "indexes",
  "leading_keys",
  "attributes",
  "return_values",
  "resources",
] as const;

function assertLists(rule: RoleRule, here: (field: string) => Site): void {
  for (const field of LIST_FIELDS) {
    if (rule[field]?.length !== 0) continue;
    const hint = field === "actions" ? "name at least one action" : "leave the field out for all of them";
    throw new PosternError(
      "role_rule_empty",
      `Cannot load role "${here(field).role}": ${here(field).path} is an empty list`,
      { hint },
    );
  }
}

/** Who must not get some of an item must not get more of it. */
function returnsOf(values: readonly ReturnValues[], site: Site, block: Block): readonly ReturnValues[] {
  if (block === "allow") return values;
  if (values.includes("NONE")) {
    throw patternError(
      site,
      "NONE",
      "a denial of NONE would reach every access",
      "name what must not be returned, such as UPDATED_NEW, or leave return_values out",
    );
  }
  const least = Math.min(...values.map((value) => RETURN_VALUES.indexOf(value)));
  return RETURN_VALUES.slice(least);
}

/** What no table can be called would never match: in a deny, a hole. */
function admitResourceName(pattern: string, site: Site): void {
  if (pattern.includes("{{")) return;
  if (/^[\w.*-]+$/u.test(pattern)) {
    if (pattern.includes("*") || (pattern.length >= 3 && pattern.length <= 255)) return;
    throw patternError(
      site,
      pattern,
      "names of tables and indexes have 3 to 255 characters",
      "write the whole name, or a glob",
    );
  }
  const hint = pattern.startsWith("arn:")
    ? "write the table's name, without the rest of its ARN"
    : 'write a name or a glob such as "orders-*"';
  throw patternError(site, pattern, "names of tables and indexes hold letters, digits, _ - and . only", hint);
}
