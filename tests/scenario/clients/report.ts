/** What every client's driver does, in one order, and what a DynamoDB that allows everything answers to it. */

/** How to reach the database. */
export interface ClientOptions {
  readonly endpoint: string;
  /** Where tables are created; absent: `endpoint`. */
  readonly createEndpoint?: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The table that the driver creates; it must not exist. */
  readonly table: string;
}

/** What a step brought: a value to compare, or the error's type as the client names it. */
export type StepOutcome =
  | { readonly value: unknown }
  | { readonly error: string; readonly message: string; readonly status: number | null };

/** What a driver did. */
export interface ClientReport {
  readonly client: string;
  readonly version: string;
  readonly steps: Readonly<Record<string, StepOutcome>>;
  /** HTTP requests sent for a step; absent for clients that cannot tell. */
  readonly attempts: Readonly<Record<string, number>>;
}

/** What each step must bring when it talks to DynamoDB itself. */
export const expected: Readonly<Record<string, unknown>> = {
  create_table: "CREATING|ACTIVE",
  wait_exists: "ACTIVE",
  describe_table: { keys: ["pk", "sk"], indexes: ["by-status"] },
  put_item: true,
  get_item: { pk: "ada", sk: "1", status: "open", total: "12.5" },
  get_absent: null,
  update_item: "paid",
  put_condition_fails: { error: "ConditionalCheckFailedException" },
  batch_write: 25,
  batch_get: ["1", "3"],
  query: ["1", "2", "3"],
  query_index: 1,
  query_pages: [10, 10, 6],
  scan_large: 26,
  transact_write: true,
  transact_get: ["100", "101"],
  transact_cancelled: { error: "TransactionCanceledException" },
  partiql_insert: true,
  partiql_select: "partiql",
  partiql_absent_table: { error: "ResourceNotFoundException" },
  absent_table: { error: "ResourceNotFoundException" },
  invalid: { error: "ValidationException" },
  delete_item: true,
  list_tables: true,
  delete_table: true,
};
