/** A database as the rest of Postern sees it, and how its configuration becomes one or is refused. */

import { formatArn, parseRoleArn } from "./arn.ts";
import { AwsError } from "./errors.ts";
import {
  awsEndpoint,
  type DynamoDbService,
  type Endpoint,
  parseEndpoint,
  type Upstream,
  type Upstreams,
  upstreamsOf,
} from "./endpoints.ts";
import { type ConfiguredTable, resolveKeySchemas, type TableKeysSpec } from "./key-schemas.ts";
import { commercial, type PartitionId, partitionOf } from "./partitions.ts";
import { resolveIdentityTags, resolveSessionTags, type IdentityTags, type IdentityTagsSpec } from "./session-tags.ts";

/** One entry of `db_service.databases`, as written in YAML. */
export interface DatabaseSpec {
  readonly name: string;
  /** For people. */
  readonly description?: string | undefined;
  readonly protocol: string;
  readonly uri?: string | undefined;
  readonly static_labels?: Readonly<Record<string, string>> | undefined;
  /** Lets an `http://` uri name a host other than this machine. */
  readonly insecure?: boolean | undefined;
  readonly key_schema?: Readonly<Record<string, TableKeysSpec>> | undefined;
  readonly aws?: DatabaseAwsSpec | undefined;
}

/** The `aws` section of a database. */
export interface DatabaseAwsSpec {
  readonly region?: string | undefined;
  /** A number is what YAML makes of an account written without quotes. */
  readonly account_id?: string | number | undefined;
  readonly assume_role_arn?: string | undefined;
  readonly external_id?: string | undefined;
  readonly session_tags?: Readonly<Record<string, string>> | undefined;
  /** Use hosts with the account in their name (`123456789012.ddb.…`); default false. */
  readonly account_endpoints?: boolean | undefined;
  readonly identity_tags?: IdentityTagsSpec | undefined;
}

/** An account and region whose ARNs name tables of a database. */
export interface ArnScope {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
}

/** A database, checked and complete. Immutable: a changed configuration makes a new one. */
export interface Database {
  readonly name: string;
  /** For people. */
  readonly description?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly region: string;
  readonly accountId: string;
  readonly partition: PartitionId;
  /** The uri as configured, or the one derived from the region. */
  readonly uri: string;
  readonly insecure: boolean;
  /** True for an `http://` uri. */
  readonly emulator: boolean;
  /** True when the uri names FIPS endpoints; STS is then asked at its FIPS endpoint where it has one. */
  readonly fips: boolean;
  readonly upstreams: Upstreams;
  /** Full ARN of the role assumed before the user's, if any. */
  readonly assumeRoleArn: string | undefined;
  readonly externalId: string | undefined;
  readonly sessionTags: Readonly<Record<string, string>>;
  readonly identityTags: IdentityTags;
  /** Keys of tables that the configuration gives, by table. */
  readonly keySchemas: ReadonlyMap<string, ConfiguredTable>;
  /** The scopes whose ARNs name this database's tables: its own first, then those an emulator invents. */
  readonly arnScopes: readonly [ArnScope, ...ArnScope[]];
}

/** The upstream of one service of a database. */
export function upstreamFor(database: Database, service: DynamoDbService): Upstream {
  return database.upstreams[service];
}

/**
 * Checks one `databases` entry and completes it from its uri, or the uri from its region.
 *
 * @throws AwsError `database_invalid`, `endpoint_invalid`, `region_invalid`, `arn_invalid`, `role_arn_invalid` or
 * `role_partition_mismatch`, naming the database, the value and what to write instead.
 */
export function resolveDatabase(spec: DatabaseSpec): Database {
  const refuse = (reason: string, hint?: string): AwsError =>
    new AwsError(
      "database_invalid",
      `Cannot load database ${JSON.stringify(spec.name)}: ${reason}`,
      hint === undefined ? {} : { hint },
    );
  const aws = spec.aws ?? {};
  if (!NAME.test(spec.name) || spec.name.length > 128) {
    throw refuse(
      "a name has up to 128 small letters, digits and dashes, begins with a letter and does not end with a dash",
    );
  }
  if (spec.protocol !== "dynamodb") {
    throw refuse(
      spec.protocol === "" ? "its protocol is empty" : `its protocol is ${JSON.stringify(spec.protocol)}`,
      'write protocol: "dynamodb"',
    );
  }
  for (const [key, value] of Object.entries({ uri: spec.uri, ...aws })) {
    if (typeof value === "string" && PLACEHOLDER.test(value)) {
      throw refuse(
        `${key} still has the placeholder ${JSON.stringify(value)}`,
        PLACEHOLDER_HINTS[key] ?? "replace it with your own value",
      );
    }
  }
  for (const [key, value] of Object.entries(spec.static_labels ?? {})) {
    if (!LABEL_KEY.test(key))
      throw refuse(`label key ${JSON.stringify(key)} is not allowed`, "use letters, digits and / . _ : * -");
    if (typeof value !== "string")
      throw refuse(`label ${JSON.stringify(key)} is not a string`, "write the value in quotes");
  }
  const accountId = resolveAccount(aws.account_id, refuse);
  const endpoint = resolveEndpoint(spec, aws, refuse);
  const region = resolveRegion(spec.uri, aws.region, endpoint, refuse);
  if (endpoint.kind === "aws" && endpoint.accountId !== undefined && endpoint.accountId !== accountId) {
    throw refuse(
      `its uri names account ${endpoint.accountId}, account_id is ${accountId}`,
      "leave the uri out and set account_endpoints: true",
    );
  }
  const emulator = endpoint.kind === "emulator";
  const partition = emulator && !isPlaced(region) ? commercial.id : partitionOf(region).id;
  const scope: ArnScope = { partition, region, accountId };
  const sessionTags = resolveSessionTags(aws.session_tags, refuse);
  const upstreams = upstreamsOf(endpoint, region, aws.account_endpoints === true ? accountId : undefined);
  const database: Database = {
    name: spec.name,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    labels: Object.freeze({ ...spec.static_labels }),
    region,
    accountId,
    partition,
    uri: spec.uri ?? upstreams.dynamodb.origin,
    insecure: spec.insecure ?? false,
    emulator,
    fips: (endpoint.kind === "aws" || endpoint.kind === "vpce") && endpoint.fips,
    upstreams,
    assumeRoleArn: resolveFirstRole(aws.assume_role_arn, partition),
    externalId: resolveExternalId(aws.external_id, refuse),
    sessionTags,
    identityTags: resolveIdentityTags(aws.identity_tags, sessionTags, refuse),
    keySchemas: resolveKeySchemas(spec.key_schema),
    arnScopes: emulator ? [scope, DYNAMODB_LOCAL] : [scope],
  };
  return Object.freeze(database);
}

