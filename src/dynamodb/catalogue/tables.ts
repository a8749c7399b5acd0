/** The operations on tables: definition, settings, tags, resource policies and global tables. */

import type { AccessRule } from "../operation.ts";
import { nowhere, type OperationEntry, rule } from "./entry.ts";

const AT_TABLE = { kind: "name-or-arn", at: "TableName" } as const;
const AT_RESOURCE = { kind: "resource-arn", at: "ResourceArn" } as const;
const AT_GLOBAL_TABLE = { kind: "global-table-name", at: "GlobalTableName" } as const;

export const TABLE_OPERATIONS: readonly OperationEntry[] = [
  {
    name: "CreateTable",
    dataClass: "admin",
    rules: [
      rule("CreateTable", AT_TABLE),
      // A policy or tags given at birth are authority like those given later; IAM asks for the same actions.
      rule("PutResourcePolicy", { ...AT_TABLE, when: "ResourcePolicy" }),
      rule("TagResource", { ...AT_TABLE, when: "Tags" }),
      // The new table becomes a copy of that one.
      rule("AssociateTableReplica", {
        kind: "name-or-arn",
        at: "GlobalTableSourceArn",
        effects: ["GetItem", "Query", "Scan"],
      }),
      rule("CreateTable", { kind: "kms-key", at: "SSESpecification.KMSMasterKeyId" }),
    ],
  },
  {
    name: "UpdateTable",
    dataClass: "admin",
    rules: [
      rule("UpdateTable", AT_TABLE),
      rule("UpdateTable", { kind: "kms-key", at: "SSESpecification.KMSMasterKeyId" }),
      rule("CreateTableReplica", { kind: "kms-key", at: "ReplicaUpdates[].Create.KMSMasterKeyId" }),
      rule("UpdateTable", { kind: "kms-key", at: "ReplicaUpdates[].Update.KMSMasterKeyId" }),
      rule("CreateTableReplica", { ...AT_TABLE, when: "ReplicaUpdates[].Create" }),
      rule("DeleteTableReplica", { ...AT_TABLE, when: "ReplicaUpdates[].Delete" }),
      rule("DisassociateTableReplica", { ...AT_TABLE, when: "ReplicaUpdates[].Disassociate" }),
      rule("CreateGlobalTableWitness", { ...AT_TABLE, when: "GlobalTableWitnessUpdates[].Create" }),
      rule("DeleteGlobalTableWitness", { ...AT_TABLE, when: "GlobalTableWitnessUpdates[].Delete" }),
      rule("CreateTableReplica", inRegion("ReplicaUpdates[].Create")),
      rule("UpdateTable", inRegion("ReplicaUpdates[].Update")),
      rule("DeleteTableReplica", inRegion("ReplicaUpdates[].Delete")),
      rule("DisassociateTableReplica", inRegion("ReplicaUpdates[].Disassociate")),
      rule("CreateGlobalTableWitness", inRegion("GlobalTableWitnessUpdates[].Create")),
      rule("DeleteGlobalTableWitness", inRegion("GlobalTableWitnessUpdates[].Delete")),
    ],
  },
  ...onTable("admin", ["DeleteTable", "UpdateTimeToLive", "UpdateContinuousBackups"]),
  {
    name: "UpdateTableReplicaAutoScaling",
    dataClass: "admin",
    rules: [
      rule("UpdateTableReplicaAutoScaling", AT_TABLE),
      rule("UpdateTableReplicaAutoScaling", inRegion("ReplicaUpdates[]")),
      ...rolesAt("UpdateTableReplicaAutoScaling", [
        "ProvisionedWriteCapacityAutoScalingUpdate",
        "GlobalSecondaryIndexUpdates[].ProvisionedWriteCapacityAutoScalingUpdate",
        "ReplicaUpdates[].ReplicaProvisionedReadCapacityAutoScalingUpdate",
        "ReplicaUpdates[].ReplicaGlobalSecondaryIndexUpdates[].ProvisionedReadCapacityAutoScalingUpdate",
      ]),
    ],
  },
  ...onTable("metadata", [
    "DescribeTable",
    "DescribeTimeToLive",
    "DescribeContinuousBackups",
    "DescribeKinesisStreamingDestination",
    "DescribeTableReplicaAutoScaling",
  ]),
  {
    name: "DescribeContributorInsights",
    dataClass: "metadata",
    rules: [rule("DescribeContributorInsights", { ...AT_TABLE, index: "IndexName" })],
  },
  {
    name: "UpdateContributorInsights",
    dataClass: "admin",
    rules: [rule("UpdateContributorInsights", { ...AT_TABLE, index: "IndexName" })],
  },
  {
    name: "ListContributorInsights",
    dataClass: "metadata",
    rules: [rule("ListContributorInsights", { ...AT_TABLE, optional: true })],
  },
  { name: "ListTables", dataClass: "metadata", rules: [nowhere("ListTables")] },
  { name: "DescribeLimits", dataClass: "metadata", rules: [nowhere("DescribeLimits")] },
  { name: "DescribeEndpoints", dataClass: "metadata", rules: [nowhere("DescribeEndpoints")] },
  { name: "TagResource", dataClass: "tags", rules: [rule("TagResource", AT_RESOURCE)] },
  { name: "UntagResource", dataClass: "tags", rules: [rule("UntagResource", AT_RESOURCE)] },
  { name: "ListTagsOfResource", dataClass: "metadata", rules: [rule("ListTagsOfResource", AT_RESOURCE)] },
  { name: "PutResourcePolicy", dataClass: "permissions", rules: [rule("PutResourcePolicy", AT_RESOURCE)] },
  { name: "DeleteResourcePolicy", dataClass: "permissions", rules: [rule("DeleteResourcePolicy", AT_RESOURCE)] },
  { name: "GetResourcePolicy", dataClass: "metadata", rules: [rule("GetResourcePolicy", AT_RESOURCE)] },
  {
    name: "CreateGlobalTable",
    dataClass: "admin",
    rules: [
      rule("CreateGlobalTable", { ...AT_GLOBAL_TABLE, effects: ["CreateTableReplica"] }),
      rule("CreateGlobalTable", {
        ...inRegion("ReplicationGroup[]", "GlobalTableName"),
        effects: ["CreateTableReplica"],
      }),
    ],
  },
  {
    name: "UpdateGlobalTable",
    dataClass: "admin",
    rules: [
      rule("UpdateGlobalTable", { ...AT_GLOBAL_TABLE, effects: ["CreateTableReplica", "DeleteTableReplica"] }),
      rule("UpdateGlobalTable", {
        ...inRegion("ReplicaUpdates[].Create", "GlobalTableName"),
        effects: ["CreateTableReplica"],
      }),
      rule("UpdateGlobalTable", {
        ...inRegion("ReplicaUpdates[].Delete", "GlobalTableName"),
        effects: ["DeleteTableReplica"],
      }),
    ],
  },
  {
    name: "UpdateGlobalTableSettings",
    dataClass: "admin",
    rules: [
      rule("UpdateGlobalTableSettings", AT_GLOBAL_TABLE),
      rule("UpdateGlobalTableSettings", inRegion("ReplicaSettingsUpdate[]", "GlobalTableName")),
      ...rolesAt("UpdateGlobalTableSettings", [
        "GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate",
        "GlobalTableGlobalSecondaryIndexSettingsUpdate[].ProvisionedWriteCapacityAutoScalingSettingsUpdate",
        "ReplicaSettingsUpdate[].ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate",
        "ReplicaSettingsUpdate[].ReplicaGlobalSecondaryIndexSettingsUpdate[].ProvisionedReadCapacityAutoScalingSettingsUpdate",
      ]),
    ],
  },
  { name: "DescribeGlobalTable", dataClass: "metadata", rules: [rule("DescribeGlobalTable", AT_GLOBAL_TABLE)] },
  {
    name: "DescribeGlobalTableSettings",
    dataClass: "metadata",
    rules: [rule("DescribeGlobalTableSettings", AT_GLOBAL_TABLE)],
  },
  { name: "ListGlobalTables", dataClass: "metadata", rules: [nowhere("ListGlobalTables")] },
];

/** The replica in the region that is named there. */
function inRegion(place: string, of: string = "TableName"): Omit<AccessRule, "action"> {
  return { kind: "replica", at: `${place}.RegionName`, of };
}

/** IAM roles that Application Auto Scaling is to use. */
function rolesAt(action: string, places: readonly string[]): OperationEntry["rules"] {
  return places.map((place) => rule(action, { kind: "iam-role", at: `${place}.AutoScalingRoleArn` }));
}

function onTable(dataClass: "admin" | "metadata", names: readonly string[]): OperationEntry[] {
  return names.map((name) => ({ name, dataClass, rules: [rule(name, AT_TABLE)] }));
}
