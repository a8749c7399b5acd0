/** Where the cluster of a test keeps what it keeps: a file, or a table of DynamoDB Local. */

import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { DynamoDbStore } from "../../src/store/dynamodb-store.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import type { Store, StoredResource } from "../../src/store/store.ts";
import { dynamoDbCaller } from "../contract/dynamodb-caller.ts";
import { missing, startDynamoDbLocal } from "./peers.ts";

export interface StorePlace {
  /** `auth_service.storage` in YAML. */
  readonly storage: string;
  /** What a process needs of the environment to reach it. */
  readonly env: Readonly<Record<string, string>>;
  /** The store as it is, past its guard; `dataDir` is that of the auth service. */
  open(dataDir: string): Promise<Store>;
  close(): Promise<void>;
}

const SQLITE = {
  name: "in SQLite",
  skip: false,
  start: async (): Promise<StorePlace> => ({
    storage: "{type: sqlite}",
    env: {},
    open: (dataDir) => SqliteStore.open({ path: join(dataDir, "store.sqlite"), clock: systemClock }),
    close: async () => undefined,
  }),
} as const;

const DYNAMODB = {
  name: "in DynamoDB",
  skip: await missing("java", "dynamodbLocal"),
  start: async (): Promise<StorePlace> => {
    const peer = await startDynamoDbLocal();
    const call = await dynamoDbCaller(peer.url);
    return {
      storage: `{type: dynamodb, table: cluster, region: us-east-1, endpoint: "${peer.url}"}`,
      env: { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "example" },
      open: () => DynamoDbStore.open({ call, table: "cluster", clock: systemClock }),
      close: () => peer.close(),
    };
  },
} as const;

/** Both places; `skip` as `describe` takes it. */
export const STORE_PLACES = [SQLITE, DYNAMODB] as const;

/** The place that several auth nodes can share. */
export const SHARED_PLACE = DYNAMODB;

/** Everything that is in a store, seals and all. */
export async function everythingIn(place: StorePlace, dataDir: string): Promise<StoredResource[]> {
  const store = await place.open(dataDir);
  try {
    const found: StoredResource[] = [];
    for await (const resource of store.snapshot()) found.push(resource);
    return found;
  } finally {
    await store.close();
  }
}
