/** The operations that copy data wholesale: backup, restore, export, import, bulk, Kinesis and streams. */

import { nowhere, type OperationEntry, rule } from "./entry.ts";

const AT_TABLE = { kind: "name-or-arn", at: "TableName" } as const;
const AT_BACKUP = { kind: "backup-arn", at: "BackupArn" } as const;
const AT_BULK = { kind: "bulk-arn", at: "BulkOperationArn" } as const;
const AT_STREAM = { kind: "stream-arn", at: "StreamArn" } as const;
/** What a new table that is filled from elsewhere amounts to. */
const FILLED_TABLE = { effects: ["CreateTable", "PutItem", "BatchWriteItem"] } as const;
/** A whole table in other hands can be read in every way. */
const COPIED_TABLE = { effects: ["GetItem", "Query", "Scan"] } as const;
const RESTORE_ALSO = ["BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"];

export const COPY_OPERATIONS: readonly OperationEntry[] = [
  { name: "CreateBackup", dataClass: "admin", rules: [rule("CreateBackup", AT_TABLE)] },
  { name: "DeleteBackup", dataClass: "admin", rules: [rule("DeleteBackup", AT_BACKUP)] },
  { name: "DescribeBackup", dataClass: "metadata", rules: [rule("DescribeBackup", AT_BACKUP)] },
  { name: "ListBackups", dataClass: "metadata", rules: [rule("ListBackups", { ...AT_TABLE, optional: true })] },
  {
    name: "RestoreTableFromBackup",
    dataClass: "bulk",
    also: RESTORE_ALSO,
    rules: [
      rule("RestoreTableFromBackup", { ...AT_BACKUP, ...COPIED_TABLE }),
      rule("RestoreTableFromBackup", { kind: "name-only", at: "TargetTableName", ...FILLED_TABLE }),
      rule("RestoreTableFromBackup", { kind: "kms-key", at: "SSESpecificationOverride.KMSMasterKeyId" }),
    ],
  },
  {
    name: "RestoreTableToPointInTime",
    dataClass: "bulk",
    also: RESTORE_ALSO,
    rules: [
      rule("RestoreTableToPointInTime", {
        kind: "name-or-arn",
        at: "SourceTableArn",
        or: "SourceTableName",
        ...COPIED_TABLE,
      }),
      rule("RestoreTableToPointInTime", { kind: "name-only", at: "TargetTableName", ...FILLED_TABLE }),
      rule("RestoreTableToPointInTime", { kind: "kms-key", at: "SSESpecificationOverride.KMSMasterKeyId" }),
    ],
  },
  {
    name: "ExportTableToPointInTime",
    dataClass: "bulk",
    rules: [
      rule("ExportTableToPointInTime", { kind: "name-or-arn", at: "TableArn", ...COPIED_TABLE }),
      rule("ExportTableToPointInTime", { kind: "bucket", at: "S3Bucket" }),
      rule("ExportTableToPointInTime", { kind: "kms-key", at: "S3SseKmsKeyId" }),
    ],
  },
  {
    name: "DescribeExport",
    dataClass: "metadata",
    rules: [rule("DescribeExport", { kind: "export-arn", at: "ExportArn" })],
  },
  {
    name: "ListExports",
    dataClass: "metadata",
    rules: [rule("ListExports", { kind: "name-or-arn", at: "TableArn", optional: true })],
  },
  {
    name: "ImportTable",
    dataClass: "bulk",
    rules: [
      rule("ImportTable", { kind: "name-only", at: "TableCreationParameters.TableName", ...FILLED_TABLE }),
      rule("ImportTable", { kind: "bucket", at: "S3BucketSource.S3Bucket" }),
      rule("ImportTable", { kind: "kms-key", at: "TableCreationParameters.SSESpecification.KMSMasterKeyId" }),
    ],
  },
  {
    name: "DescribeImport",
    dataClass: "metadata",
    rules: [rule("DescribeImport", { kind: "import-arn", at: "ImportArn" })],
  },
  {
    name: "ListImports",
    dataClass: "metadata",
    rules: [rule("ListImports", { kind: "name-or-arn", at: "TableArn", optional: true })],
  },
  {
    name: "StartBulkPutItems",
    dataClass: "bulk",
    rules: [
      rule("StartBulkPutItems", { ...AT_TABLE, effects: ["PutItem", "BatchWriteItem"] }),
      rule("StartBulkPutItems", { kind: "bucket", at: "InputS3Configuration.S3Bucket" }),
      rule("StartBulkPutItems", { kind: "bucket", at: "OutputS3Configuration.S3Bucket" }),
      rule("StartBulkPutItems", { kind: "kms-key", at: "OutputS3Configuration.S3SseKmsKeyId" }),
    ],
  },
  { name: "CancelBulkOperation", dataClass: "admin", rules: [rule("CancelBulkOperation", AT_BULK)] },
  { name: "DescribeBulkOperation", dataClass: "metadata", rules: [rule("DescribeBulkOperation", AT_BULK)] },
  { name: "ListBulkOperations", dataClass: "metadata", rules: [nowhere("ListBulkOperations")] },
  {
    name: "EnableKinesisStreamingDestination",
    dataClass: "bulk",
    rules: [
      rule("EnableKinesisStreamingDestination", { ...AT_TABLE, effects: ["GetItem", "GetRecords"] }),
      rule("EnableKinesisStreamingDestination", { kind: "kinesis-arn", at: "StreamArn" }),
    ],
  },
  {
    name: "DisableKinesisStreamingDestination",
    dataClass: "admin",
    rules: [rule("DisableKinesisStreamingDestination", AT_TABLE)],
  },
  {
    name: "UpdateKinesisStreamingDestination",
    dataClass: "admin",
    rules: [rule("UpdateKinesisStreamingDestination", AT_TABLE)],
  },
  {
    name: "ListStreams",
    service: "streams",
    dataClass: "metadata",
    rules: [rule("ListStreams", { kind: "name-only", at: "TableName", optional: true })],
  },
  { name: "DescribeStream", service: "streams", dataClass: "metadata", rules: [rule("DescribeStream", AT_STREAM)] },
  {
    name: "GetShardIterator",
    service: "streams",
    dataClass: "data_read",
    rules: [rule("GetShardIterator", AT_STREAM)],
  },
  {
    name: "GetRecords",
    service: "streams",
    dataClass: "data_read",
    // Whoever gets images of items has read them.
    rules: [rule("GetRecords", { kind: "shard-iterator", at: "ShardIterator", effects: ["GetItem"] })],
  },
];