const NAME = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const LABEL_KEY = /^[a-zA-Z0-9/._:*-]+$/;
const PLACEHOLDER = /CHANGEME|this-is-an-example|insecure-do-not-use|^<[^>]*>$|^your[-_]/i;
const PLACEHOLDER_HINTS: Readonly<Record<string, string>> = {
  account_id: "write your AWS account number, 12 digits in quotes (aws sts get-caller-identity --query Account)",
  uri: "leave uri out: it is derived from the region",
};

// What DynamoDB Local puts into the ARNs of its tables and streams, whatever the request said.
const DYNAMODB_LOCAL: ArnScope = { partition: "aws", region: "ddblocal", accountId: "000000000000" };

type Refuse = (reason: string, hint?: string) => AwsError;

function resolveAccount(account: string | number | undefined, refuse: Refuse): string {
  const text = account === undefined ? "" : String(account);
  if (text === "") throw refuse("its account_id is empty", "write the 12 digits of the AWS account in quotes");
  if (/^\d{12}$/.test(text)) return text;
  const hint =
    typeof account === "number"
      ? "write it in quotes: a number without quotes loses leading zeros"
      : "an AWS account has exactly 12 digits, without dashes";
  throw refuse(`its account_id ${JSON.stringify(text)} is not an AWS account number`, hint);
}

function resolveEndpoint(spec: DatabaseSpec, aws: DatabaseAwsSpec, refuse: Refuse): Endpoint {
  if (spec.uri !== undefined && spec.uri !== "") return parseEndpoint(spec.uri, spec.insecure ?? false);
  if (aws.region === undefined || aws.region === "") {
    throw refuse("it has neither a uri nor an AWS region to derive one from", "set aws.region");
  }
  return awsEndpoint(aws.region);
}

function resolveRegion(
  uri: string | undefined,
  region: string | undefined,
  endpoint: Endpoint,
  refuse: Refuse,
): string {
  const told = region === "" ? undefined : region;
  if (endpoint.kind === "aws" || endpoint.kind === "vpce") {
    if (told !== undefined && told !== endpoint.region) {
      throw refuse(
        `its region "${told}" is not the one of its uri ${JSON.stringify(uri)}, "${endpoint.region}"`,
        "leave the uri out: it is derived from the region",
      );
    }
    return endpoint.region;
  }
  if (told === undefined)
    throw refuse(`its AWS region is empty and ${JSON.stringify(uri)} does not say one`, "set aws.region");
  if (!/^[a-z0-9-]{1,64}$/.test(told)) throw refuse(`its region ${JSON.stringify(told)} is not an AWS region`);
  if (endpoint.kind === "custom") partitionOf(told);
  return told;
}

function isPlaced(region: string): boolean {
  return region.includes("-");
}

function resolveFirstRole(arn: string | undefined, partition: PartitionId): string | undefined {
  if (arn === undefined || arn === "") return undefined;
  const parsed = parseRoleArn(arn);
  if (parsed.partition !== partition) {
    throw new AwsError(
      "role_partition_mismatch",
      `Cannot use assume_role_arn ${JSON.stringify(arn)}: it is in partition "${parsed.partition}", the database in "${partition}"`,
    );
  }
  return formatArn(parsed);
}

function resolveExternalId(id: string | undefined, refuse: Refuse): string | undefined {
  if (id === undefined || id === "") return undefined;
  if (!/^[A-Za-z0-9_+=,.@:/-]{2,1224}$/.test(id)) {
    throw refuse("its external_id is not one that STS takes", "use 2 to 1224 letters, digits and _ + = , . @ : / -");
  }
  return id;
}
