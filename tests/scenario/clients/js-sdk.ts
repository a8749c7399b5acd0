/** Drives DynamoDB with the AWS SDK for JavaScript v3 through the steps of report.ts. */

import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  DynamoDBServiceException,
  ExecuteStatementCommand,
  GetItemCommand,
  type AttributeValue,
  paginateListTables,
  paginateQuery,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactGetItemsCommand,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import type { ClientOptions, ClientReport, StepOutcome } from "./report.ts";

type Item = Record<string, AttributeValue>;

/** Runs every step and reports. */
export async function runJsSdk(options: ClientOptions): Promise<ClientReport> {
  let sent = 0;
  const connect = (endpoint: string): DynamoDBClient => {
    const made = new DynamoDBClient({
      endpoint,
      region: options.region,
      credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey },
    });
    made.middlewareStack.add(
      (next) => async (args) => {
        sent += 1;
        return next(args);
      },
      // After the retry middleware, so that every attempt counts.
      { step: "finalizeRequest", priority: "low" },
    );
    return made;
  };
  const client = connect(options.endpoint);
  const creator = connect(options.createEndpoint ?? options.endpoint);
  const steps: Record<string, StepOutcome> = {};
  const attempts: Record<string, number> = {};
  try {
    for (const [name, act] of stepsOf(client, creator, options.table)) {
      sent = 0;
      steps[name] = await outcomeOf(act);
      attempts[name] = sent;
    }
  } finally {
    client.destroy();
    creator.destroy();
  }
  return { client: "js-sdk", version: "3", steps, attempts };
}

async function outcomeOf(act: () => Promise<unknown>): Promise<StepOutcome> {
  try {
    return { value: await act() };
  } catch (error) {
    if (error instanceof DynamoDBServiceException) {
      return { error: error.name, message: error.message, status: error.$metadata.httpStatusCode ?? null };
    }
    return { error: error instanceof Error ? error.name : "unknown", message: String(error), status: null };
  }
}

