/** One access: what policy is asked about, and how several accesses of a kind to one resource become one. */

import type { Level } from "./actions.ts";
import { levelOf } from "./catalogue/entry.ts";
import type { Resource } from "./resource-arn.ts";

/** One kind of access to one table or index. The members are those of policy's input. */
export interface Access {
  /** The name that IAM uses, for example `dynamodb:PutItem`. */
  readonly action: string;
  readonly level: Level;
  /** The operation that carries it, for example `TransactWriteItems`. */
  readonly via: string;
  readonly table: string | null;
  readonly index: string | null;
  readonly arn: string;
  readonly keys_known: boolean;
  readonly leading_keys: readonly string[];
  readonly attributes_known: boolean;
  readonly attributes: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly select: string | null;
  /** The most that the access returns of what a write changes or meets, in the words of `ReturnValues`. */
  readonly return_values: string;
  /** The access replaces or removes items as a whole, with attributes that it does not name. */
  readonly whole_item: boolean;
  /** True unless it is proven that the access reads by key. */
  readonly full_scan: boolean;
  readonly consistent: boolean;
  /** Actions that the access amounts to besides its own, sorted: what a denial of them must reach. */
  readonly effects: readonly string[];
}

/** What an access may ask for besides its resource. */
export interface AccessFacts {
  readonly select?: string | null;
  readonly return_values?: string;
  readonly full_scan?: boolean;
  readonly consistent?: boolean;
  readonly effects?: readonly string[];
}

/** Gathers accesses; those with the same action and resource become one that asks for all that each asked for. */
export class AccessList {
  readonly #via: string;
  readonly #accesses = new Map<string, Access>();

  constructor(via: string) {
    this.#via = via;
  }

  add(action: string, resource: Resource, facts: AccessFacts): void {
    const key = `${action} ${resource.arn}`;
    const before = this.#accesses.get(key);
    this.#accesses.set(key, {
      action,
      level: levelOf(action),
      via: this.#via,
      table: resource.table,
      index: resource.index,
      arn: resource.arn,
      keys_known: false,
      leading_keys: [],
      attributes_known: false,
      attributes: [],
      reads: [],
      writes: [],
      select: facts.select ?? before?.select ?? null,
      return_values: strongest(before?.return_values ?? "NONE", facts.return_values ?? "NONE"),
      whole_item: false,
      full_scan: (before?.full_scan ?? false) || (facts.full_scan ?? false),
      consistent: (before?.consistent ?? false) || (facts.consistent ?? false),
      effects: union(action, before?.effects ?? NO_EFFECTS, facts.effects ?? NO_EFFECTS),
    });
  }

  all(): readonly Access[] {
    return [...this.#accesses.values()];
  }
}

const NO_EFFECTS: readonly string[] = [];

function union(action: string, some: readonly string[], others: readonly string[]): readonly string[] {
  if (some.length === 0 && others.length === 0) return NO_EFFECTS;
  const all = new Set([...some, ...others]);
  all.delete(action);
  return [...all].sort();
}

const STRENGTH = ["NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"];

/** The one of two ReturnValues that shows more of what the caller did not write. */
export function strongest(one: string, other: string): string {
  return STRENGTH.indexOf(one) >= STRENGTH.indexOf(other) ? one : other;
}
