import { after } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { migrateTable, TABLE_MIGRATIONS } from "../../src/store/dynamodb-migrations.ts";
import { DynamoDbStore } from "../../src/store/dynamodb-store.ts";
import { createStoreTable } from "../../src/store/dynamodb-table.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { dynamoDbCaller } from "./dynamodb-caller.ts";
import { describeMigrations } from "./migration-suite.ts";
import { tableMigrations } from "./test-migrations.ts";

const skip = await missing("java", "dynamodbLocal");
let peer: Peer | undefined;
after(() => peer?.close());

describeMigrations(
  "The schema of a store in DynamoDB",
  async () => {
    const local = await startDynamoDbLocal();
    peer = local;
    const call = await dynamoDbCaller(local.url);
    let tables = 0;
    return async () => {
      const table = `migrated-${(tables += 1)}`;
      await createStoreTable({ call, table });
      return {
        open: (known, onMigrated = () => undefined) => {
          const migrations = known === 1 ? TABLE_MIGRATIONS : tableMigrations();
          return DynamoDbStore.open({ call, table, clock: systemClock, migrations, onMigrated });
        },
        back: async () => void (await migrateTable({ call, table }, 1, tableMigrations())),
        notes: async () => {
          const { body } = await call("Scan", { TableName: table, ConsistentRead: true });
          const items = (body as { Items: Record<string, { S?: string }>[] }).Items;
          const resources = items.filter(({ pk }) => pk?.S?.startsWith("#") !== true);
          const noted = resources.filter(({ note }) => note !== undefined).length;
          return { with: noted, without: resources.length - noted };
        },
        writer: { place: local.url, table },
        close: async () => undefined,
      };
    };
  },
  skip,
);
