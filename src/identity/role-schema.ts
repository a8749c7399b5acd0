/** The schema of a role's document: parser and reference in one. */

import * as z from "zod";
import { parseDuration } from "./duration.ts";
import { metadata, type Metadata } from "./metadata.ts";
import { quoted } from "./names.ts";
import { RETURN_VALUES } from "./return-values.ts";
import type { ResourceRule, RoleConditions, RoleOptions, RoleRule } from "./role.ts";
import { refuse, unavailable } from "./shape.ts";

/** A role's document once read. */
export interface RoleDocument {
  readonly metadata: Metadata;
  readonly spec: { readonly allow: RoleConditions; readonly deny: RoleConditions; readonly options: RoleOptions };
}

/** Reads a role's document from which foreign keys have been taken out. */
export function roleSchema(): z.ZodType<RoleDocument> {
  return z
    .strictObject({
      kind: z.literal("role"),
      version: z.enum(["v4", "v5", "v6", "v7", "v8"]).describe("All mean the same here; write `v7`."),
      metadata: metadata(),
      spec: z.strictObject({
        allow: conditions().nullish().describe("What the role grants: labels, user and one rule must match together."),
        deny: conditions()
          .nullish()
          .describe("What the role denies, whatever any role grants: labels, users and rules each suffice."),
        options: options().nullish().describe("Settings of sessions."),
      }),
    })
    .superRefine(({ metadata: { expires } }, context) => {
      if (expires !== undefined) {
        refuse(context, "a role cannot expire in this version", "let the user expire, or take the role from the user", [
          "metadata",
          "expires",
        ]);
      }
    })
    .transform(({ metadata, spec }) => ({
      metadata,
      spec: { allow: spec.allow ?? NOTHING, deny: spec.deny ?? NOTHING, options: spec.options ?? {} },
    }));
}

const NOTHING: RoleConditions = Object.freeze({ db_labels: Object.freeze({}), db_users: Object.freeze([]) });

function conditions(): z.ZodType<RoleConditions> {
  return z
    .strictObject({
      db_labels: labelSelector()
        .nullish()
        .describe("Label → value, or list of values, of the databases meant; `'*': '*'` for every database."),
      db_users: texts("db_users").nullish().describe("AWS roles: names, paths or ARNs, with `*` as wildcard."),
      db_rules: z
        .array(rule())
        .nullish()
        .describe("Operations, tables and keys; absent: every operation (in `deny`: none)."),
      db_names: unavailable(
        "DynamoDB has no database names within a database",
        "use db_labels to choose databases and db_rules for tables",
      ),
      db_permissions: unavailable(
        "db_permissions are for databases with schemas",
        "write db_rules: actions, tables, keys and attributes",
      ),
      db_labels_expression: unavailable("label expressions are not available in this version", "write db_labels"),
      rules: z
        .array(resourceRule())
        .nullish()
        .describe("What may be done to the cluster's own resources; for DynamoDB write `db_rules`."),
      request: unavailable("access requests are not available in this version", "remove it"),
      review_requests: unavailable("access requests are not available in this version", "remove it"),
    })
    .superRefine((block, context) => {
      // An empty db_rules would read as "none" in one place and "every operation" in another.
      if (block.db_rules?.length === 0) {
        refuse(context, "the list is empty", "leave it out for every operation, or remove db_users for none", [
          "db_rules",
        ]);
      }
    })
    .transform((block) => ({
      db_labels: block.db_labels ?? {},
      db_users: block.db_users ?? [],
      ...(block.db_rules == null ? {} : { db_rules: block.db_rules }),
      // Other printers write what is not set as an empty list.
      ...(block.rules == null || block.rules.length === 0 ? {} : { rules: block.rules }),
    }));
}

