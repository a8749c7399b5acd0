/** Opens the cluster that a configuration names: its store, behind its guard, and the keys that open its secrets. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { type Cluster, isNew, openCluster } from "../control/cluster.ts";
import { type KeyRing, keyRingFromFile } from "../identity/sealing.ts";
import type { Store } from "../store/store.ts";

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
export async function openClusterOf(config: Config, clock: Clock): Promise<OpenCluster> {
  const store = await openStore(config, clock);
  try {
    // A key that is made beside a store that has been there for longer could open none of it.
    const ring = keyRingFromFile(config.postern.data_dir, { make: await isNew(store) });
    const name = config.auth_service?.cluster_name ?? config.postern.nodename;
    return { cluster: await openCluster({ store, ring, name, clock }), ring };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openStore(config: Config, clock: Clock): Promise<Store> {
  const { auth_service } = config;
  if (auth_service?.enabled !== true) {
    throw new PosternError("auth_service_off", `There is no store: auth_service is not enabled in "${config.file}"`, {
      hint: 'write auth_service: {enabled: "yes"}, or name another file with -c',
    });
  }
  const { storage } = auth_service;
  if (storage.type === "sqlite") {
    // Not with the program: most starts need no database.
    const { SqliteStore } = await import("../store/sqlite-store.ts");
    return await SqliteStore.open({ path: storage.path, clock });
  }
  throw new PosternError("storage_unavailable", `Cannot open a store of type ${storage.type}: this version has none`, {
    position: config.positionOf(["auth_service", "storage", "type"]),
    hint: "write storage: {type: sqlite}",
  });
}
