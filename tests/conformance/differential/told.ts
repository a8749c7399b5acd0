/** The bounds of a request by what policy was told of it. */

import type { Access } from "../../../src/dynamodb/accesses.ts";
import type { Bounds } from "./bounds.ts";
import { overlaps, partitionOf, within } from "./tables.ts";
import type { Item } from "./world.ts";

/** What of the accesses is held true. */
export interface Taking {
  /** `attributes` hold all that matters; or `reads` alone, so that what is only written must not matter. */
  readonly by: "attributes" | "reads";
  /** An access that is no `full_scan` touches no more than its `leading_keys`, whether they are all known or not. */
  readonly scans: boolean;
}

export class Told implements Bounds {
  readonly #accesses: readonly Access[];
  readonly #taking: Taking;

  constructor(accesses: readonly Access[], taking: Taking) {
    this.#accesses = accesses;
    this.#taking = taking;
  }

  placeOf(table: string, item: Item): string {
    return this.#accesses.map((access) => (this.#touches(access, table, item) ? "1" : "0")).join("");
  }

  reaches(table: string, item: Item): boolean {
    return this.#accesses.some((access) => this.#touches(access, table, item));
  }

  knows(table: string, item: Item, path: string): boolean {
    const { by } = this.#taking;
    return this.#accesses.some(
      (access) =>
        this.#touches(access, table, item) &&
        (!access.attributes_known || access[by].some((told) => overlaps(told, path))),
    );
  }

  announces(table: string, item: Item, path: string): boolean {
    return this.#accesses.some(
      (access) =>
        access.level === "write" &&
        this.#touches(access, table, item) &&
        (access.whole_item ||
          !access.attributes_known ||
          access.writes.some((told) => path === told || within(path, told))),
    );
  }

  removes(table: string, item: Item): boolean {
    return this.#accesses.some((access) => access.whole_item && this.#touches(access, table, item));
  }

  #touches(access: Access, table: string, item: Item): boolean {
    if (access.table !== table) return false;
    if (!access.keys_known && (access.full_scan || !this.#taking.scans)) return true;
    // The keys that are said to be the table's own are taken for that, of an index too.
    const place = access.own_keys === true ? null : access.index;
    const [tag, text] = Object.entries(item[partitionOf(table, place)] ?? {})[0] ?? [];
    return access.leading_keys.some((key) => (tag === "N" ? Number(key) === Number(text) : key === text));
  }
}