/** Words are a closed list: in `deny`, one that names nothing would deny nothing. */
function resourceRule(): z.ZodType<ResourceRule> {
  const words = (what: "resources" | "verbs", known: readonly string[]): z.ZodType<string[]> =>
    z.array(z.enum(known, { error: `expected ${known.join(", ")}` })).superRefine((list, context) => {
      if (list.length === 0) refuse(context, "the list is empty", `write '*' for all ${what}`);
    });
  return z.strictObject({
    resources: words("resources", ADMINISTERED).describe("Kinds of resource, or `'*'`; `event` is the audit log."),
    verbs: words("verbs", VERBS).describe("`list`, `read`, `create`, `update`, `delete`, or `'*'`."),
    where: unavailable("conditions of rules are not available in this version", "remove the rule, or the condition"),
    actions: unavailable("actions of rules are not available in this version", "remove it"),
  });
}

const ADMINISTERED = ["role", "user", "db", "token", "lock", "oidc", "event", "*"];
const VERBS = ["list", "read", "create", "update", "delete", "*"];

function rule(): z.ZodType<RoleRule> {
  return z
    .strictObject({
      actions: filled("actions").describe(
        "IAM action names, globs, or the access levels list, read, write, tagging, permissions.",
      ),
      tables: filled("tables").optional().describe("Names or globs; absent: all tables."),
      indexes: filled("indexes").optional().describe("Names or globs; narrows indexes only; absent: all indexes."),
      leading_keys: filled("leading_keys").optional().describe("Partition key values; globs and templates allowed."),
      attributes: filled("attributes")
        .optional()
        .describe("Attribute paths; reads must project within, writes must touch only these."),
      full_scan: z.boolean("expected true or false").optional().describe("Only accesses of which this is true."),
      return_values: z
        .array(z.enum(RETURN_VALUES, { error: `expected ${RETURN_VALUES.join(", ")}` }))
        .superRefine((list, context) => {
          if (list.length === 0) refuse(context, "the list is empty", "leave return_values out for all");
        })
        .optional()
        .describe("Only accesses that return one of these; in `deny`, or more than one of these."),
      resources: filled("resources")
        .optional()
        .describe("ARNs of buckets, keys, streams and roles, with `*`; for what is not a table."),
    })
    .transform(({ actions, tables, indexes, leading_keys, attributes, full_scan, return_values, resources }) => ({
      actions,
      ...(tables === undefined ? {} : { tables }),
      ...(indexes === undefined ? {} : { indexes }),
      ...(leading_keys === undefined ? {} : { leading_keys }),
      ...(attributes === undefined ? {} : { attributes }),
      ...(full_scan === undefined ? {} : { full_scan }),
      ...(return_values === undefined ? {} : { return_values }),
      ...(resources === undefined ? {} : { resources }),
    }));
}

function options(): z.ZodType<RoleOptions> {
  return z
    .strictObject({ max_session_ttl: duration().optional().describe("Longest session, for example `8h`.") })
    .transform(({ max_session_ttl }) => (max_session_ttl === undefined ? {} : { max_session_ttl }));
}

function duration(): z.ZodType<number> {
  return z.string().transform((text, context) => {
    const span = parseDuration(text);
    if (span !== undefined) return span;
    refuse(context, `expected a duration, not ${quoted(text)}`, "write it as 8h or 1h30m");
    return z.NEVER;
  });
}

/** Label → values; a single text is a list of one. */
function labelSelector(): z.ZodType<Readonly<Record<string, readonly string[]>>> {
  return z.record(
    z.string().min(1, "is empty"),
    z
      .union([z.string(), z.array(z.string())], { error: "expected a text or a list of texts" })
      .transform((value, context) => {
        if (value.length > 0 || value === "") return typeof value === "string" ? [value] : value;
        refuse(context, "the list is empty and would match nothing", "write a value, '*' for any, or remove the key");
        return z.NEVER;
      }),
  );
}

function texts(what: string): z.ZodType<string[]> {
  return z.array(
    z
      .string()
      .superRefine(
        (text, context) => void (text === "" && refuse(context, `an entry of ${what} is empty`, "remove it")),
      ),
  );
}

/** A list whose absence means "all", so that an empty one must not be taken for it. */
function filled(what: string): z.ZodType<string[]> {
  return texts(what).superRefine((list, context) => {
    if (list.length === 0)
      refuse(
        context,
        "the list is empty",
        what === "actions" ? "write '*' for every action" : `leave ${what} out for all`,
      );
  });
}
