/** What is known of the keys of each database's tables, for how long, and what is asked when it is not. */

import { LRUCache } from "lru-cache";
import type { ConfiguredKeys, ConfiguredTable } from "../aws/key-schemas.ts";
import type { Database } from "../aws/database.ts";
import type { Clock } from "../base/clock.ts";
import { projectedAttributes } from "../dynamodb/describe.ts";
import type { KeySchema, SchemaLookup, TableSchema } from "../dynamodb/key-schema.ts";
import { Patience } from "./patience.ts";
import type { Departure } from "./ports.ts";

/** Milliseconds for which a schema is taken as it is. A table dropped and made anew is known with its new keys after that. */
export const FRESH_MS = 60_000;
/** Milliseconds for which it still serves when DynamoDB cannot be asked. */
export const USABLE_MS = 300_000;
/** Milliseconds for which a role is not asked to again that may not describe a table, or whose answer is unreadable. */
export const REFUSED_MS = 30_000;
/** Milliseconds until the next question after one that got no answer, or that was asked because a schema did not fit. */
export const PAUSE_MS = 3_000;
const MOST_TABLES = 10_000;
/** DynamoDB refuses requests that name more. */
const MOST_TABLES_OF_A_REQUEST = 100;
/** Questions of one request at the same time, and of one database's requests. */
const MOST_AT_ONCE = 16;
const MOST_UNDER_WAY = 128;

/**
 * Why a table's keys are not known: the role may not describe it, or there is none; the answer is not one; there was no
 * answer; or the configuration tells of the table, but not what the request turns on.
 */
export type Unlearned = "refused" | "unreadable" | "unavailable" | "configured";

/** What came of a question. */
export type Description = TableSchema | Exclude<Unlearned, "configured">;

/** Asks DynamoDB for one table, as somebody who may or may not describe it, until the departure. Never throws. */
export type Describe = (table: string, departure: Departure) => Promise<Description>;

export interface TableSchemasOptions {
  readonly clock: Clock;
  /** Milliseconds for one question, and for all that a request waits for; 5,000 unless told. */
  readonly patience?: number;
}

/** The schemas of all databases. A database of a new configuration starts empty: it may be another account's. */
export class TableSchemas {
  readonly #options: TableSchemasOptions;
  readonly #databases = new WeakMap<Database, DatabaseSchemas>();

  constructor(options: TableSchemasOptions) {
    this.#options = options;
  }

  of(database: Database): DatabaseSchemas {
    let schemas = this.#databases.get(database);
    if (schemas === undefined) {
      schemas = new DatabaseSchemas(database, this.#options);
      this.#databases.set(database, schemas);
    }
    return schemas;
  }
}

interface Known {
  readonly schema: TableSchema;
  /** Until when it is taken as it is; 0 when it is doubted. */
  freshUntil: number;
  readonly usableUntil: number;
  readonly askedAt: number;
  /** From when it may be doubted. */
  readonly firmUntil: number;
}

interface Question {
  readonly table: string;
  /** The table was changed after it was asked. */
  moot: boolean;
}

/** The schemas of one database's tables, whichever role they were told to. */
export class DatabaseSchemas implements SchemaLookup {
  readonly #clock: Clock;
  readonly #patience: number;
  readonly #configured: ReadonlyMap<string, TableSchema>;
  readonly #known = new LRUCache<string, Known>({ max: MOST_TABLES });
  /** Role and table → when it may be asked again, and why not before. */
  readonly #pauses = new LRUCache<string, { readonly until: number; readonly why: Unlearned }>({ max: MOST_TABLES });
  /** Role and table → what is being asked, and when it is answered. */
  readonly #questions = new Map<string, { readonly question: Question; readonly answered: Promise<void> }>();

  constructor(database: Database, { clock, patience = 5_000 }: TableSchemasOptions) {
    this.#clock = clock;
    this.#patience = patience;
    this.#configured = configuredSchemas(database.keySchemas);
  }

  schemaOf(table: string): TableSchema | undefined {
    const configured = this.#configured.get(table);
    if (configured !== undefined) return configured;
    const known = this.#known.get(table);
    return known !== undefined && this.#clock.monotonic() < known.freshUntil ? known.schema : undefined;
  }

