/** A seeded grammar of requests over every operation on items. */

import {
  type Body,
  condition,
  conditional,
  legacyFilter,
  Placeholders,
  projected,
  updateExpression,
} from "./expressions.ts";
import { distinctKeys, identity, itemFor, keyFor, someTable } from "./keys.ts";
import type { Random } from "./random.ts";
import { query, scan } from "./searches.ts";
import { batchStatement, statement, transactStatement } from "./statements.ts";
import { KEYS, NAMES_OF_TABLES, type TableName } from "./tables.ts";
import { type Item, valueFor } from "./world.ts";

export interface Request {
  readonly operation: string;
  readonly body: Record<string, unknown>;
}

/** A request as it is sent: a body as bytes is sent as it is. */
export interface SentRequest {
  readonly operation: string;
  readonly body: Record<string, unknown> | Uint8Array;
}

export function requestOf(random: Random): Request {
  const [operation, make] = random.pick(OPERATIONS);
  const body = disguised(operation, make(random), random);
  for (const [name, value] of Object.entries(body)) if (value === undefined) delete body[name];
  return { operation, body };
}

/** The request for the page behind this answer; undefined when there is none. */
export function nextPage({ operation, body }: Request, answer: Body): Request | undefined {
  if (answer["LastEvaluatedKey"] !== undefined && operation !== "ExecuteStatement")
    return { operation, body: { ...body, ExclusiveStartKey: answer["LastEvaluatedKey"] } };
  if (answer["NextToken"] !== undefined) return { operation, body: { ...body, NextToken: answer["NextToken"] } };
  return undefined;
}

const OPERATIONS: readonly (readonly [string, (random: Random) => Body])[] = [
  ["GetItem", (random) => ({ ...at(random), ...projected(random) })],
  ["Query", query],
  ["Query", query],
  ["Scan", scan],
  ["PutItem", (random) => ({ ...put(random), ...conditional(random), ...returns(random, ["NONE", "ALL_OLD"]) })],
  ["UpdateItem", update],
  ["UpdateItem", update],
  ["DeleteItem", (random) => ({ ...at(random), ...conditional(random), ...returns(random, ["NONE", "ALL_OLD"]) })],
  ["BatchGetItem", batchGet],
  ["BatchWriteItem", batchWrite],
  ["TransactGetItems", transactGet],
  ["TransactWriteItems", transactWrite],
  ["ExecuteStatement", statement],
  ["ExecuteStatement", statement],
  ["BatchExecuteStatement", batchStatement],
  ["ExecuteTransaction", transactStatement],
];

function at(random: Random): Body {
  const name = someTable(random);
  return { TableName: name, Key: keyFor(name, random) };
}

function put(random: Random): Body {
  const name = someTable(random);
  return { TableName: name, Item: itemFor(name, random) };
}

function returns(random: Random, values: readonly string[]): Body {
  return {
    ...(random.chance(0.4) ? { ReturnValues: random.pick(values) } : {}),
    ...(random.chance(0.2) ? { ReturnValuesOnConditionCheckFailure: random.pick(["ALL_OLD", "NONE"]) } : {}),
  };
}

function update(random: Random): Body {
  const all = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"];
  if (random.chance(0.15)) {
    const updates = random.some(["a", "b", "n", "ss", "sec", "zz"], 1, 3).map((name): [string, object] => {
      const Action = random.pick(["PUT", "DELETE", "PUT", "ADD"]);
      if (Action === "DELETE" && random.chance(0.7)) return [name, { Action }];
      if (Action !== "PUT") return [name, { Action, Value: name === "ss" ? { SS: ["s1"] } : { N: "1" } }];
      return [name, { ...(random.chance(0.8) ? { Action } : {}), Value: valueFor(name, random) }];
    });
    return {
      ...at(random),
      AttributeUpdates: Object.fromEntries(updates),
      ...(random.chance(0.4) ? legacyFilter(random, "Expected") : {}),
      ...returns(random, all),
    };
  }
  const placeholders = new Placeholders(random);
  return {
    ...at(random),
    UpdateExpression: updateExpression(random, placeholders),
    ...(random.chance(0.4) ? { ConditionExpression: condition(random, placeholders, 1) } : {}),
    ...placeholders.toBody(),
    ...returns(random, all),
  };
}

