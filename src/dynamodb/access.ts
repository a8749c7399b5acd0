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
  /** Every partition that the access works in is among `leading_keys`. */
  readonly keys_known: boolean;
  /** Partition key values in canonical form, each once: see `keyText`. Of several partition key attributes, the first's. */
  readonly leading_keys: readonly string[];
  /**
   * `leading_keys` are values of the table's own partition key, so that they tell which of the table's partitions are
   * touched: always, unless an index has another partition key. Null when it is not known what the index has.
   */
  readonly own_keys: boolean | null;
  /** Every attribute that the access reads, shows or changes is among `attributes`. */
  readonly attributes_known: boolean;
  /** Paths as `spellPath` writes them, sorted, each once: `reads` and `writes` together. */
  readonly attributes: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly select: string | null;
  /** The most that the access returns of what a write changes or meets, in the words of `ReturnValues`. */
  readonly return_values: string;
  /** The access replaces or removes items as a whole, with attributes that it does not name. */
  readonly whole_item: boolean;
  /** True when more than the partitions of known keys may be read. */
  readonly full_scan: boolean;
  readonly consistent: boolean;
  /** Actions that the access amounts to besides its own, sorted: what a denial of them must reach. */
  readonly effects: readonly string[];
}

/** What an access asks for besides its resource. What is left out is not proven. */
export interface AccessFacts {
  /** Partition key values, canonical; null when they are not proven. */
  readonly keys?: readonly string[] | null;
  /** Of an access to an index: whether they are the table's own. */
  readonly own_keys?: boolean | null;
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  /** True when `reads` and `writes` are all that it reads, shows and changes. */
  readonly complete?: boolean;
  readonly whole_item?: boolean;
  readonly select?: string | null;
  readonly return_values?: string;
  readonly full_scan?: boolean;
  readonly consistent?: boolean;
  readonly effects?: readonly string[];
}

/** Gathers accesses; those with the same action, resource and return values become one that asks for all of them. */
export class AccessList {
  readonly #via: string;
  readonly #drafts: Draft[] = [];

  constructor(via: string) {
    this.#via = via;
  }

  add(action: string, resource: Resource, facts: AccessFacts): void {
    const returned = facts.return_values ?? "NONE";
    for (const draft of this.#drafts) {
      if (draft.action !== action || draft.resource.arn !== resource.arn || draft.returned !== returned) continue;
      draft.facts.push(facts);
      return;
    }
    this.#drafts.push({ action, resource, returned, facts: [facts] });
  }

  /** The accesses in the order in which each was first added. */
  all(): readonly Access[] {
    return this.#drafts.map((draft) => accessOf(draft, this.#via));
  }
}

interface Draft {
  readonly action: string;
  readonly resource: Resource;
  readonly returned: string;
  readonly facts: AccessFacts[];
}

/** Paths of one access that policy is told; an item with more is as good as unknown, and the question stays small. */
export const MOST_ATTRIBUTES = 2_000;
const LONGEST_ATTRIBUTES = 65_536;

function accessOf({ action, resource, returned, facts }: Draft, via: string): Access {
  const [first] = facts;
  const one = facts.length === 1 ? first : undefined;
  const reads = sorted(one === undefined ? facts.flatMap((each) => each.reads ?? NONE) : (one.reads ?? NONE));
  const writes = sorted(one === undefined ? facts.flatMap((each) => each.writes ?? NONE) : (one.writes ?? NONE));
  const attributes = writes.length === 0 ? reads : reads.length === 0 ? writes : sorted([...reads, ...writes]);
  const told = isTellable(attributes);
  const keys = facts.every((each) => each.keys != null);
  return {
    action,
    level: levelOf(action),
    via,
    table: resource.table,
    index: resource.index,
    arn: resource.arn,
    keys_known: keys,
    leading_keys: one === undefined ? [...new Set(facts.flatMap((each) => each.keys ?? NONE))] : (one.keys ?? NONE),
    own_keys: resource.index === null || ownKeysOf(facts),
    attributes_known: told && facts.every((each) => each.complete === true),
    attributes: told ? attributes : NONE,
    reads: told ? reads : NONE,
    writes: told ? writes : NONE,
    select: facts.find((each) => each.select != null)?.select ?? null,
    return_values: returned,
    whole_item: facts.some((each) => each.whole_item === true),
    full_scan: facts.some((each) => each.full_scan === true),
    consistent: facts.some((each) => each.consistent === true),
    effects: effectsOf(action, facts),
  };
}

const NONE: readonly string[] = Object.freeze([]);

/** Each once, by code units. The list itself when there is nothing to do. */
function sorted(names: readonly string[]): readonly string[] {
  for (let at = 1; at < names.length; at++) {
    if ((names[at - 1] as string) >= (names[at] as string)) return [...new Set(names)].sort();
  }
  return names;
}

function isTellable(attributes: readonly string[]): boolean {
  if (attributes.length > MOST_ATTRIBUTES) return false;
  let length = 0;
  for (const attribute of attributes) length += attribute.length;
  return length <= LONGEST_ATTRIBUTES;
}

/** All are about one index: what is known to one of them of its partition key is true for all. */
function ownKeysOf(facts: readonly AccessFacts[]): boolean | null {
  if (facts.some((each) => each.own_keys === false)) return false;
  return facts.every((each) => each.own_keys === true) ? true : null;
}

function effectsOf(action: string, facts: readonly AccessFacts[]): readonly string[] {
  if (facts.every((each) => (each.effects ?? NONE).length === 0)) return NONE;
  const all = new Set(facts.flatMap((each) => each.effects ?? NONE));
  all.delete(action);
  return [...all].sort();
}

const STRENGTH = ["NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"];

/** The one of two ReturnValues that shows more of what the caller did not write. */
export function strongest(one: string, other: string): string {
  return STRENGTH.indexOf(one) >= STRENGTH.indexOf(other) ? one : other;
}
