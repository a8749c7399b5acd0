/** Schemas that no release has, for tests of going from one to the next and back: version 2 gives every resource a note. */

import { setTimeout as sleep } from "node:timers/promises";
import { type TableAccess, TABLE_MIGRATIONS, type TableMigration } from "../../src/store/dynamodb-migrations.ts";
import { type Migration, MIGRATIONS } from "../../src/store/sqlite-schema.ts";

/** Never ends, inside of a transaction. */
const FOREVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

/** @param stuck which way does not come to its end */
export function sqliteMigrations(stuck?: "up" | "down"): readonly Migration[] {
  const up = ["ALTER TABLE resources ADD COLUMN note TEXT", "UPDATE resources SET note = 'x'"];
  const down = ["ALTER TABLE resources DROP COLUMN note"];
  return [
    ...MIGRATIONS,
    { up: stuck === "up" ? [...up, FOREVER] : up, down: stuck === "down" ? [...down, FOREVER] : down },
  ];
}

/** @param half called in the midst of a way, when a part of the items is done */
export function tableMigrations(half: () => Promise<void> = async () => undefined): readonly TableMigration[] {
  const each = async (table: TableAccess, expression: string, values?: object): Promise<void> => {
    let count = 0;
    for await (const { pk, sk } of table.items("Scan", {})) {
      if (pk !== undefined && "S" in pk && pk.S.startsWith("#")) continue;
      const change = { UpdateExpression: expression, ...(values && { ExpressionAttributeValues: values }) };
      await table.ask("UpdateItem", { Key: { pk, sk }, ConditionExpression: "attribute_exists(pk)", ...change });
      if ((count += 1) === 3) await half();
    }
  };
  return [
    ...TABLE_MIGRATIONS,
    {
      up: (table) => each(table, "SET note = :x", { ":x": { S: "x" } }),
      down: (table) => each(table, "REMOVE note"),
    },
  ];
}

/** For a process that is to be killed. */
export async function forever(): Promise<void> {
  for (;;) await sleep(60_000);
}