function batchGet(random: Random): Body {
  const tables = random.some(NAMES_OF_TABLES, 1, 2);
  return {
    RequestItems: Object.fromEntries(
      tables.map((name) => [name, { Keys: distinctKeys(name, random, 3), ...projected(random) }]),
    ),
  };
}

function batchWrite(random: Random): Body {
  const tables = random.some(NAMES_OF_TABLES, 1, 2);
  const writes = (name: TableName): object[] =>
    distinctKeys(name, random, 3).map((key) =>
      random.chance(0.4)
        ? { DeleteRequest: { Key: key } }
        : { PutRequest: { Item: { ...itemFor(name, random), ...key } } },
    );
  return { RequestItems: Object.fromEntries(tables.map((name) => [name, writes(name)])) };
}

function transactGet(random: Random): Body {
  const parts = Array.from({ length: 1 + random.below(3) }, () => {
    const { AttributesToGet: _, ...rest } = projected(random);
    return { Get: { ...at(random), ...rest } };
  });
  return { TransactItems: unique(parts, (part) => part.Get as Body) };
}

function transactWrite(random: Random): Body {
  const parts = Array.from({ length: 1 + random.below(3) }, (): Body => {
    const placeholders = new Placeholders(random);
    const onFailure = random.chance(0.2) ? { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } : {};
    const kind = random.pick(["Put", "Update", "Delete", "ConditionCheck"]);
    const checked = (): Body => ({ ConditionExpression: condition(random, placeholders, 1) });
    const maybe = (): Body => (random.chance(0.5) ? checked() : {});
    const part: Body =
      kind === "Put"
        ? { ...put(random), ...maybe() }
        : kind === "Update"
          ? { ...at(random), UpdateExpression: updateExpression(random, placeholders), ...maybe() }
          : { ...at(random), ...(kind === "Delete" ? maybe() : checked()) };
    return { [kind]: { ...part, ...placeholders.toBody(), ...onFailure } };
  });
  return { TransactItems: unique(parts, (part) => Object.values(part)[0] as Body) };
}

/** Transactions name each item once. */
function unique<T>(parts: readonly T[], bodyOf: (part: T) => Body): T[] {
  const seen = new Set<string>();
  return parts.filter((part) => {
    const body = bodyOf(part);
    const table = body["TableName"] as TableName;
    const source = (body["Key"] ?? body["Item"]) as Item;
    const id = `${table} ${identity(Object.fromEntries((KEYS[table] ?? []).map((name) => [name, source[name] ?? {}])))}`;
    return seen.has(id) ? false : seen.add(id) !== undefined;
  });
}

/** The forms of ARNs that DynamoDB Local's tables have: its own, and those of the account that it stands for. */
const PREFIXES = ["arn:aws:dynamodb:ddblocal:000000000000:table/", "arn:aws:dynamodb:us-east-1:123456789012:table/"];

/** The same request with some tables named by their ARN, and members that say how much is used. */
function disguised(operation: string, body: Body, random: Random): Body {
  // Transactions of DynamoDB Local know no ARNs.
  const often = operation.startsWith("Transact") ? 0.02 : 0.1;
  const name = (table: unknown): unknown => (random.chance(often) ? `${random.pick(PREFIXES)}${String(table)}` : table);
  const part = (each: Body): Body => ("TableName" in each ? { ...each, TableName: name(each["TableName"]) } : each);
  const more = random.chance(0.05) ? { ReturnConsumedCapacity: random.pick(["INDEXES", "TOTAL"]) } : {};
  if ("TransactItems" in body) {
    const parts = (body["TransactItems"] as Record<string, Body>[]).map((each) =>
      Object.fromEntries(Object.entries(each).map(([kind, inner]) => [kind, part(inner)])),
    );
    return { ...body, TransactItems: parts, ...more };
  }
  if ("RequestItems" in body) {
    const tables = Object.entries(body["RequestItems"] as Body).map(([table, each]) => [name(table) as string, each]);
    return { ...body, RequestItems: Object.fromEntries(tables) as Body, ...more };
  }
  const consistent = ["GetItem", "Query", "Scan"].includes(operation) && random.chance(0.1);
  return { ...part(body), ...more, ...(consistent ? { ConsistentRead: true } : {}) };
}

/** The table that a name or an ARN of a request means. */
export function tableOf(nameOrArn: unknown): string {
  return String(nameOrArn).replace(/^arn:.*:table\//, "");
}