function stepsOf(
  client: DynamoDBClient,
  creator: DynamoDBClient,
  table: string,
): readonly (readonly [string, () => Promise<unknown>])[] {
  const key = (sk: number, pk = "ada"): Item => ({ pk: { S: pk }, sk: { N: String(sk) } });
  const newOnly = { ConditionExpression: "attribute_not_exists(pk)" };
  const put = (sk: number, extra: object = {}): TransactWriteItem => ({
    Put: { TableName: table, Item: key(sk, "tx"), ...extra },
  });
  const ada = { KeyConditionExpression: "pk = :pk", ExpressionAttributeValues: { ":pk": { S: "ada" } } };
  return [
    ["create_table", async () => createTable(creator, table)],
    [
      "wait_exists",
      async () => {
        await waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1 }, { TableName: table });
        return (await client.send(new DescribeTableCommand({ TableName: table }))).Table?.TableStatus;
      },
    ],
    [
      "describe_table",
      async () => {
        const answer = await client.send(new DescribeTableCommand({ TableName: table }));
        return {
          keys: answer.Table?.KeySchema?.map((part) => part.AttributeName),
          indexes: answer.Table?.GlobalSecondaryIndexes?.map((index) => index.IndexName),
        };
      },
    ],
    [
      "put_item",
      async () =>
        done(
          client.send(
            new PutItemCommand({
              TableName: table,
              Item: { ...key(1), status: { S: "open" }, total: { N: "12.50" } },
            }),
          ),
        ),
    ],
    [
      "get_item",
      async () => {
        const answer = await client.send(new GetItemCommand({ TableName: table, Key: key(1), ConsistentRead: true }));
        return plain(answer.Item);
      },
    ],
    [
      "get_absent",
      async () => plain((await client.send(new GetItemCommand({ TableName: table, Key: key(1, "nobody") }))).Item),
    ],
    [
      "update_item",
      async () => {
        const answer = await client.send(
          new UpdateItemCommand({
            TableName: table,
            Key: key(1),
            UpdateExpression: "SET #s = :s",
            ExpressionAttributeNames: { "#s": "status" },
            ExpressionAttributeValues: { ":s": { S: "paid" } },
            ReturnValues: "UPDATED_NEW",
          }),
        );
        return answer.Attributes?.["status"]?.S;
      },
    ],
    [
      "put_condition_fails",
      async () => done(client.send(new PutItemCommand({ TableName: table, Item: key(1), ...newOnly }))),
    ],
    [
      "batch_write",
      async () => {
        const puts = Array.from({ length: 25 }, (_, index) => ({
          PutRequest: { Item: { ...key(index + 2), text: { S: "x".repeat(400) } } },
        }));
        await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: puts } }));
        return puts.length;
      },
    ],
    [
      "batch_get",
      async () => {
        const answer = await client.send(
          new BatchGetItemCommand({ RequestItems: { [table]: { Keys: [key(1), key(3), key(999)] } } }),
        );
        return answer.Responses?.[table]?.map((item) => item["sk"]?.N).sort();
      },
    ],
    [
      "query",
      async () =>
        (await client.send(new QueryCommand({ TableName: table, ...ada, Limit: 3 }))).Items?.map(
          (item) => item["sk"]?.N,
        ),
    ],
    [
      "query_index",
      async () => {
        const answer = await client.send(
          new QueryCommand({
            TableName: table,
            IndexName: "by-status",
            KeyConditionExpression: "#s = :s",
            ExpressionAttributeNames: { "#s": "status" },
            ExpressionAttributeValues: { ":s": { S: "paid" } },
          }),
        );
        return answer.Count;
      },
    ],
    [
      "query_pages",
      async () => {
        const counts: number[] = [];
        for await (const page of paginateQuery({ client, pageSize: 10 }, { TableName: table, ...ada })) {
          if (page.Count !== undefined && page.Count > 0) counts.push(page.Count);
        }
        return counts;
      },
    ],
    ["scan_large", async () => (await client.send(new ScanCommand({ TableName: table }))).Items?.length],
    [
      "transact_write",
      async () => done(client.send(new TransactWriteItemsCommand({ TransactItems: [put(100), put(101)] }))),
    ],
    [
      "transact_get",
      async () => {
        const gets = [100, 101].map((sk) => ({ Get: { TableName: table, Key: key(sk, "tx") } }));
        const answer = await client.send(new TransactGetItemsCommand({ TransactItems: gets }));
        return answer.Responses?.map((response) => response.Item?.["sk"]?.N);
      },
    ],
    [
      "transact_cancelled",
      async () => done(client.send(new TransactWriteItemsCommand({ TransactItems: [put(100, newOnly)] }))),
    ],
    [
      "partiql_insert",
      async () =>
        done(
          client.send(
            new ExecuteStatementCommand({
              Statement: `INSERT INTO "${table}" VALUE {'pk': 'ql', 'sk': ?, 'text': 'partiql'}`,
              Parameters: [{ N: "1" }],
            }),
          ),
        ),
    ],
    [
      "partiql_select",
      async () => {
        const answer = await client.send(
          new ExecuteStatementCommand({
            Statement: `SELECT text FROM "${table}" WHERE pk = ? AND sk = 1`,
            Parameters: [{ S: "ql" }],
          }),
        );
        return answer.Items?.[0]?.["text"]?.S;
      },
    ],
    [
      "partiql_absent_table",
      async () =>
        done(client.send(new ExecuteStatementCommand({ Statement: `SELECT * FROM "${table}-absent" WHERE pk = 'a'` }))),
    ],
    ["absent_table", async () => done(client.send(new GetItemCommand({ TableName: `${table}-absent`, Key: key(1) })))],
    ["invalid", async () => done(client.send(new GetItemCommand({ TableName: table, Key: { wrong: { S: "x" } } })))],
    ["delete_item", async () => done(client.send(new DeleteItemCommand({ TableName: table, Key: key(1, "ql") })))],
    [
      "list_tables",
      async () => {
        for await (const page of paginateListTables({ client }, {})) {
          if (page.TableNames?.includes(table) === true) return true;
        }
        return false;
      },
    ],
    ["delete_table", async () => done(client.send(new DeleteTableCommand({ TableName: table })))],
  ];
}

async function createTable(client: DynamoDBClient, table: string): Promise<unknown> {
  const answer = await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "N" },
        { AttributeName: "status", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: "by-status",
          KeySchema: [{ AttributeName: "status", KeyType: "HASH" }],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    }),
  );
  return answer.TableDescription?.TableStatus;
}

async function done(sending: Promise<unknown>): Promise<true> {
  await sending;
  return true;
}

function plain(item: Item | undefined): Record<string, string> | null {
  if (item === undefined) return null;
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, value.S ?? value.N ?? ""]));
}