  /**
   * Asks for tables that are not known, each once however many want it at the same time, and waits for the answers, not
   * for ever and not for a client that has gone. Afterwards `schemaOf` tells what was learned, and `whyUnknown` what was
   * not. `role` is who asks: a refusal is his alone.
   */
  async learn(role: string, tables: readonly string[], describe: Describe, client: Departure): Promise<void> {
    const patience = new Patience(this.#patience, client);
    const left = tables.slice(0, MOST_TABLES_OF_A_REQUEST).values();
    const askInTurn = async (): Promise<void> => {
      for (const table of left) {
        if (patience.gone) return;
        await Promise.race([this.#learnOne(role, table, describe), patience.over]);
      }
    };
    await Promise.all(Array.from({ length: Math.min(MOST_AT_ONCE, tables.length) }, askInTurn));
    patience.end();
  }

  /** Why asking for the table was in vain; undefined when its schema is known from DynamoDB. */
  whyUnknown(role: string, table: string): Unlearned | undefined {
    if (this.#configured.has(table)) return "configured";
    if (this.schemaOf(table) !== undefined) return undefined;
    const pause = this.#pauses.get(keyOf(role, table));
    return pause !== undefined && this.#clock.monotonic() < pause.until ? pause.why : "unavailable";
  }

  /** A request does not fit what is known of the table: it is asked for again, unless it was for that reason a moment ago. */
  doubt(table: string): void {
    const known = this.#known.get(table);
    if (known !== undefined && this.#clock.monotonic() >= known.firmUntil) known.freshUntil = 0;
  }

  /** The table was made, changed or removed: neither what is known of it counts, nor what is being asked. */
  forget(table: string): void {
    this.#known.delete(table);
    for (const [key, { question }] of this.#questions) {
      if (question.table !== table) continue;
      question.moot = true;
      this.#questions.delete(key);
    }
  }

  #learnOne(role: string, table: string, describe: Describe): Promise<void> {
    if (this.schemaOf(table) !== undefined) return Promise.resolve();
    const key = keyOf(role, table);
    const underWay = this.#questions.get(key);
    if (underWay !== undefined) return underWay.answered;
    const pause = this.#pauses.get(key);
    if (pause !== undefined && this.#clock.monotonic() < pause.until) {
      if (pause.why === "unavailable") this.#serveOn(table);
      return Promise.resolve();
    }
    if (this.#questions.size >= MOST_UNDER_WAY) return Promise.resolve();
    const question: Question = { table, moot: false };
    const answered = this.#ask(key, question, describe);
    this.#questions.set(key, { question, answered });
    return answered;
  }

  async #ask(key: string, question: Question, describe: Describe): Promise<void> {
    // What is known when the answer comes is not older than the question.
    const askedAt = this.#clock.monotonic();
    const patience = new Patience(this.#patience);
    const late = patience.over.then(() => "unavailable" as const);
    const description = await Promise.race([describe(question.table, patience), late]).catch(
      () => "unavailable" as const,
    );
    patience.end();
    if (question.moot) return;
    this.#questions.delete(key);
    if (typeof description === "string") this.#pause(key, question.table, description);
    else this.#keep(description, askedAt);
  }

  #keep(schema: TableSchema, askedAt: number): void {
    const before = this.#known.get(schema.table);
    // Of two roles' questions, the later one's answer stands.
    if (before !== undefined && before.askedAt > askedAt) return;
    const doubted = before !== undefined && before.freshUntil === 0;
    this.#known.set(schema.table, {
      schema,
      freshUntil: askedAt + FRESH_MS,
      usableUntil: askedAt + USABLE_MS,
      askedAt,
      firmUntil: doubted ? askedAt + PAUSE_MS : askedAt,
    });
  }

  #pause(key: string, table: string, why: Exclude<Unlearned, "configured">): void {
    const pause = why === "unavailable" ? PAUSE_MS : REFUSED_MS;
    this.#pauses.set(key, { until: this.#clock.monotonic() + pause, why });
    if (why === "unavailable") this.#serveOn(table);
  }

  /** DynamoDB cannot be asked now: what was known lately serves a little longer. */
  #serveOn(table: string): void {
    const known = this.#known.get(table);
    // What was doubted does not.
    if (known === undefined || known.freshUntil === 0) return;
    known.freshUntil = Math.min(this.#clock.monotonic() + PAUSE_MS, known.usableUntil);
  }
}

function keyOf(role: string, table: string): string {
  return `${role} ${table}`;
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
