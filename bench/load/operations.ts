/** The requests that are sent and the answers that the upstream gives, as bytes. */

export const OPERATIONS = [
  "GetItem",
  "PutItem",
  "Query",
  "BatchWriteItem",
  "TransactWriteItems",
  "ExecuteStatement",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What is asked for. */
export interface Shape {
  readonly operation: Operation;
  /** Bytes of an item. */
  readonly size: number;
  /** How many items, where the operation is on several. */
  readonly items: number;
}

export const TABLE = "orders";
/** Whom the signatures of the ways name, so that the upstream can tell them from the client's own. */
export const GATEWAY_KEY = "ASIABENCHGATEWAY0000";

/** As many items as one would ask for. */
export function usualItems(operation: Operation): number {
  return { GetItem: 1, PutItem: 1, Query: 10, BatchWriteItem: 25, TransactWriteItems: 10, ExecuteStatement: 1 }[
    operation
  ];
}

/** One HTTP request, with the head that an AWS SDK sends: it signs, with credentials that mean nothing here. */
export function requestBytes(shape: Shape, sign: Sign = withMeaningless): Buffer {
  return http(shape.operation, requestBody(shape), sign);
}

/** A request that every policy of the bench denies. */
export function deniedRequest(sign: Sign = withMeaningless): Buffer {
  return http("DeleteTable", { TableName: TABLE }, sign);
}

/** The headers by which a request is signed, in the order in which they are sent, given those that are to be and the body. */
export type Sign = (headers: Readonly<Record<string, string>>, body: string) => Readonly<Record<string, string>>;

const withMeaningless: Sign = () => {
  const signed = "accept-encoding;content-length;content-type;host;x-amz-date;x-amz-target";
  return {
    "x-amz-date": "20261122T140000Z",
    authorization: `AWS4-HMAC-SHA256 Credential=AKIABENCHCLIENT00000/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=${signed}, Signature=${"0".repeat(64)}`,
  };
};

export function answerBody({ operation, size, items }: Shape): Buffer {
  const list = (): object[] => Array.from({ length: items }, (_, at) => item(at, size));
  const answers: Readonly<Record<Operation, () => object>> = {
    GetItem: () => ({ Item: item(0, size) }),
    PutItem: () => ({}),
    Query: () => ({ Items: list(), Count: items, ScannedCount: items }),
    BatchWriteItem: () => ({ UnprocessedItems: {} }),
    TransactWriteItems: () => ({}),
    ExecuteStatement: () => ({ Items: list() }),
  };
  return Buffer.from(JSON.stringify(answers[operation]()));
}

function requestBody({ operation, size, items }: Shape): object {
  const puts = (): object[] => Array.from({ length: items }, (_, at) => ({ Item: item(at, size) }));
  const names = { "#a": "id", "#b": "name", "#c": "total", "#d": "note" };
  const bodies: Readonly<Record<Operation, () => object>> = {
    GetItem: () => ({
      TableName: TABLE,
      Key: { id: { S: "user#00000042" } },
      ConsistentRead: false,
      ReturnConsumedCapacity: "NONE",
      ProjectionExpression: "#a, #b, #c, #d",
      ExpressionAttributeNames: names,
    }),
    PutItem: () => ({ TableName: TABLE, Item: item(0, size) }),
    Query: () => ({
      TableName: TABLE,
      KeyConditionExpression: "#a = :id AND begins_with(#s, :s)",
      FilterExpression: "#c > :c",
      ExpressionAttributeNames: { "#a": "id", "#s": "at", "#c": "total" },
      ExpressionAttributeValues: { ":id": { S: "user#00000042" }, ":s": { S: "2026-" }, ":c": { N: "100" } },
      Limit: items,
    }),
    BatchWriteItem: () => ({ RequestItems: { [TABLE]: puts().map((PutRequest) => ({ PutRequest })) } }),
    TransactWriteItems: () => ({
      TransactItems: puts().map((put) => ({
        Put: {
          TableName: TABLE,
          ...put,
          ConditionExpression: "attribute_not_exists(#a)",
          ExpressionAttributeNames: { "#a": "id" },
        },
      })),
    }),
    ExecuteStatement: () => ({
      Statement: `SELECT id, name, total, note FROM "${TABLE}" WHERE id = ? AND total > 100`,
      Parameters: [{ S: "user#00000042" }],
    }),
  };
  return bodies[operation]();
}

/** An item whose JSON has about so many bytes. */
function item(at: number, size: number): object {
  const note = "x".repeat(Math.max(1, size - 90));
  return {
    id: { S: `user#${String(at).padStart(8, "0")}` },
    name: { S: "Ada Lovelace" },
    total: { N: "1815.12" },
    note: { S: note },
  };
}

function http(operation: string, body: object, sign: Sign): Buffer {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  const before = {
    host: "localhost:8000",
    "accept-encoding": "identity",
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": `DynamoDB_20120810.${operation}`,
  };
  const headers = {
    ...before,
    "user-agent": "aws-sdk-js/3.1164.0 ua/2.1 os/linux#6.1 lang/js md/nodejs#20.19.0 api/dynamodb#3.1164.0 m/E",
    "amz-sdk-invocation-id": "8b1f7c4e-52a1-4d1c-9d5e-1d3f0a7c9b42",
    "amz-sdk-request": "attempt=1; max=3",
    ...sign({ ...before, "content-length": length }, text),
    "content-length": length,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST / HTTP/1.1\r\n${lines.join("")}\r\n${text}`);
}
