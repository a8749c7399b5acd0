/** What policy is asked: the shape of `input`, version 1. Its JSON Schema is policies/schemas/input.json. */

/** The whole question. */
export interface PolicyInput {
  readonly version: 1;
  /** RFC 3339 in UTC with milliseconds. */
  readonly time: string;
  readonly user: PolicyUser;
  readonly client: { readonly ip: string; readonly user_agent: string };
  readonly database: PolicyDatabase;
  /** The AWS role that the caller chose, as a full ARN. */
  readonly db_user: string;
  readonly request: PolicyRequest;
}

export interface PolicyUser {
  readonly name: string;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  readonly mfa_verified: boolean;
}

export interface PolicyDatabase {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly region: string;
  readonly account_id: string;
  readonly partition: string;
}

export interface PolicyRequest {
  readonly service: "dynamodb";
  /** The wire name, for example `TransactWriteItems`. */
  readonly operation: string;
  /** The decision id, also in the answer's `x-postern-decision-id` and in the audit event. */
  readonly id: string;
  /** One for every table × kind of access; never empty. */
  readonly accesses: readonly PolicyAccess[];
}

export type PolicyLevel = "list" | "read" | "write" | "tagging" | "permissions";

export interface PolicyAccess {
  /** The name that IAM uses, for example `dynamodb:PutItem`. */
  readonly action: string;
  readonly level: PolicyLevel;
  /** What else the access does, as action names: a BatchWriteItem that holds a put has `dynamodb:PutItem`. Only denies look at it. */
  readonly effects?: readonly string[];
  /** The operation that carries it, for example `TransactWriteItems`. */
  readonly via: string;
  readonly table: string | null;
  readonly index: string | null;
  readonly arn: string;
  readonly keys_known: boolean;
  readonly leading_keys: readonly string[];
  /** They are values of the table's own partition key, not of an index's; null when that is not known. */
  readonly own_keys: boolean | null;
  readonly attributes_known: boolean;
  readonly attributes: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly select: string | null;
  readonly return_values: string;
  /** It replaces or removes items as a whole, with attributes that it does not name. */
  readonly whole_item: boolean;
  readonly full_scan: boolean;
  readonly consistent: boolean;
}
