/** Opens the store that a configuration names. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { Store } from "../store/store.ts";

/** What opening needs of the world. */
export interface OpenStoreOptions {
  readonly clock: Clock;
  /** For AWS credentials, where the store is in DynamoDB. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @throws PosternError `auth_service_off`, or why the store cannot be opened */
export async function openStore(config: Config, { clock, env }: OpenStoreOptions): Promise<Store> {
  const { auth_service } = config;
  if (auth_service?.enabled !== true) {
    throw new PosternError("auth_service_off", `There is no store: auth_service is not enabled in "${config.file}"`, {
      hint: 'write auth_service: {enabled: "yes"}, or name another file with -c',
    });
  }
  const { storage } = auth_service;
  // Not with the program: most starts need no store.
  if (storage.type === "sqlite") {
    const { SqliteStore } = await import("../store/sqlite-store.ts");
    return await SqliteStore.open({ path: storage.path, clock });
  }
  const [{ storeCall }, { createStoreTable }, { DynamoDbStore }] = await Promise.all([
    import("./store-call.ts"),
    import("../store/dynamodb-table.ts"),
    import("../store/dynamodb-store.ts"),
  ]);
  const { table } = storage;
  const call = await storeCall({ ...storage, env, clock });
  await createStoreTable({ call, table });
  return await DynamoDbStore.open({ call, table, clock });
}
