/** What the operation table says of one operation. */

import type { Level } from "./actions.ts";

/** Which upstream host serves an operation. */
export type ServiceHost = "dynamodb" | "streams" | "search";

/** What an operation moves: items, facts about tables, settings, whole data sets, authority, or tags. */
export type DataClass = "data_read" | "data_write" | "metadata" | "admin" | "bulk" | "permissions" | "tags";

/** How the value at a path names a resource. */
export type ResourceKind =
  | "name-or-arn"
  | "name-only"
  | "stream-arn"
  | "shard-iterator"
  | "backup-arn"
  | "export-arn"
  | "import-arn"
  | "bulk-arn"
  | "resource-arn"
  | "global-table-name"
  | "bucket"
  | "kinesis-arn"
  | "kms-key"
  | "iam-role"
  | "replica"
  | "statement"
  | "none";

/**
 * One kind of access of an operation, and where its resource is named. Paths: `TableName` a member, `A.B` a member of a
 * member, `A[]` every element of a list, `A.*key` every key of a map.
 */
export interface AccessRule {
  /** The IAM action; for statements PartiQL decides. */
  readonly action: string;
  readonly kind: ResourceKind;
  /** Where the resource is named; empty for kind `none`. */
  readonly at: string;
  /** A second place that may name it instead; one of the two must. */
  readonly or?: string;
  /** The member beside the resource that names an index. */
  readonly index?: string;
  /** Of a replica, which is named by its region: the request's member that names the table. */
  readonly of?: string;
  /** The rule holds only when something stands at this path. */
  readonly when?: string;
  /** The resource may be left out; the operation then concerns all tables of the account. */
  readonly optional?: true;
  /** Actions that this access amounts to besides its own, for denials. */
  readonly effects?: readonly string[];
}

export interface Operation {
  /** The value of `X-Amz-Target`, for example `DynamoDB_20120810.GetItem`. */
  readonly target: string;
  readonly name: string;
  readonly service: ServiceHost;
  /** The most far-reaching IAM access level among its actions. */
  readonly level: Level;
  readonly dataClass: DataClass;
  /** Sending it twice leaves the same state as sending it once. */
  readonly idempotent: boolean;
  /** Every IAM action that its accesses can carry. */
  readonly actions: readonly string[];
  /** Actions that IAM asks for in addition, on the same tables. */
  readonly also: readonly string[];
  readonly rules: readonly AccessRule[];
}
