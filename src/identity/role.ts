/** What a role is, and how its document becomes one or is refused. */

import { quoted } from "./names.ts";
import { DocumentError, type DocumentPath, type Problem } from "./problem.ts";
import type { ReturnValues } from "./return-values.ts";
import { roleSchema } from "./role-schema.ts";
import { doubtsAbout } from "./role-warnings.ts";
import { parseShape } from "./shape.ts";
import {
  FOREIGN_CONDITIONS,
  FOREIGN_OPTIONS,
  isMapping,
  RESTRICTING_OPTIONS,
  withoutForeign,
} from "./teleport-keys.ts";

/** A role: what it grants and denies, every list written out. */
export interface Role {
  readonly name: string;
  readonly description?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly allow: RoleConditions;
  readonly deny: RoleConditions;
  readonly options: RoleOptions;
  /** True for the roles that are always there. */
  readonly builtIn: boolean;
}

/** One block of a role. */
export interface RoleConditions {
  /** Label → selectors of its value. Empty: no database. */
  readonly db_labels: Readonly<Record<string, readonly string[]>>;
  readonly db_users: readonly string[];
  /** Absent: every operation (in a deny block: none); never empty. */
  readonly db_rules?: readonly RoleRule[];
  /** What may, or may not, be done to the cluster's own resources; never empty. */
  readonly rules?: readonly ResourceRule[];
}

/** One entry of `rules`: both lists as words, `*` for all. */
export interface ResourceRule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** One entry of `db_rules`. A list that is absent restricts nothing; one that is present is never empty. */
export interface RoleRule {
  readonly actions: readonly string[];
  readonly tables?: readonly string[];
  readonly indexes?: readonly string[];
  readonly leading_keys?: readonly string[];
  readonly attributes?: readonly string[];
  readonly full_scan?: boolean;
  readonly return_values?: readonly ReturnValues[];
  readonly resources?: readonly string[];
}

export interface RoleOptions {
  /** Milliseconds. */
  readonly max_session_ttl?: number;
}

/** What reading a document gives besides its meaning. */
export interface Parsed<T> {
  readonly value: T;
  /** What was read past. */
  readonly warnings: readonly Problem[];
}

/**
 * Reads a role's document, as YAML gave it. Versions v4 to v8 mean the same here. v3 and older are refused: there, a role
 * without `db_labels` reached every database, and reading it otherwise would surprise either way.
 *
 * @throws DocumentError `role_invalid` with every problem
 */
export function parseRole(document: unknown): Parsed<Role> {
  const { value: stripped, warnings, problems: optionProblems } = withoutForeignKeys(document);
  const shaped = parseShape(SCHEMA, stripped);
  const problems = [...("problems" in shaped ? shaped.problems.map(explained) : []), ...optionProblems];
  if ("problems" in shaped || problems.length > 0)
    throw new DocumentError("role_invalid", `Cannot load ${called(document)}`, problems);
  const { metadata, spec } = shaped.value;
  const role: Role = {
    name: metadata.name,
    ...(metadata.description === undefined ? {} : { description: metadata.description }),
    labels: metadata.labels ?? {},
    ...spec,
    builtIn: false,
  };
  return { value: role, warnings: [...warnings, ...doubtsAbout(spec)] };
}

const SCHEMA = roleSchema();

function withoutForeignKeys(document: unknown): { value: unknown; warnings: Problem[]; problems: Problem[] } {
  const spec = isMapping(document) ? document["spec"] : undefined;
  if (!isMapping(document) || !isMapping(spec)) return { value: document, warnings: [], problems: [] };
  const allow = withoutForeign(spec["allow"], FOREIGN_CONDITIONS, ["spec", "allow"]);
  const deny = withoutForeign(spec["deny"], FOREIGN_CONDITIONS, ["spec", "deny"]);
  const options = withoutForeign(spec["options"], FOREIGN_OPTIONS, ["spec", "options"]);
  const restricting = withoutRestricting(options.value);
  const value = {
    ...document,
    spec: {
      ...spec,
      ...("allow" in spec ? { allow: allow.value } : {}),
      ...("deny" in spec ? { deny: deny.value } : {}),
      ...("options" in spec ? { options: restricting.value } : {}),
    },
  };
  return {
    value,
    warnings: [...allow.warnings, ...deny.warnings, ...options.warnings],
    problems: restricting.problems,
  };
}

function withoutRestricting(options: unknown): { value: unknown; problems: Problem[] } {
  if (!isMapping(options)) return { value: options, problems: [] };
  const problems: Problem[] = [];
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    const harmless = Object.hasOwn(RESTRICTING_OPTIONS, key) ? RESTRICTING_OPTIONS[key] : undefined;
    if (harmless === undefined) kept[key] = value;
    else if (value !== null && !harmless.includes(value)) {
      const path: DocumentPath = ["spec", "options", key];
      const message = `spec.options.${key}: this version does not enforce it, and the role would grant more than it says`;
      problems.push({ path, at: "key", message, hint: "remove the option once you accept that" });
    }
  }
  return { value: kept, problems };
}

/** Versions before v4 deserve more than "expected v4, v5 …". */
function explained(problem: Problem): Problem {
  if (problem.path.join(".") !== "version") return problem;
  return { ...problem, hint: "write version: v7; a role of v3 also needs db_labels: {'*': '*'} where it had none" };
}

function called(document: unknown): string {
  const metadata = isMapping(document) ? document["metadata"] : undefined;
  const name = isMapping(metadata) ? metadata["name"] : undefined;
  return typeof name === "string" && name !== "" ? `role ${quoted(name)}` : "a role without a name";
}
