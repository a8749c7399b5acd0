/** Opens the cluster that a configuration names: its store, behind its guard, and the keys that open its secrets. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { EventSink } from "../control/administration.ts";
import { type Cluster, isNew, openCluster } from "../control/cluster.ts";
import { type KeyRing, keyRingFromFile } from "../identity/sealing.ts";
import type { OnTampered } from "../store/guarded-store.ts";
import type { Store } from "../store/store.ts";

/** What opening needs of the world. */
export interface OpenStoreOptions {
  readonly clock: Clock;
  /** For AWS credentials, where the store is in DynamoDB. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it goes on record that something in the store is not what was written. */
  readonly events?: Pick<EventSink, "record">;
}

/** What an auth service has at hand. */
export interface OpenCluster {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
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
    const ring = keyRingFromFile(config.postern.data_dir, { make: await isNew(store) });
    const name = config.auth_service?.cluster_name ?? config.postern.nodename;
    return {
      cluster: await openCluster({ store, ring, name, clock: options.clock, onTampered: noting(config, options) }),
      ring,
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Each resource once: it is met again with every look at the store. */
function noting(config: Config, { events }: OpenStoreOptions): OnTampered | undefined {
  if (events === undefined) return undefined;
  const store = config.auth_service?.storage.type ?? "";
  const noted = new Set<string>();
  return (resource) => {
    if (noted.has(resource) || noted.size >= MAX_NOTED) return;
    noted.add(resource);
    const event = { event: "postern.store.tampered", code: "PST04E", store, resource } as const;
    // What is not used is not used, whether or not that can be recorded.
    events.record(event).catch(() => undefined);
  };
}

const MAX_NOTED = 100;

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
