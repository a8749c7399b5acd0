/** The short form in which the table is written. */

import type { AccessRule, DataClass, Operation, ServiceHost } from "../operation.ts";
import { ACTIONS, type Level } from "../actions.ts";

/** A row of the table; what is left out follows from the rest. */
export interface OperationEntry {
  readonly name: string;
  /** `dynamodb` unless told. */
  readonly service?: ServiceHost;
  readonly dataClass: DataClass;
  readonly also?: readonly string[];
  readonly rules: readonly AccessRule[];
}

/** An access rule with its actions written without `dynamodb:`. */
export function rule(action: string, where: Omit<AccessRule, "action">): AccessRule {
  const { effects, ...rest } = where;
  return {
    action: `dynamodb:${action}`,
    ...rest,
    ...(effects === undefined ? {} : { effects: effects.map((effect) => `dynamodb:${effect}`) }),
  };
}

/** The rule of an operation that names no resource. */
export function nowhere(action: string): AccessRule {
  return rule(action, { kind: "none", at: "" });
}

const LEVELS: readonly Level[] = ["list", "read", "tagging", "write", "permissions"];

/** The full row. */
export function operationFrom(entry: OperationEntry): Operation {
  const service = entry.service ?? "dynamodb";
  const actions = [...new Set(entry.rules.map((each) => each.action))];
  const levels = actions.map((action) => levelOf(action));
  return {
    target: `${service === "streams" ? "DynamoDBStreams_20120810" : "DynamoDB_20120810"}.${entry.name}`,
    name: entry.name,
    service,
    level: LEVELS.findLast((level) => levels.includes(level)) ?? "write",
    dataClass: entry.dataClass,
    idempotent: entry.dataClass === "data_read" || entry.dataClass === "metadata",
    actions,
    also: (entry.also ?? []).map((action) => `dynamodb:${action}`),
    rules: entry.rules,
  };
}

/** The level of an action; an action without one is a mistake in the table. */
export function levelOf(action: string): Level {
  const level = ACTIONS.get(action);
  if (level === undefined) throw new TypeError(`Cannot use the action "${action}": it has no level in ACTIONS`);
  return level;
}
