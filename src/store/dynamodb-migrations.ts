/** The schema of the store's table in DynamoDB, version by version, and the way from each to the next and back. */

import { ask, type DynamoDbCall, DynamoDbError, refusedByDynamoDb } from "./dynamodb-call.ts";
import { COUNTER_KEY, type Item } from "./dynamodb-items.ts";
import { readCounter } from "./dynamodb-transaction.ts";
import { corrupt, invalid, newer } from "./store-errors.ts";

/** What a migration works on. */
export interface TableAccess {
  ask(operation: string, body: object): Promise<Readonly<Record<string, unknown>>>;
  /** The items of a Query or Scan, whole. */
  items(operation: "Query" | "Scan", body: object): AsyncGenerator<Item>;
}

/**
 * One version of the schema: how it is made of the one before it, and how it is unmade. DynamoDB changes item by item, so that
 * both ways must do no harm to what they have done already: a node may die in their midst, and several may do the same at
 * once. Nobody writes resources meanwhile.
 */
export interface TableMigration {
  up(table: TableAccess): Promise<void>;
  down(table: TableAccess): Promise<void>;
}

/** Version n is the n-th. Released ones never change. */
export const TABLE_MIGRATIONS: readonly TableMigration[] = [
  // A new table has it.
  { up: async () => undefined, down: async () => undefined },
];

/** A table, and the way to it. */
export interface Table {
  readonly call: DynamoDbCall;
  readonly table: string;
}

/** The counter's item; a table that has none gets one of this schema. Several nodes may do so at once. */
export async function firstCounter({ call, table }: Table, schema: number): Promise<Item> {
  const access = accessTo({ call, table });
  const read = async (): Promise<Item | undefined> =>
    (await access.ask("GetItem", { Key: COUNTER_KEY, ConsistentRead: true }))["Item"] as Item | undefined;
  const found = await read();
  if (found !== undefined) return found;
  const fresh = { ...COUNTER_KEY, seq: { N: "0" }, schema_version: { N: String(schema) } };
  // Another auth service may be faster.
  await unlessLost({ call, table }, "PutItem", { Item: fresh, ConditionExpression: "attribute_not_exists(pk)" });
  const made = await read();
  if (made === undefined) throw corrupt(`table "${table}"`, "the item that counts its changes does not stay");
  return made;
}

/**
 * Takes a table to a version of the schema, forward or back. While a step is under way the table has a version in between, at
 * which no binary writes; whoever opens it then goes on with the step.
 *
 * @returns the version that was found
 * @throws PosternError `store_newer` when the table has a version that the list does not, `store_invalid` for a target that
 * there is not
 */
export async function migrateTable(
  { call, table }: Table,
  target: number,
  migrations: readonly TableMigration[] = TABLE_MIGRATIONS,
): Promise<number> {
  if (!Number.isSafeInteger(target) || target < 1 || target > migrations.length) {
    throw invalid(
      `take table "${table}" to schema ${target}`,
      `there are schemas 1 to ${migrations.length}`,
      "name one of them",
    );
  }
  const access = accessTo({ call, table });
  let first: number | undefined;
  for (;;) {
    const { schema } = readCounter(await firstCounter({ call, table }, target));
    if (Math.ceil(schema) > migrations.length) throw newer(table, schema, migrations.length);
    if (!(schema >= 1)) throw corrupt(`table "${table}"`, "the item that counts its changes is damaged");
    first ??= schema;
    if (schema === target) return first;
    if (Number.isInteger(schema)) {
      await setSchema({ call, table }, schema, schema < target ? schema + HALF : schema - HALF);
      continue;
    }
    const forward = target > schema;
    const step = migrations[Math.floor(schema)];
    await (forward ? step?.up(access) : step?.down(access));
    await setSchema({ call, table }, schema, forward ? Math.ceil(schema) : Math.floor(schema));
  }
}

/** Between two versions: known to no binary as one of its own. */
const HALF = 0.5;

/** Leaves it as it is when another node was faster: what is there then is read anew. */
async function setSchema(place: Table, from: number, to: number): Promise<void> {
  await unlessLost(place, "UpdateItem", {
    Key: COUNTER_KEY,
    UpdateExpression: "SET schema_version = :to",
    ConditionExpression: "schema_version = :from",
    ExpressionAttributeValues: { ":from": { N: String(from) }, ":to": { N: String(to) } },
  });
}

async function unlessLost({ call, table }: Table, operation: string, body: object): Promise<void> {
  try {
    await ask(call, table, operation, { TableName: table, ...body });
  } catch (error) {
    const lost = error instanceof DynamoDbError && error.type === "ConditionalCheckFailedException";
    if (!lost) throw refusedByDynamoDb(table, operation, error);
  }
}

function accessTo({ call, table }: Table): TableAccess {
  const askTable = async (operation: string, body: object): Promise<Readonly<Record<string, unknown>>> => {
    try {
      return await ask(call, table, operation, { TableName: table, ...body });
    } catch (error) {
      throw refusedByDynamoDb(table, operation, error);
    }
  };
  return {
    ask: askTable,
    async *items(operation, body) {
      let start: unknown;
      do {
        const from = start === undefined ? {} : { ExclusiveStartKey: start };
        const page = await askTable(operation, { ConsistentRead: true, ...body, ...from });
        yield* page["Items"] as Item[];
        start = page["LastEvaluatedKey"];
      } while (start !== undefined);
    },
  };
}
