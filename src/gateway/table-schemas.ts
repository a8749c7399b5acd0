/** What is known of the keys of each database's tables, for how long, and what is asked when it is not. */

import { LRUCache } from "lru-cache";
import type { ConfiguredKeys, ConfiguredTable } from "../aws/key-schemas.ts";
import type { Database } from "../aws/database.ts";
import type { Clock } from "../base/clock.ts";
import { projectedAttributes } from "../dynamodb/describe.ts";
import type { KeySchema, SchemaLookup, TableSchema } from "../dynamodb/key-schema.ts";

/** Milliseconds for which a schema is taken as it is. A table dropped and made anew is known with its new keys after that. */
export const FRESH_MS = 60_000;
/** Milliseconds for which it still serves when DynamoDB cannot be asked. */
export const USABLE_MS = 300_000;
/** Milliseconds for which a role that may not describe a table is not asked to again. */
export const REFUSED_MS = 30_000;
/** Milliseconds until the next question after one that got no answer, or that was asked because a schema did not fit. */
export const PAUSE_MS = 3_000;
const MOST_TABLES = 10_000;

/** What came of a question. */
export type Description = TableSchema | "refused" | "unavailable";

/** Asks DynamoDB for one table, as somebody who may or may not describe it. Never throws. */
export type Describe = (table: string) => Promise<Description>;

/** The schemas of all databases. A database of a new configuration starts empty: it may be another account's. */
export class TableSchemas {
  readonly #clock: Clock;
  readonly #databases = new WeakMap<Database, DatabaseSchemas>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(database: Database): DatabaseSchemas {
    let schemas = this.#databases.get(database);
    if (schemas === undefined) {
      schemas = new DatabaseSchemas(database, this.#clock);
      this.#databases.set(database, schemas);
    }
    return schemas;
  }
}

interface Known {
  readonly schema: TableSchema;
  /** Until when it is taken as it is. */
  freshUntil: number;
  readonly usableUntil: number;
  readonly learnedAt: number;
}

/** The schemas of one database's tables. */
export class DatabaseSchemas implements SchemaLookup {
  readonly #clock: Clock;
  readonly #configured: ReadonlyMap<string, TableSchema>;
  readonly #known = new LRUCache<string, Known>({ max: MOST_TABLES });
  /** Role and table → when it may be asked again. */
  readonly #pauses = new LRUCache<string, number>({ max: MOST_TABLES });
  readonly #asking = new Map<string, Promise<void>>();

  constructor(database: Database, clock: Clock) {
    this.#clock = clock;
    this.#configured = configuredSchemas(database.keySchemas);
  }

  schemaOf(table: string): TableSchema | undefined {
    const configured = this.#configured.get(table);
    if (configured !== undefined) return configured;
    const known = this.#known.get(table);
    return known !== undefined && this.#clock.monotonic() < known.freshUntil ? known.schema : undefined;
  }

  /**
   * Asks for tables that are not known, each once however many want it at the same time. Afterwards `schemaOf` tells what
   * was learned. `role` is who asks: a refusal is his alone.
   */
  async learn(role: string, tables: readonly string[], describe: Describe): Promise<void> {
    await Promise.all(tables.map((table) => this.#learnOne(role, table, describe)));
  }

  /** A request does not fit what is known of the table: it is asked for again, unless it was a moment ago. True if so. */
  doubt(table: string): boolean {
    const known = this.#known.get(table);
    if (known === undefined || this.#clock.monotonic() < known.learnedAt + PAUSE_MS) return false;
    known.freshUntil = 0;
    return true;
  }

  /** The table was made, changed or removed. */
  forget(table: string): void {
    this.#known.delete(table);
  }

  #learnOne(role: string, table: string, describe: Describe): Promise<void> {
    if (this.schemaOf(table) !== undefined) return Promise.resolve();
    const key = `${role} ${table}`;
    const under = this.#asking.get(key);
    if (under !== undefined) return under;
    if (this.#clock.monotonic() < (this.#pauses.get(key) ?? 0)) {
      this.#serveOn(table);
      return Promise.resolve();
    }
    const asking = this.#ask(key, table, describe).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(key: string, table: string, describe: Describe): Promise<void> {
    // What is known when the answer comes is not older than the question.
    const learnedAt = this.#clock.monotonic();
    const description = await describe(table);
    if (typeof description !== "string") {
      const freshUntil = learnedAt + FRESH_MS;
      this.#known.set(table, { schema: description, freshUntil, usableUntil: learnedAt + USABLE_MS, learnedAt });
      return;
    }
    const pause = description === "refused" ? REFUSED_MS : PAUSE_MS;
    this.#pauses.set(key, this.#clock.monotonic() + pause);
    if (description === "unavailable") this.#serveOn(table);
  }

  /** DynamoDB cannot be asked now: what was known lately serves a little longer. */
  #serveOn(table: string): void {
    const known = this.#known.get(table);
    // What was doubted does not.
    if (known === undefined || known.freshUntil === 0) return;
    known.freshUntil = Math.min(this.#clock.monotonic() + PAUSE_MS, known.usableUntil);
  }
}

function configuredSchemas(tables: ReadonlyMap<string, ConfiguredTable>): ReadonlyMap<string, TableSchema> {
  const schemas = new Map<string, TableSchema>();
  for (const [table, { indexes, ...keys }] of tables) {
    schemas.set(table, {
      table,
      id: null,
      ...keys,
      indexes: new Map(
        [...indexes].map(([name, { projection, ...own }]) => [
          name,
          { ...own, projected: projected(projection, keys, own) },
        ]),
      ),
    });
  }
  return schemas;
}

function projected(
  projection: "all" | "keys_only" | readonly string[] | undefined,
  table: ConfiguredKeys & KeySchema,
  index: ConfiguredKeys & KeySchema,
): "all" | readonly string[] | null {
  if (projection === undefined) return null;
  if (typeof projection === "string") return projectedAttributes(projection.toUpperCase(), [], table, index);
  return projectedAttributes("INCLUDE", projection, table, index);
}
