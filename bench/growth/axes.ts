/** The directions in which load and configuration can grow, each alone, from the base cell of the load bench. */

import { BASE, bytes, type Cell } from "../load/cells.ts";
import { USUAL_WORLD, type World } from "../load/roles.ts";
import type { WayName } from "../load/ways.ts";

/** Something that can grow. */
export interface Axis {
  /** Name of its chart's file. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Whether the request asks for more of it: then cost may grow with it, in proportion at most. Else it may not grow. */
  readonly asked: boolean;
  readonly points: readonly number[];
  /** Ways beside Postern, to show what part of the growth is anybody's. */
  readonly beside: readonly WayName[];
  label(point: number): string;
  at(point: number): GrowthPoint;
}

/** What is measured at a point. */
export interface GrowthPoint {
  readonly cell: Cell;
  readonly world: World;
  /** Connections that are open and say nothing. */
  readonly idle: number;
}

const SIZES = [200, 1_000, 4_000, 16_000, 64_000, 400_000];
const TENFOLD = [10, 100, 1_000, 10_000];

export const AXES: readonly Axis[] = [
  axis("request-size", "Size of the request", "item that a PutItem brings", {
    asked: true,
    points: SIZES,
    beside: ["bare proxy"],
    label: bytes,
    at: (size) => ({ cell: { operation: "PutItem", size } }),
  }),
  axis("answer-size", "Size of the answer", "item that a GetItem returns", {
    asked: true,
    points: SIZES,
    beside: ["bare proxy"],
    label: bytes,
    at: (size) => ({ cell: { size } }),
  }),
  axis("items", "Items in a batch", "items of 200 B that a BatchWriteItem puts", {
    asked: true,
    points: [1, 5, 10, 25],
    beside: ["bare proxy"],
    at: (items) => ({ cell: { operation: "BatchWriteItem", items } }),
  }),
  axis("roles-held", "Roles of the caller", "roles that the caller holds, of 100", {
    asked: true,
    points: [1, 5, 20, 100],
    at: (held) => ({ world: { held } }),
  }),
  axis("rules", "Rules in a role", "rules in each of the caller's five roles; the last one matches", {
    asked: true,
    points: [1, 10, 100, 1_000],
    at: (rules) => ({ world: { rules, roles: 5 } }),
  }),
  axis("roles", "Roles loaded", "roles, of which the caller holds five", {
    points: TENFOLD,
    at: (roles) => ({ cell: { roles }, world: { roles } }),
  }),
  axis("databases", "Databases", "databases, of which one is asked", {
    points: [1, 10, 100, 1_000],
    at: (databases) => ({ world: { databases } }),
  }),
  axis("sessions", "Sessions", "users with a listener and an AWS session each; the connections are spread over them", {
    points: [1, 10, 100, 1_000],
    at: (sessions) => ({ world: { sessions } }),
  }),
  axis("connections", "Connections", "connections, all of which send", {
    points: [1, 4, 16, 64, 256],
    beside: ["bare proxy"],
    at: (connections) => ({ cell: { connections } }),
  }),
  axis("idle-connections", "Idle connections", "connections that are open and silent, beside 16 that send", {
    points: [1, 10, 100, 1_000],
    at: (idle) => ({ idle }),
  }),
];

interface AxisOptions {
  readonly asked?: boolean;
  readonly points: readonly number[];
  readonly beside?: readonly WayName[];
  readonly label?: (point: number) => string;
  readonly at: (point: number) => {
    readonly cell?: Partial<Cell>;
    readonly world?: Partial<World>;
    readonly idle?: number;
  };
}

function axis(name: string, title: string, unit: string, options: AxisOptions): Axis {
  const { asked = false, points, beside = [], label = grouped, at } = options;
  return {
    name,
    title,
    unit,
    asked,
    points,
    beside,
    label,
    at(point) {
      const { cell, world, idle = 0 } = at(point);
      return { cell: { ...BASE, ...cell }, world: { ...USUAL_WORLD, ...world }, idle };
    },
  };
}

function grouped(value: number): string {
  return value.toLocaleString("en");
}
