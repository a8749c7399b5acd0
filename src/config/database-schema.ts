/** The schema of databases: entries of `db_service.databases`, and documents of kind `db`. Shape only; src/aws judges the rest. */

import * as z from "zod";
import type { DatabaseSpec } from "../aws/database.ts";
import { labels, metadata, name } from "../identity/metadata.ts";
import { keySchemas } from "./key-schema.ts";
import { refuse, unavailable, yesNo } from "../identity/shape.ts";

/** An entry of `db_service.databases`. */
export function databaseSchema(): z.ZodType<DatabaseSpec> {
  return z.strictObject({
    name: name().describe("What users call it."),
    description: z.string().optional().describe("For people."),
    static_labels: labels().optional().describe("Labels that roles choose databases by."),
    dynamic_labels: unavailable("dynamic labels are not available in this version", "write static_labels"),
    ...connection(),
  });
}

/** A document of kind `db`, which becomes the same thing. */
export function databaseResourceSchema(): z.ZodType<DatabaseSpec> {
  return z
    .strictObject({
      kind: z.literal("db"),
      version: z.enum(["v3"]),
      metadata: metadata(),
      spec: z.strictObject(connection()),
    })
    .superRefine(({ metadata: { expires } }, context) => {
      if (expires !== undefined)
        refuse(context, "a database cannot expire", "remove the document when it is no longer wanted", [
          "metadata",
          "expires",
        ]);
    })
    .transform(({ metadata, spec }) => ({
      name: metadata.name,
      ...(metadata.description === undefined ? {} : { description: metadata.description }),
      ...(metadata.labels === undefined ? {} : { static_labels: metadata.labels }),
      ...spec,
    }));
}

/** Where a key of a `DatabaseSpec` stands in a document of kind `db`. */
export function resourcePathOf(path: readonly (string | number)[]): readonly (string | number)[] {
  const [head, ...rest] = path;
  if (head === undefined || head === "name") return ["metadata", "name"];
  if (head === "description") return ["metadata", "description"];
  if (head === "static_labels") return ["metadata", "labels", ...rest];
  return ["spec", ...path];
}

/** What both forms share. */
function connection() {
  return {
    protocol: z.literal("dynamodb", "expected dynamodb").describe("Only `dynamodb`."),
    uri: z
      .string()
      .min(1, "expected an endpoint")
      .optional()
      .describe("Endpoint; derived from the region when absent. `http://` reaches an emulator."),
    insecure: yesNo().optional().describe("Lets an `http://` uri name another machine."),
    key_schema: keySchemas()
      .optional()
      .describe(
        "Keys of tables, by name: `{orders: {partition_key: tenant, sort_key: id, indexes: {…}}}`; absent: DescribeTable tells.",
      ),
    aws: aws().optional().describe("Account, region and how to get there."),
    tls: unavailable("how AWS is reached over TLS is not configurable", "remove it"),
    ca_cert_file: unavailable("how AWS is reached over TLS is not configurable", "remove it"),
  };
}

function aws(): z.ZodType<NonNullable<DatabaseSpec["aws"]>> {
  return z.strictObject({
    region: z.string().min(1, "expected a region").optional().describe("AWS region; read from the uri when absent."),
    account_id: accountId().describe("AWS account of the tables, 12 digits in quotes."),
    assume_role_arn: z.string().optional().describe("Role to assume before the user's."),
    external_id: z.string().optional().describe("Sent when roles are assumed."),
    session_tags: z.record(z.string(), z.string()).optional().describe("Tags of every AWS session."),
    identity_tags: z
      .strictObject({
        source_identity: yesNo().optional().describe("Sets the user's name as SourceIdentity."),
        user_tag: z.string().optional().describe("Key of a session tag that holds the user's name."),
      })
      .optional()
      .describe("How AWS learns who the user is, where trust policies allow it."),
    account_endpoints: yesNo().optional().describe("Uses hosts with the account in their name."),
  });
}

function accountId(): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    if (!/^[0-9]{12}$/.test(text))
      refuse(
        context,
        `expected an AWS account, not ${JSON.stringify(text.slice(0, 40))}`,
        'write its 12 digits in quotes, such as "123456789012"',
      );
  });
}
