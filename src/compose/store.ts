/** Opens the cluster that a configuration names: its store, behind its guard, and the keys that open its secrets. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { type Cluster, openCluster } from "../control/cluster.ts";
import { followState, type KeyPlace } from "../control/sealing.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { Store } from "../store/store.ts";
import { openKeys } from "./sealing.ts";

/** What opening needs of the world. */
export interface OpenStoreOptions {
  readonly clock: Clock;
  /** For AWS credentials, where the store is in DynamoDB. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What an auth service has at hand. */
export interface OpenCluster {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  /** Where the keys of the ring are kept. */
  readonly keys: KeyPlace;
}

/**
 * Opens the cluster, or makes it where there is none yet. Close its store when done.
 *
 * @throws PosternError `auth_service_off`, `storage_unavailable`, `sealing_key_…`, `store_…`, `cluster_name_changed`
 */
export async function openClusterOf(config: Config, options: OpenStoreOptions): Promise<OpenCluster> {
  const store = await openStore(config, options);
  try {
    // A key that is made beside a store that has been there for longer could open none of it.
    const { keys, ring } = await openKeys(config, store);
    const name = config.auth_service?.cluster_name ?? config.postern.nodename;
    const cluster = await openCluster({ store, ring, name, clock: options.clock });
    await followState(cluster, ring);
    return { cluster, ring, keys };
  } catch (error) {
    await store.close();
    throw error;
  }
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
