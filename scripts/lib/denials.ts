/** What a denied action reaches: found by asking of one request of each form what policy would be told of it. */

import { Buffer } from "node:buffer";
import { accessesOf, type Place } from "../../src/dynamodb/accesses.ts";
import { EQUIVALENT_ACTIONS, OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import type { TableSchema } from "../../src/dynamodb/key-schema.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";

/** A denied action, and the forms of requests in which a role's denial of it matches. */
export interface Denial {
  readonly action: string;
  readonly forms: readonly string[];
}

/** Every action that some form has, in the order in which the forms bring them up; not those that reach themselves alone. */
export function denials(): readonly Denial[] {
  const forms = FORMS.map(([label, operation, body]) => ({ label, told: toldOf(operation, body) }));
  const actions = [...new Set(forms.flatMap(({ told }) => [...told]))];
  const all = actions.map((action) => {
    const reach = [action, ...(EQUIVALENT_ACTIONS.get(action) ?? [])];
    return {
      action,
      forms: forms.flatMap(({ label, told }) => (reach.some((each) => told.has(each)) ? [label] : [])),
    };
  });
  return all.filter(({ action, forms: [first, second] }) => second !== undefined || `dynamodb:${first}` !== action);
}

/** Actions and effects of all that a request accesses. */
function toldOf(name: string, body: unknown): ReadonlySet<string> {
  const operation = OPERATIONS.find((each) => each.name === name);
  if (operation === undefined) throw new TypeError(`Cannot ask about "${name}": there is no such operation`);
  const request = parseRequest(operation, Buffer.from(JSON.stringify(body)));
  const schemas = { schemaOf: (): TableSchema => ORDERS };
  return new Set(accessesOf(request, PLACE, schemas).flatMap(({ action, effects }) => [action, ...effects]));
}

const PLACE: Place = { partition: "aws", region: "us-east-1", accountId: "123456789012" };
const ORDERS: TableSchema = {
  table: "orders",
  id: "1",
  partition: [{ name: "id", type: "S" }],
  sort: [],
  indexes: new Map(),
};

const TABLE = { TableName: "orders" };
const KEY = { id: { S: "1" } };
const SET = { UpdateExpression: "SET a = :a", ExpressionAttributeValues: { ":a": { S: "1" } } };
const ABSENT = { ConditionExpression: "attribute_not_exists(id)" };
const ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders";
const SELECT = "SELECT a FROM orders WHERE id = '1'";
const INSERT = "INSERT INTO orders VALUE {'id': '1'}";
const UPDATE = "UPDATE orders SET a = 1 WHERE id = '1'";
const DELETE = "DELETE FROM orders WHERE id = '1'";
const statement = (text: string): object => ({ Statement: text });
const transact = (part: object): object => ({ TransactItems: [part] });

/** The words for a form, its operation, and a request of it. */
const FORMS: readonly (readonly [string, string, object])[] = [
  ["GetItem", "GetItem", { ...TABLE, Key: KEY }],
  ["TransactGetItems", "TransactGetItems", transact({ Get: { ...TABLE, Key: KEY } })],
  ["BatchGetItem", "BatchGetItem", { RequestItems: { orders: { Keys: [KEY] } } }],
  ["Query", "Query", { ...TABLE, KeyConditionExpression: "id = :a", ExpressionAttributeValues: { ":a": { S: "1" } } }],
  ["Scan", "Scan", TABLE],
  ["SearchVectors", "SearchVectors", { ...TABLE, IndexName: "vectors", SearchVector: [{ N: "0.5" }], TopK: 1 }],
  ["SELECT by key", "ExecuteStatement", statement(SELECT)],
  ["SELECT without key", "ExecuteStatement", statement("SELECT a FROM orders")],
  ["SELECT in BatchExecuteStatement", "BatchExecuteStatement", { Statements: [statement(SELECT)] }],
  ["EXISTS in ExecuteTransaction", "ExecuteTransaction", { TransactStatements: [statement(`EXISTS(${SELECT})`)] }],
  ["PutItem", "PutItem", { ...TABLE, Item: KEY }],
  ["PutItem that returns the old item", "PutItem", { ...TABLE, Item: KEY, ReturnValues: "ALL_OLD" }],
  ["TransactWriteItems.Put", "TransactWriteItems", transact({ Put: { ...TABLE, Item: KEY } })],
  ["BatchWriteItem.PutRequest", "BatchWriteItem", { RequestItems: { orders: [{ PutRequest: { Item: KEY } }] } }],
  ["INSERT", "ExecuteStatement", statement(INSERT)],
  ["INSERT in BatchExecuteStatement", "BatchExecuteStatement", { Statements: [statement(INSERT)] }],
  ["UpdateItem", "UpdateItem", { ...TABLE, Key: KEY, ...SET }],
  ["UpdateItem that returns anything", "UpdateItem", { ...TABLE, Key: KEY, ...SET, ReturnValues: "UPDATED_NEW" }],
  ["TransactWriteItems.Update", "TransactWriteItems", transact({ Update: { ...TABLE, Key: KEY, ...SET } })],
  ["UPDATE", "ExecuteStatement", statement(UPDATE)],
  ["UPDATE in BatchExecuteStatement", "BatchExecuteStatement", { Statements: [statement(UPDATE)] }],
  ["DeleteItem", "DeleteItem", { ...TABLE, Key: KEY }],
  ["DeleteItem that returns the old item", "DeleteItem", { ...TABLE, Key: KEY, ReturnValues: "ALL_OLD" }],
  ["TransactWriteItems.Delete", "TransactWriteItems", transact({ Delete: { ...TABLE, Key: KEY } })],
  ["BatchWriteItem.DeleteRequest", "BatchWriteItem", { RequestItems: { orders: [{ DeleteRequest: { Key: KEY } }] } }],
  ["DELETE", "ExecuteStatement", statement(DELETE)],
  ["DELETE in BatchExecuteStatement", "BatchExecuteStatement", { Statements: [statement(DELETE)] }],
  [
    "TransactWriteItems.ConditionCheck",
    "TransactWriteItems",
    transact({ ConditionCheck: { ...TABLE, Key: KEY, ...ABSENT } }),
  ],
  [
    "a part of TransactWriteItems that returns the item on failure",
    "TransactWriteItems",
    transact({ ConditionCheck: { ...TABLE, Key: KEY, ...ABSENT, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } }),
  ],
  ["ExportTableToPointInTime", "ExportTableToPointInTime", { TableArn: ARN, S3Bucket: "exports" }],
  ["RestoreTableFromBackup", "RestoreTableFromBackup", { TargetTableName: "copy", BackupArn: `${ARN}/backup/01` }],
  ["RestoreTableToPointInTime", "RestoreTableToPointInTime", { SourceTableName: "orders", TargetTableName: "copy" }],
  [
    "ImportTable",
    "ImportTable",
    {
      S3BucketSource: { S3Bucket: "imports" },
      InputFormat: "CSV",
      TableCreationParameters: {
        ...TABLE,
        AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      },
    },
  ],
  [
    "StartBulkPutItems",
    "StartBulkPutItems",
    {
      ...TABLE,
      InputS3Configuration: { S3Bucket: "in-put", InputFormat: "DYNAMODB_JSON" },
      OutputS3Configuration: { S3Bucket: "out-put", OutputType: ["ERROR"] },
    },
  ],
];
