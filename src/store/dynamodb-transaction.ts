/** One call's writes as a transaction of DynamoDB, and what its refusal means. */

import type { CheckedWrite } from "./checks.ts";
import { DynamoDbError } from "./dynamodb-call.ts";
import { COUNTER_KEY, isAlive, type Item, keyOf, numberOf, toItem } from "./dynamodb-items.ts";
import { type Refusal, refused } from "./store-errors.ts";
import type { StoredResource, Write } from "./store.ts";

/** A refusal: of what was asked, or of the counter, which another writer raised. */
export type Cancelled =
  | { readonly by: "write"; readonly error: Error }
  | { readonly by: "counter"; readonly counter: Item | undefined }
  | { readonly by: "contention" };

const ALIVE = "(attribute_not_exists(expires_at) OR expires_at >= :now)";
const ABSENT = "(attribute_not_exists(pk) OR expires_at < :now)";

/**
 * The parts of a transaction: first the writes in their order, then the counter, then the feed.
 *
 * @param counter where it must stand, and the schema that the table must have; `feed` is what comes behind it
 */
export function toTransaction(
  table: string,
  checked: readonly CheckedWrite[],
  resources: ReadonlyMap<CheckedWrite, StoredResource>,
  feed: readonly ((seq: number) => Item)[],
  { seen, schema }: { readonly seen: number; readonly schema: number },
  now: number,
): object[] {
  const parts = checked.map((one) => partOf(table, one, resources.get(one), now));
  if (feed.length === 0) return parts;
  return [
    ...parts,
    {
      Update: {
        TableName: table,
        Key: COUNTER_KEY,
        UpdateExpression: "SET seq = :next",
        ConditionExpression: "seq = :seen AND schema_version = :schema",
        ExpressionAttributeValues: {
          ":next": { N: String(seen + feed.length) },
          ":seen": { N: String(seen) },
          ":schema": { N: String(schema) },
        },
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      },
    },
    ...feed.map((make, index) => ({ Put: { TableName: table, Item: make(seen + index + 1) } })),
  ];
}

/** Why a transaction did not happen, or `undefined` when the error says something else. */
export function cancelled(error: unknown, checked: readonly CheckedWrite[], now: number): Cancelled | undefined {
  if (!(error instanceof DynamoDbError) || error.type !== "TransactionCanceledException") return undefined;
  const reasons = error.reasons();
  for (const [index, reason] of reasons.entries()) {
    if (reason.Code !== "ConditionalCheckFailed") continue;
    const write = checked[index]?.write;
    if (write === undefined) return { by: "counter", counter: reason.Item };
    const there = reason.Item !== undefined && isAlive(reason.Item, now);
    return { by: "write", error: refused(refusalOf(write, there), write) };
  }
  const transient = /^(?:TransactionConflict|ThrottlingError|ProvisionedThroughputExceeded)/;
  return reasons.some(({ Code = "" }) => transient.test(Code)) ? { by: "contention" } : undefined;
}

/** Where the counter stands and the schema that it names. */
export function readCounter(item: Item): { readonly seq: number; readonly schema: number } {
  return { seq: numberOf(item, "seq"), schema: numberOf(item, "schema_version") };
}

function refusalOf(write: Write, there: boolean): Refusal {
  if (write.op === "create") return "store_exists";
  return write.op === "delete" && !there ? "store_missing" : "store_conflict";
}

function partOf(table: string, one: CheckedWrite, resource: StoredResource | undefined, now: number): object {
  const { write, text } = one;
  const condition = conditionOf(write, now);
  if (resource !== undefined && text !== undefined) {
    return { Put: { TableName: table, Item: toItem(resource, text), ...condition } };
  }
  const about = { TableName: table, Key: keyOf(write.kind, write.name), ...condition };
  return write.op === "delete" ? { Delete: about } : { ConditionCheck: about };
}

function conditionOf(write: Write, now: number): object {
  if (write.op === "put") return {};
  const absent = write.op === "create" || (write.op === "expect" && write.revision === null);
  const revision = write.op === "create" ? undefined : (write.revision ?? undefined);
  const expression = absent ? ABSENT : `attribute_exists(pk) AND ${ALIVE}`;
  return {
    ConditionExpression: revision === undefined ? expression : `${expression} AND revision = :revision`,
    ExpressionAttributeValues: {
      ":now": { N: String(now) },
      ...(revision !== undefined && { ":revision": { S: revision } }),
    },
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
}
