/** THE operation table: what every operation is, which actions it carries and where it names its resources. */

import { ACTIONS, EQUIVALENT_ACTIONS, type Level, NAMED_ONLY } from "./actions.ts";
import { COPY_OPERATIONS } from "./catalogue/copies.ts";
import { operationFrom } from "./catalogue/entry.ts";
import { ITEM_OPERATIONS } from "./catalogue/items.ts";
import { TABLE_OPERATIONS } from "./catalogue/tables.ts";
import type { Operation } from "./operation.ts";

export { ACTIONS, EQUIVALENT_ACTIONS, type Level } from "./actions.ts";
export type { AccessRule, DataClass, Operation, ResourceKind, ServiceHost } from "./operation.ts";

/** Every operation that the gateway knows; all others are denied. */
export const OPERATIONS: readonly Operation[] = [...ITEM_OPERATIONS, ...TABLE_OPERATIONS, ...COPY_OPERATIONS].map(
  operationFrom,
);

/** What policy is told of the actions when roles are compiled. */
export const ACTION_TABLE: {
  readonly levels: ReadonlyMap<string, Level>;
  readonly equivalents: ReadonlyMap<string, readonly string[]>;
  readonly namedOnly: ReadonlySet<string>;
  readonly carriers: ReadonlyMap<string, readonly string[]>;
} = {
  levels: ACTIONS,
  equivalents: EQUIVALENT_ACTIONS,
  namedOnly: NAMED_ONLY,
  carriers: new Map(
    OPERATIONS.filter(({ name }) => !ACTIONS.has(`dynamodb:${name}`)).map(({ name, rules }) => [
      `dynamodb:${name}`,
      [...new Set(rules.map(({ action }) => action))],
    ]),
  ),
};

const BY_TARGET: ReadonlyMap<string, Operation> = new Map(OPERATIONS.map((operation) => [operation.target, operation]));

/** The operation with exactly this `X-Amz-Target`; no folding of case, no prefix. */
export function operationOf(target: string): Operation | undefined {
  return BY_TARGET.get(target);
}

/**
 * Members that are named like a table or an ARN and yet name no resource of the request, with the reason:
 * `Operation.path`, or a member's name that means the same wherever it stands. A test holds every such member against
 * this list and the rules.
 */
export const NOT_A_RESOURCE: ReadonlyMap<string, string> = new Map([
  ["ListGlobalTables.RegionName", "which of the global tables are listed; the answer is filtered by their names"],
  ["ListTables.ExclusiveStartTableName", "where a list goes on; names what was listed before, opens nothing"],
  ["ListGlobalTables.ExclusiveStartGlobalTableName", "where a list goes on"],
  ["ListBackups.ExclusiveStartBackupArn", "where a list goes on"],
  ["ListStreams.ExclusiveStartStreamArn", "where a list goes on"],
  ["DisableKinesisStreamingDestination.StreamArn", "a Kinesis stream that gets nothing more; the table is judged"],
  ["UpdateKinesisStreamingDestination.StreamArn", "a Kinesis stream that is enabled already; the table is judged"],
]);
