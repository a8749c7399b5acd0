/** What is measured: a base cell, and cells in which one factor differs from it. */

import { type Operation, type Shape, usualItems } from "./operations.ts";

/** A place in the space of measurements; the way is the remaining dimension. */
export interface Cell {
  readonly operation: Operation;
  /** Bytes of an item. */
  readonly size: number;
  readonly items: number;
  readonly connections: number;
  readonly roles: number;
  /** Whether the upstream is reached over TLS. */
  readonly tls: boolean;
}

export const BASE: Cell = { operation: "GetItem", size: 200, items: 1, connections: 16, roles: 100, tls: false };

/** The base cell first; then one factor at a time. Those that need processes of their own stand together at the end. */
export const CELLS: readonly Cell[] = [
  BASE,
  { ...BASE, connections: 1 },
  { ...BASE, connections: 256 },
  { ...BASE, size: 4_096 },
  { ...BASE, size: 400_000 },
  ...(["Query", "BatchWriteItem", "TransactWriteItems", "ExecuteStatement"] as const).map((operation): Cell => ({
    ...BASE,
    operation,
    items: usualItems(operation),
  })),
  { ...BASE, tls: true },
  // What is most worth knowing first: should time run out, the last are missing.
  { ...BASE, roles: 10_000 },
  { ...BASE, roles: 10 },
  { ...BASE, roles: 1_000 },
];

/** A few that stand for all. */
export const QUICK_CELLS: readonly Cell[] = CELLS.filter(
  ({ operation, connections, size }, at) =>
    at === 0 || connections === 256 || (operation === "BatchWriteItem" && size === BASE.size),
);

export function shapeOf({ operation, size, items }: Cell): Shape {
  return { operation, size, items };
}

/** What of a cell needs processes of its own. */
export function stageOf({ roles, tls }: Cell): string {
  return `${roles} roles${tls ? ", TLS" : ""}`;
}

/** In what a cell differs from the base, for people. */
export function titleOf(cell: Cell): string {
  const parts: string[] = [];
  if (cell.operation !== BASE.operation)
    parts.push(cell.items > 1 ? `${cell.operation} of ${cell.items}` : cell.operation);
  if (cell.size !== BASE.size) parts.push(`items of ${bytes(cell.size)}`);
  if (cell.connections !== BASE.connections)
    parts.push(`${cell.connections} connection${cell.connections === 1 ? "" : "s"}`);
  if (cell.roles !== BASE.roles) parts.push(`${cell.roles.toLocaleString("en")} roles`);
  if (cell.tls) parts.push("upstream over TLS");
  return parts.length > 0
    ? parts.join(", ")
    : `base: ${cell.operation}, ${bytes(cell.size)}, ${cell.connections} connections, ${cell.roles} roles`;
}

/** A size, for people. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  return size % 1024 === 0 ? `${size / 1024} KB` : `${size / 1000} KB`;
}
