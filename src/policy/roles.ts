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
  /** The rule is about accesses of which this is true. */
  readonly full_scan?: boolean;
  /** The rule is about accesses that return one of these (in a deny block: or more). */
  readonly return_values?: readonly ReturnValues[];
  /** Globs over ARNs of what is not a table: buckets, keys, streams, roles. */
  readonly resources?: readonly string[];
}

/** What a write can return, in DynamoDB's words. */
export type ReturnValues = (typeof RETURN_VALUES)[number];

/** From the one that shows least of what the caller did not write to the one that shows most. */
export const RETURN_VALUES = ["NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"] as const;
