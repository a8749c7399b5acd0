/** Random requests about tables and their streams, by every name that a table has. */

import type { Random } from "./random.ts";
import type { Request } from "./requests.ts";
import { definitionOf, NAMES, STREAMS, type TableWorld } from "./table-world.ts";

type Body = Record<string, unknown>;

/** The tables, in the forms in which requests name them: some are of another place, or of something else. */
function named(random: Random): string {
  const name = random.pick(NAMES);
  const form = random.next();
  if (form < 0.7) return name;
  if (form < 0.8) return `arn:aws:dynamodb:ddblocal:000000000000:table/${name}`;
  if (form < 0.9) return `arn:aws:dynamodb:us-east-1:123456789012:table/${name}`;
  return random.pick([
    `arn:aws:dynamodb:eu-west-1:123456789012:table/${name}`,
    `arn:aws:dynamodb:us-east-1:210987654321:table/${name}`,
    `arn:aws:dynamodb:us-east-1:123456789012:table/${name}/index/by-g`,
    `arn:aws:dynamodb:us-east-1:123456789012:table/${name}%2f`,
    `${name} `,
    name.toUpperCase(),
  ]);
}

export const TABLE_OPERATIONS: readonly string[] = [
  "CreateTable",
  "UpdateTable",
  "DeleteTable",
  "DescribeTable",
  "ListTables",
  "UpdateTimeToLive",
  "DescribeTimeToLive",
  "ListStreams",
  "DescribeStream",
  "GetShardIterator",
];

export const LISTS: readonly string[] = ["ListTables", "ListStreams"];

/** The name without the service. */
export function bareName(operation: string): string {
  return operation.replace(/^.*\./, "");
}

/** A request for what is not GetRecords: that needs an iterator. */
export async function tableRequest(random: Random, world: TableWorld): Promise<Request> {
  const operation = random.pick(random.chance(0.15) ? LISTS : TABLE_OPERATIONS);
  const name = named(random);
  switch (operation) {
    case "CreateTable":
      return {
        operation,
        body: definitionOf(random.chance(0.6) ? (world.free ?? name) : name, random.chance(0.5), random.chance(0.3)),
      };
    case "UpdateTable":
      return { operation, body: { TableName: name, ...update(random) } };
    case "UpdateTimeToLive": {
      const specification = { Enabled: random.chance(0.7), AttributeName: random.pick(["ttl", "ttl", "other"]) };
      return { operation, body: { TableName: name, TimeToLiveSpecification: specification } };
    }
    case "ListTables":
      return {
        operation,
        body: { ...limited(random), ...starting(random, "ExclusiveStartTableName", random.pick(NAMES)) },
      };
    case "ListStreams":
      return {
        operation: `${STREAMS}.${operation}`,
        body: {
          // Streams outlive their tables, so that there come to be many.
          ...(random.chance(0.6) ? { Limit: 20 + random.below(40) } : {}),
          ...(random.chance(0.4) ? { TableName: name } : {}),
          ...starting(random, "ExclusiveStartStreamArn", await streamArn(random, world)),
        },
      };
    case "DescribeStream":
      return { operation: `${STREAMS}.${operation}`, body: { StreamArn: await streamArn(random, world) } };
    case "GetShardIterator": {
      const StreamArn = await streamArn(random, world);
      const ShardId = await shardOf(StreamArn, world);
      return { operation: `${STREAMS}.${operation}`, body: { StreamArn, ShardId, ShardIteratorType: "TRIM_HORIZON" } };
    }
    default:
      return { operation, body: { TableName: name } };
  }
}

/** A stream of some table, or of none. */
async function streamArn(random: Random, world: TableWorld): Promise<string> {
  const table = random.pick(NAMES);
  const known = await world.streamsOf(table);
  return known.length > 0 && random.chance(0.9)
    ? random.pick(known.slice(-2))
    : `arn:aws:dynamodb:ddblocal:000000000000:table/${table}/stream/2026-01-01T00:00:00.000`;
}

async function shardOf(StreamArn: string, world: TableWorld): Promise<string> {
  return StreamArn.includes("2026-01-01T00:00") ? "shardId-00000000000000000000" : await world.shardOf(StreamArn);
}

function limited(random: Random): Body {
  return random.chance(0.6) ? { Limit: 1 + random.below(3) } : {};
}

function starting(random: Random, member: string, value: string): Body {
  return random.chance(0.2) ? { [member]: value } : {};
}

function update(random: Random): Body {
  const key = [{ AttributeName: "g", KeyType: "HASH" }];
  const attributes = ["id", "g"].map((AttributeName) => ({ AttributeName, AttributeType: "S" }));
  return random.pick<Body>([
    { StreamSpecification: { StreamEnabled: true, StreamViewType: "KEYS_ONLY" } },
    { StreamSpecification: { StreamEnabled: false } },
    { DeletionProtectionEnabled: random.chance(0.5) },
    { BillingMode: "PROVISIONED", ProvisionedThroughput: { ReadCapacityUnits: 3, WriteCapacityUnits: 3 } },
    {
      AttributeDefinitions: attributes,
      GlobalSecondaryIndexUpdates: [
        { Create: { IndexName: "by-g", KeySchema: key, Projection: { ProjectionType: "ALL" } } },
      ],
    },
    { GlobalSecondaryIndexUpdates: [{ Delete: { IndexName: "by-g" } }] },
  ]);
}

/** Members by which lists go on. */
const CURSORS: Readonly<Record<string, readonly [last: string, start: string]>> = {
  ListTables: ["LastEvaluatedTableName", "ExclusiveStartTableName"],
  ListStreams: ["LastEvaluatedStreamArn", "ExclusiveStartStreamArn"],
};

/** The request for the list behind this page; undefined when there is none. */
export function nextListed({ operation, body }: Request, answer: Body): Request | undefined {
  const [last = "", start = ""] = CURSORS[bareName(operation)] ?? [];
  return answer[last] === undefined ? undefined : { operation, body: { ...body, [start]: answer[last] } };
}

/** What a page of a list lists, as texts. */
export function listed(answer: Body): string[] {
  return ((answer["TableNames"] ?? answer["Streams"] ?? []) as unknown[]).map((entry) => JSON.stringify(entry));
}
