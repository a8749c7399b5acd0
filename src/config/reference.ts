/** The reference and the JSON Schema, written by the schema that reads the files. */

import * as z from "zod";
import { joinTokenSchema } from "../identity/join-token-schema.ts";
import { lockSchema } from "../identity/lock.ts";
import { oidcSchema } from "../identity/oidc-schema.ts";
import { roleSchema } from "../identity/role-schema.ts";
import { isRefused } from "../identity/shape.ts";
import { FOREIGN_CONDITIONS, FOREIGN_OPTIONS, RESTRICTING_OPTIONS } from "../identity/teleport-keys.ts";
import { userSchema } from "../identity/user.ts";
import { databaseResourceSchema } from "./database-schema.ts";
import { configSchema } from "./schema.ts";

/** JSON Schema (draft 2020-12) of the configuration file, for editors. Ends with a line feed. */
export function configJsonSchema(): string {
  const generated = z.toJSONSchema(configSchema(), {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (!isRefused(zodSchema)) return;
      for (const key of Object.keys(jsonSchema))
        if (key !== "description") delete jsonSchema[key as keyof typeof jsonSchema];
      jsonSchema.not = {};
    },
  });
  const { properties, ...rest } = generated;
  const schema = {
    ...rest,
    title: "Postern configuration",
    properties: {
      ...properties,
      teleport: { ...(properties?.["postern"] as object), description: "Another name for postern." },
    },
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** docs/reference/configuration.md, whole. */
export function configurationReference(): string {
  const kinds = [
    ["role", "version: v7", roleSchema()],
    ["user", "version: v2", userSchema()],
    ["lock", "version: v2", lockSchema()],
    ["db", "version: v3", databaseResourceSchema()],
    ["token", "version: v2", joinTokenSchema()],
    ["oidc", "version: v3", oidcSchema()],
  ] as const;
  return [
    INTRODUCTION,
    "## The configuration file",
    "",
    table(rowsOf(configSchema(), "")),
    RESOURCES,
    ...kinds.flatMap(([kind, version, schema]) => [
      `### kind: ${kind}, ${version}`,
      "",
      table(rowsOf(schema, "")),
      ...(kind === "role" ? [ROLE_NOTES] : kind === "token" ? [TOKEN_NOTES] : kind === "oidc" ? [OIDC_NOTES] : []),
    ]),
  ].join("\n");
}

interface Row {
  readonly path: string;
  readonly form: string;
  readonly fallback: string;
  readonly description: string;
}

/** The parts of a zod definition that this reads. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly defaultValue?: unknown;
}

function rowsOf(schema: z.core.$ZodType, prefix: string): Row[] {
  const { shape = {}, options = [] } = definitionOf(core(schema));
  // Mappings that differ by a word in them: one after another, each beginning with its word.
  if (options.length > 0 && options.every((option) => definitionOf(option).shape !== undefined))
    return options.flatMap((option) => rowsOf(option, prefix));
  return Object.entries(shape).flatMap(([key, inner]) => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    const within = core(inner);
    const definition = definitionOf(within);
    const row = { path, form: formOf(inner), fallback: fallbackOf(inner), description: describe(inner) };
    const isList = definition.type === "array" && definition.element !== undefined;
    return [
      row,
      ...(isRefused(inner)
        ? []
        : rowsOf(isList ? (definition.element as z.core.$ZodType) : within, isList ? `${path}[]` : path)),
    ];
  });
}

/** The schema without what merely wraps it. */
function core(schema: z.core.$ZodType): z.core.$ZodType {
  const { innerType, in: input } = definitionOf(schema);
  const inner = innerType ?? input;
  return inner === undefined ? schema : core(inner);
}

function definitionOf(schema: z.core.$ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

function formOf(schema: z.core.$ZodType): string {
  if (isRefused(schema)) return "–";
  const { type, options, entries, values, element, valueType } = definitionOf(core(schema));
  if (options !== undefined) {
    const forms = [...new Set(options.map(formOf))];
    return forms.some((form) => form.includes("`yes`")) ? "`yes` or `no`" : forms.join(", or ");
  }
  if (entries !== undefined)
    return Object.values(entries)
      .map((word) => `\`${word}\``)
      .join(", ");
  if (values !== undefined) return values.map((word) => `\`${String(word)}\``).join(", ");
  if (element !== undefined)
    return `list of ${definitionOf(core(element)).shape === undefined ? formOf(element) : "mappings"}`;
  if (valueType !== undefined) return `mapping of ${formOf(valueType)}`;
  return FORMS[type] ?? type;
}

const FORMS: Readonly<Record<string, string>> = {
  string: "text",
  number: "number",
  int: "number",
  object: "mapping",
  unknown: "anything",
  boolean: "`true` or `false`",
};

function fallbackOf(schema: z.core.$ZodType): string {
  const { type, defaultValue, innerType } = definitionOf(schema);
  if (isRefused(schema)) return "";
  if (type === "default" || type === "prefault")
    return typeof defaultValue === "object" ? "" : `\`${JSON.stringify(defaultValue).replaceAll('"', "")}\``;
  if (type === "optional" || type === "nullable") return "";
  return innerType === undefined ? "required" : fallbackOf(innerType);
}

function describe(schema: z.core.$ZodType): string {
  const own = z.globalRegistry.get(schema)?.description;
  const { innerType, in: input } = definitionOf(schema);
  const inner = innerType ?? input;
  return own ?? (inner === undefined ? "" : describe(inner));
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ path, form, fallback, description }) =>
      `| \`${path}\` | ${escape(form)} | ${fallback} | ${escape(description)} |`,
  );
  return ["| key | value | default | meaning |", "|---|---|---|---|", ...lines, ""].join("\n");
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|");
}

