/** What every member of every structure of a request means to policy. */

/**
 * `resource`: names a table or an index, by an access rule. `external`: names what is no table. `key`, `item`, `condition`,
 * `projection`, `update`, `names`, `values`, `returns`, `select`, `statement`, `parameters`: what accesses are derived from.
 * `policy`, `tags`: authority. `nested`: only its own members mean something. The rest changes how or how much is answered,
 * or is a setting that the action itself is judged by.
 */
export type Meaning =
  | "resource"
  | "external"
  | "key"
  | "item"
  | "condition"
  | "projection"
  | "update"
  | "names"
  | "values"
  | "returns"
  | "select"
  | "statement"
  | "parameters"
  | "policy"
  | "tags"
  | "nested"
  | "consistency"
  | "consumption"
  | "paging"
  | "token"
  | "setting";

/**
 * Structure → meaning → members. A member that is not here is refused although the model has it: a newer model adds nothing
 * until somebody has said what it means (`npx tsx scripts/catalogue.ts --check` lists what is missing).
 */
// oxfmt-ignore
export const MEMBERS: Readonly<Record<string, Readonly<Partial<Record<Meaning, string>>>>> = {
  AttributeDefinition: { setting: "AttributeName AttributeType" },
  AttributeValueUpdate: { nested: "Value", setting: "Action" },
  AutoScalingPolicyUpdate: { setting: "PolicyName", nested: "TargetTrackingScalingPolicyConfiguration" },
  AutoScalingSettingsUpdate: { setting: "MinimumUnits MaximumUnits AutoScalingDisabled", external: "AutoScalingRoleArn", nested: "ScalingPolicyUpdate" },
  AutoScalingTargetTrackingScalingPolicyConfigurationUpdate: { setting: "DisableScaleIn ScaleInCooldown ScaleOutCooldown TargetValue" },
  BatchExecuteStatementInput: { nested: "Statements", consumption: "ReturnConsumedCapacity" },
  BatchGetItemInput: { resource: "RequestItems", consumption: "ReturnConsumedCapacity" },
  BatchStatementRequest: { statement: "Statement", parameters: "Parameters", consistency: "ConsistentRead", returns: "ReturnValuesOnConditionCheckFailure" },
  BatchWriteItemInput: { resource: "RequestItems", consumption: "ReturnConsumedCapacity ReturnItemCollectionMetrics" },
  CancelBulkOperationInput: { resource: "BulkOperationArn" },
  Condition: { nested: "AttributeValueList", setting: "ComparisonOperator" },
  ConditionCheck: { key: "Key", resource: "TableName", condition: "ConditionExpression", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues", returns: "ReturnValuesOnConditionCheckFailure" },
  CreateBackupInput: { resource: "TableName", setting: "BackupName" },
  CreateGlobalSecondaryIndexAction: { setting: "IndexName", nested: "KeySchema Projection ProvisionedThroughput OnDemandThroughput WarmThroughput" },
  CreateGlobalTableInput: { resource: "GlobalTableName", nested: "ReplicationGroup" },
  CreateGlobalTableWitnessGroupMemberAction: { external: "RegionName" },
  CreateReplicaAction: { external: "RegionName" },
  CreateReplicationGroupMemberAction: { setting: "TableClassOverride", external: "RegionName KMSMasterKeyId", nested: "ProvisionedThroughputOverride OnDemandThroughputOverride GlobalSecondaryIndexes" },
  CreateTableInput: { nested: "AttributeDefinitions KeySchema LocalSecondaryIndexes GlobalSecondaryIndexes ProvisionedThroughput StreamSpecification SSESpecification WarmThroughput OnDemandThroughput VectorIndexes", resource: "TableName GlobalTableSourceArn", setting: "BillingMode TableClass DeletionProtectionEnabled GlobalTableSettingsReplicationMode", tags: "Tags", policy: "ResourcePolicy" },
  CreateVectorIndexAction: { setting: "IndexName Dimensions DistanceFunction", nested: "VectorAttribute SearchSchema Projection" },
  CsvOptions: { setting: "Delimiter HeaderList" },
  Delete: { key: "Key", resource: "TableName", condition: "ConditionExpression", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues", returns: "ReturnValuesOnConditionCheckFailure" },
  DeleteBackupInput: { resource: "BackupArn" },
  DeleteGlobalSecondaryIndexAction: { setting: "IndexName" },
  DeleteGlobalTableWitnessGroupMemberAction: { external: "RegionName" },
  DeleteItemInput: { resource: "TableName", key: "Key", condition: "Expected ConditionalOperator ConditionExpression", returns: "ReturnValues ReturnValuesOnConditionCheckFailure", consumption: "ReturnConsumedCapacity ReturnItemCollectionMetrics", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues" },
  DeleteReplicaAction: { external: "RegionName" },
  DeleteReplicationGroupMemberAction: { external: "RegionName" },
  DeleteRequest: { key: "Key" },
  DeleteResourcePolicyInput: { resource: "ResourceArn", policy: "ExpectedRevisionId" },
  DeleteTableInput: { resource: "TableName" },
  DeleteVectorIndexAction: { setting: "IndexName" },
  DescribeBackupInput: { resource: "BackupArn" },
  DescribeBulkOperationInput: { resource: "BulkOperationArn" },
  DescribeContinuousBackupsInput: { resource: "TableName" },
  DescribeContributorInsightsInput: { resource: "TableName IndexName" },
  DescribeEndpointsRequest: {  },
  DescribeExportInput: { resource: "ExportArn" },
  DescribeGlobalTableInput: { resource: "GlobalTableName" },
  DescribeGlobalTableSettingsInput: { resource: "GlobalTableName" },
  DescribeImportInput: { resource: "ImportArn" },
  DescribeKinesisStreamingDestinationInput: { resource: "TableName" },
  DescribeLimitsInput: {  },
  DescribeStreamInput: { resource: "StreamArn", paging: "Limit ExclusiveStartShardId", nested: "ShardFilter" },
  DescribeTableInput: { resource: "TableName" },
  DescribeTableReplicaAutoScalingInput: { resource: "TableName" },
  DescribeTimeToLiveInput: { resource: "TableName" },
  DisassociateReplicationGroupMemberAction: { external: "RegionName", setting: "DisassociationMode" },
  EnableKinesisStreamingConfiguration: { setting: "ApproximateCreationDateTimePrecision" },
  ExecuteStatementInput: { statement: "Statement", parameters: "Parameters", consistency: "ConsistentRead", paging: "NextToken Limit", consumption: "ReturnConsumedCapacity", returns: "ReturnValuesOnConditionCheckFailure" },
  ExecuteTransactionInput: { nested: "TransactStatements", token: "ClientRequestToken", consumption: "ReturnConsumedCapacity" },
  ExpectedAttributeValue: { nested: "Value AttributeValueList", setting: "Exists ComparisonOperator" },
  ExportTableToPointInTimeInput: { resource: "TableArn", setting: "ExportTime S3SseAlgorithm ExportFormat ExportType", token: "ClientToken", external: "S3Bucket S3BucketOwner S3Prefix S3SseKmsKeyId", nested: "IncrementalExportSpecification FilterSpecification" },
  FilterSpecification: { condition: "FilterExpression KeyConditionExpression", projection: "ProjectionExpression", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues" },
  Get: { key: "Key", resource: "TableName", projection: "ProjectionExpression", names: "ExpressionAttributeNames" },
  GetItemInput: { resource: "TableName", key: "Key", projection: "AttributesToGet ProjectionExpression", consistency: "ConsistentRead", consumption: "ReturnConsumedCapacity", names: "ExpressionAttributeNames" },
  GetRecordsInput: { resource: "ShardIterator", paging: "Limit" },
  GetResourcePolicyInput: { resource: "ResourceArn" },
  GetShardIteratorInput: { resource: "StreamArn", setting: "ShardId ShardIteratorType SequenceNumber Timestamp" },
  GlobalSecondaryIndex: { setting: "IndexName", nested: "KeySchema Projection ProvisionedThroughput OnDemandThroughput WarmThroughput" },
  GlobalSecondaryIndexAutoScalingUpdate: { setting: "IndexName", nested: "ProvisionedWriteCapacityAutoScalingUpdate" },
  GlobalSecondaryIndexUpdate: { nested: "Update Create Delete" },
  GlobalTableGlobalSecondaryIndexSettingsUpdate: { setting: "IndexName ProvisionedWriteCapacityUnits", nested: "ProvisionedWriteCapacityAutoScalingSettingsUpdate" },
  GlobalTableWitnessGroupUpdate: { nested: "Create Delete" },
  ImportTableInput: { token: "ClientToken", nested: "S3BucketSource InputFormatOptions TableCreationParameters", setting: "InputFormat InputCompressionType" },
  IncrementalExportSpecification: { setting: "ExportFromTime ExportToTime ExportViewType" },
  InputFormatOptions: { nested: "Csv" },
  InputS3Configuration: { external: "S3BucketOwner S3Bucket S3KeyPrefix", setting: "InputFormat InputCompressionType" },
  KeySchemaElement: { setting: "AttributeName KeyType" },
  KeysAndAttributes: { key: "Keys", projection: "AttributesToGet ProjectionExpression", consistency: "ConsistentRead", names: "ExpressionAttributeNames" },
  KinesisStreamingDestinationInput: { resource: "TableName", external: "StreamArn", nested: "EnableKinesisStreamingConfiguration" },
  ListBackupsInput: { resource: "TableName", paging: "Limit ExclusiveStartBackupArn", setting: "TimeRangeLowerBound TimeRangeUpperBound BackupType" },
  ListBulkOperationsInput: { paging: "MaxResults NextToken" },
  ListContributorInsightsInput: { resource: "TableName", paging: "NextToken MaxResults" },
  ListExportsInput: { resource: "TableArn", paging: "MaxResults NextToken" },
  ListGlobalTablesInput: { paging: "ExclusiveStartGlobalTableName Limit", setting: "RegionName" },
  ListImportsInput: { resource: "TableArn", paging: "PageSize NextToken" },
  ListStreamsInput: { resource: "TableName", paging: "Limit ExclusiveStartStreamArn" },
  ListTablesInput: { paging: "ExclusiveStartTableName Limit" },
  ListTagsOfResourceInput: { resource: "ResourceArn", paging: "NextToken" },
  LocalSecondaryIndex: { setting: "IndexName", nested: "KeySchema Projection" },
  OnDemandThroughput: { setting: "MaxReadRequestUnits MaxWriteRequestUnits" },
  OnDemandThroughputOverride: { setting: "MaxReadRequestUnits" },
  OutputS3Configuration: { external: "S3BucketOwner S3Bucket S3KeyPrefix S3SseKmsKeyId", setting: "S3SseAlgorithm OutputType" },
  ParameterizedStatement: { statement: "Statement", parameters: "Parameters", returns: "ReturnValuesOnConditionCheckFailure" },
  PointInTimeRecoverySpecification: { setting: "PointInTimeRecoveryEnabled RecoveryPeriodInDays" },
  Projection: { setting: "ProjectionType NonKeyAttributes" },
  ProvisionedThroughput: { setting: "ReadCapacityUnits WriteCapacityUnits" },
  ProvisionedThroughputOverride: { setting: "ReadCapacityUnits" },
  Put: { item: "Item", resource: "TableName", condition: "ConditionExpression", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues", returns: "ReturnValuesOnConditionCheckFailure" },
  PutItemInput: { resource: "TableName", item: "Item", condition: "Expected ConditionalOperator ConditionExpression", returns: "ReturnValues ReturnValuesOnConditionCheckFailure", consumption: "ReturnConsumedCapacity ReturnItemCollectionMetrics", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues" },
  PutRequest: { item: "Item" },
  PutResourcePolicyInput: { resource: "ResourceArn", policy: "Policy ExpectedRevisionId ConfirmRemoveSelfResourceAccess" },
  QueryInput: { resource: "TableName IndexName", select: "Select", projection: "AttributesToGet ProjectionExpression", paging: "Limit ScanIndexForward", consistency: "ConsistentRead", condition: "KeyConditions QueryFilter ConditionalOperator FilterExpression KeyConditionExpression", key: "ExclusiveStartKey", consumption: "ReturnConsumedCapacity", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues" },
  Replica: { external: "RegionName" },
  ReplicaAutoScalingUpdate: { external: "RegionName", nested: "ReplicaGlobalSecondaryIndexUpdates ReplicaProvisionedReadCapacityAutoScalingUpdate" },
  ReplicaGlobalSecondaryIndex: { setting: "IndexName", nested: "ProvisionedThroughputOverride OnDemandThroughputOverride" },
  ReplicaGlobalSecondaryIndexAutoScalingUpdate: { setting: "IndexName", nested: "ProvisionedReadCapacityAutoScalingUpdate" },
  ReplicaGlobalSecondaryIndexSettingsUpdate: { setting: "IndexName ProvisionedReadCapacityUnits", nested: "ProvisionedReadCapacityAutoScalingSettingsUpdate" },
  ReplicaSettingsUpdate: { external: "RegionName", setting: "ReplicaProvisionedReadCapacityUnits ReplicaTableClass", nested: "ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate ReplicaGlobalSecondaryIndexSettingsUpdate" },
  ReplicaUpdate: { nested: "Create Delete" },
  ReplicationGroupUpdate: { nested: "Create Update Delete Disassociate" },
  RestoreTableFromBackupInput: { resource: "TargetTableName BackupArn", setting: "BillingModeOverride", nested: "GlobalSecondaryIndexOverride LocalSecondaryIndexOverride ProvisionedThroughputOverride OnDemandThroughputOverride SSESpecificationOverride VectorIndexOverride" },
  RestoreTableToPointInTimeInput: { resource: "SourceTableArn SourceTableName TargetTableName", setting: "UseLatestRestorableTime RestoreDateTime BillingModeOverride", nested: "GlobalSecondaryIndexOverride LocalSecondaryIndexOverride ProvisionedThroughputOverride OnDemandThroughputOverride SSESpecificationOverride VectorIndexOverride" },
  S3BucketSource: { external: "S3BucketOwner S3Bucket S3KeyPrefix" },
  SSESpecification: { setting: "Enabled SSEType", external: "KMSMasterKeyId" },
  ScanInput: { resource: "TableName IndexName", projection: "AttributesToGet ProjectionExpression", paging: "Limit TotalSegments Segment", select: "Select", condition: "ScanFilter ConditionalOperator FilterExpression", key: "ExclusiveStartKey", consumption: "ReturnConsumedCapacity", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues", consistency: "ConsistentRead" },
  SearchSchemaElement: { setting: "AttributeName SearchSchemaElementType" },
  SearchVectorsInput: { resource: "TableName IndexName", consumption: "ReturnConsumedCapacity", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues", projection: "ProjectionExpression", nested: "SearchVector", condition: "SearchConditionExpression", paging: "TopK" },
  ShardFilter: { setting: "Type ShardId" },
  StartBulkPutItemsInput: { token: "ClientToken", nested: "InputS3Configuration OutputS3Configuration", resource: "TableName", setting: "MaxWriteRequestUnits PerformanceTier" },
  StreamSpecification: { setting: "StreamEnabled StreamViewType" },
  TableCreationParameters: { resource: "TableName", nested: "AttributeDefinitions KeySchema ProvisionedThroughput OnDemandThroughput SSESpecification GlobalSecondaryIndexes VectorIndexes", setting: "BillingMode" },
  Tag: { setting: "Key Value" },
  TagResourceInput: { resource: "ResourceArn", tags: "Tags" },
  TimeToLiveSpecification: { setting: "Enabled AttributeName" },
  TransactGetItem: { nested: "Get" },
  TransactGetItemsInput: { nested: "TransactItems", consumption: "ReturnConsumedCapacity" },
  TransactWriteItem: { nested: "ConditionCheck Put Delete Update" },
  TransactWriteItemsInput: { nested: "TransactItems", consumption: "ReturnConsumedCapacity ReturnItemCollectionMetrics", token: "ClientRequestToken" },
  UntagResourceInput: { resource: "ResourceArn", tags: "TagKeys" },
  Update: { key: "Key", update: "UpdateExpression", resource: "TableName", condition: "ConditionExpression", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues", returns: "ReturnValuesOnConditionCheckFailure" },
  UpdateContinuousBackupsInput: { resource: "TableName", nested: "PointInTimeRecoverySpecification" },
  UpdateContributorInsightsInput: { resource: "TableName IndexName", setting: "ContributorInsightsAction ContributorInsightsMode" },
  UpdateGlobalSecondaryIndexAction: { setting: "IndexName", nested: "ProvisionedThroughput OnDemandThroughput WarmThroughput" },
  UpdateGlobalTableInput: { resource: "GlobalTableName", nested: "ReplicaUpdates" },
  UpdateGlobalTableSettingsInput: { resource: "GlobalTableName", setting: "GlobalTableBillingMode GlobalTableProvisionedWriteCapacityUnits", nested: "GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate GlobalTableGlobalSecondaryIndexSettingsUpdate ReplicaSettingsUpdate" },
  UpdateItemInput: { resource: "TableName", key: "Key", update: "AttributeUpdates UpdateExpression", condition: "Expected ConditionalOperator ConditionExpression", returns: "ReturnValues ReturnValuesOnConditionCheckFailure", consumption: "ReturnConsumedCapacity ReturnItemCollectionMetrics", names: "ExpressionAttributeNames", values: "ExpressionAttributeValues" },
  UpdateKinesisStreamingConfiguration: { setting: "ApproximateCreationDateTimePrecision" },
  UpdateKinesisStreamingDestinationInput: { resource: "TableName", setting: "StreamArn", nested: "UpdateKinesisStreamingConfiguration" },
  UpdateReplicationGroupMemberAction: { setting: "TableClassOverride", external: "RegionName KMSMasterKeyId", nested: "ProvisionedThroughputOverride OnDemandThroughputOverride GlobalSecondaryIndexes" },
  UpdateTableInput: { nested: "AttributeDefinitions ProvisionedThroughput GlobalSecondaryIndexUpdates StreamSpecification SSESpecification ReplicaUpdates GlobalTableWitnessUpdates OnDemandThroughput WarmThroughput VectorIndexUpdates", resource: "TableName", setting: "BillingMode TableClass DeletionProtectionEnabled MultiRegionConsistency GlobalTableSettingsReplicationMode DisassociationProtectionEnabled" },
  UpdateTableReplicaAutoScalingInput: { nested: "GlobalSecondaryIndexUpdates ProvisionedWriteCapacityAutoScalingUpdate ReplicaUpdates", resource: "TableName" },
  UpdateTimeToLiveInput: { resource: "TableName", nested: "TimeToLiveSpecification" },
  VectorAttributeDefinition: { setting: "AttributeName" },
  VectorIndex: { setting: "IndexName Dimensions DistanceFunction", nested: "VectorAttribute SearchSchema Projection" },
  VectorIndexUpdate: { nested: "Create Delete" },
  WarmThroughput: { setting: "ReadUnitsPerSecond WriteUnitsPerSecond" },
  WriteRequest: { nested: "PutRequest DeleteRequest" },
};

/** Structure → its members, with their meaning. */
export const MEANINGS: ReadonlyMap<string, ReadonlyMap<string, Meaning>> = new Map(
  Object.entries(MEMBERS).map(([structure, byMeaning]) => [
    structure,
    new Map(
      Object.entries(byMeaning).flatMap(([meaning, members]) =>
        members.split(" ").map((member): [string, Meaning] => [member, meaning as Meaning]),
      ),
    ),
  ]),
);

/**
 * Values of enumerations from which accesses are derived, by shape. One that a newer model adds is refused until the
 * derivation knows it.
 */
export const VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ["AttributeAction", ["ADD", "DELETE", "PUT"]],
  [
    "ComparisonOperator",
    [
      "BEGINS_WITH",
      "BETWEEN",
      "CONTAINS",
      "EQ",
      "GE",
      "GT",
      "IN",
      "LE",
      "LT",
      "NE",
      "NOT_CONTAINS",
      "NOT_NULL",
      "NULL",
    ],
  ],
  ["ConditionalOperator", ["AND", "OR"]],
  ["ReturnValue", ["ALL_NEW", "ALL_OLD", "NONE", "UPDATED_NEW", "UPDATED_OLD"]],
  ["ReturnValuesOnConditionCheckFailure", ["ALL_OLD", "NONE"]],
  ["Select", ["ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "COUNT", "SPECIFIC_ATTRIBUTES"]],
]);
