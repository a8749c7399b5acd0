/** What a role says, once its YAML has been read: plain lists, before anything is compiled. */

/** A role as its `spec` says it. */
export interface RoleSpec {
  readonly name: string;
  readonly allow: RoleConditions;
  readonly deny: RoleConditions;
}

/** One block of a role, `allow` or `deny`. */
export interface RoleConditions {
  /** Label key → selectors of its value. Empty: no database. `{"*": ["*"]}`: every database, even without labels. */
  readonly db_labels: Readonly<Record<string, readonly string[]>>;
  /** Selectors of AWS roles: names, `role/…`, paths, ARNs, globs. Empty: none. */
  readonly db_users: readonly string[];
  /** Absent: every operation (in a deny block: none). */
  readonly db_rules?: readonly RoleRule[];
}

/** One entry of `db_rules`. A list that is absent restricts nothing; one that is present is never empty. */
export interface RoleRule {
  /** IAM action names, globs, or access levels. */
  readonly actions: readonly string[];
  readonly tables?: readonly string[];
  /** Narrows indexes only, never the table itself. */
  readonly indexes?: readonly string[];
  readonly leading_keys?: readonly string[];
  /** Attribute paths; segments that hold `.`, `[` or `]` are written in backquotes. */
  readonly attributes?: readonly string[];
}