const INTRODUCTION = `# Configuration and resources

<!-- Written by scripts/reference.ts from the schema in src/config/schema.ts; a test fails when it is out of date. -->

A file that is not exactly what this page says is refused, with every fault at its file, line and column. Files are YAML 1.2
(or JSON), at most 1 MiB each. Switches take \`yes\`, \`no\`, \`true\`, \`false\`, \`on\` and \`off\`, quoted or not; any other text
that YAML would read as a number or a switch must be quoted. Relative paths count from the file's own directory.
`;

const RESOURCES = `## Resources

\`postern.resources\` names a directory. Every \`*.yaml\`, \`*.yml\` and \`*.json\` file in it is read, with one or many documents in
each, and read again when it changes. Subdirectories and names that begin with a dot are left out. The directory is judged as
one set: when any document is bad, all of the new set is refused and the last good one stays in force. Write a file under
another name and rename it into place: a half-written file may read as a shorter, valid one.

The roles \`access\`, \`editor\` and \`auditor\` are always there and cannot be replaced. Names have at most 255 characters, none of
them invisible. A time is RFC 3339, such as \`2026-12-31T23:59:59Z\`.
`;

const TOKEN_NOTES = `Tokens belong to a cluster and are not read from a directory. A rule's \`aws_arn\` is what \`aws sts get-caller-identity\`
prints, or the role's ARN without its path. A \`*\` stays between the slashes and colons around it, unlike in Teleport: whoever
may assume a role chooses the session's name.
`;

const OIDC_NOTES = `Connectors belong to a cluster and are not read from a directory. Every claim that is a text or a list of texts becomes a trait
of its name; claims that are about the token and not the person do not.
`;

const ROLE_NOTES = `Teleport's roles can be used as they are when they mean the same here. Versions \`v4\` to \`v8\` do. \`v3\` and older are refused: in
those, a role without \`db_labels\` reaches every database; write \`version: v7\` and \`db_labels: {'*': '*'}\` if that is meant.

These keys of \`spec.allow\` and \`spec.deny\` concern other kinds of resource. They are read past with a warning:
${[...FOREIGN_CONDITIONS].map((key) => `\`${key}\``).join(", ")}.

So are these options: ${[...FOREIGN_OPTIONS].map((key) => `\`${key}\``).join(", ")}.

These options would restrict access to databases, which this version does not do. A role that sets one is refused, because it
would grant more than it says: ${Object.keys(RESTRICTING_OPTIONS)
  .map((key) => `\`${key}\``)
  .join(", ")}. Values that restrict nothing are accepted.
`;
