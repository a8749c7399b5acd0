/** The operations on items: single, batch, transaction, search and PartiQL. */

import { type OperationEntry, rule } from "./entry.ts";

const AT_TABLE = { kind: "name-or-arn", at: "TableName" } as const;
const BATCH = { kind: "name-or-arn", at: "RequestItems.*key" } as const;
const STATEMENT = { kind: "statement" } as const;

export const ITEM_OPERATIONS: readonly OperationEntry[] = [
  { name: "GetItem", dataClass: "data_read", rules: [rule("GetItem", AT_TABLE)] },
  { name: "BatchGetItem", dataClass: "data_read", rules: [rule("BatchGetItem", { ...BATCH, effects: ["GetItem"] })] },
  { name: "Query", dataClass: "data_read", rules: [rule("Query", { ...AT_TABLE, index: "IndexName" })] },
  { name: "Scan", dataClass: "data_read", rules: [rule("Scan", { ...AT_TABLE, index: "IndexName" })] },
  { name: "PutItem", dataClass: "data_write", rules: [rule("PutItem", AT_TABLE)] },
  { name: "UpdateItem", dataClass: "data_write", rules: [rule("UpdateItem", AT_TABLE)] },
  { name: "DeleteItem", dataClass: "data_write", rules: [rule("DeleteItem", AT_TABLE)] },
  // Its effects, PutItem and DeleteItem, depend on what the batch holds: accesses.ts adds them.
  { name: "BatchWriteItem", dataClass: "data_write", rules: [rule("BatchWriteItem", BATCH)] },
  {
    name: "TransactGetItems",
    dataClass: "data_read",
    rules: [rule("GetItem", { kind: "name-or-arn", at: "TransactItems[].Get.TableName" })],
  },
  {
    name: "TransactWriteItems",
    dataClass: "data_write",
    rules: [
      rule("ConditionCheckItem", { kind: "name-or-arn", at: "TransactItems[].ConditionCheck.TableName" }),
      rule("PutItem", { kind: "name-or-arn", at: "TransactItems[].Put.TableName" }),
      rule("UpdateItem", { kind: "name-or-arn", at: "TransactItems[].Update.TableName" }),
      rule("DeleteItem", { kind: "name-or-arn", at: "TransactItems[].Delete.TableName" }),
    ],
  },
  { name: "ExecuteStatement", dataClass: "data_write", rules: statements("Statement") },
  { name: "BatchExecuteStatement", dataClass: "data_write", rules: statements("Statements[].Statement") },
  { name: "ExecuteTransaction", dataClass: "data_write", rules: statements("TransactStatements[].Statement") },
  {
    name: "SearchVectors",
    service: "search",
    dataClass: "data_read",
    rules: [rule("SearchVectors", { ...AT_TABLE, index: "IndexName", effects: ["Query", "Scan"] })],
  },
];

/** One rule for each action that a statement can turn out to be; the statement itself decides which. */
function statements(at: string): OperationEntry["rules"] {
  return ["PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"].map((action) =>
    rule(action, { ...STATEMENT, at }),
  );
}
