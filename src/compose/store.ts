/** Opens the cluster that a configuration names: its store, behind its guard, and the keys that open its secrets. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config, StorageSection } from "../config/config.ts";
import type { EventSink } from "../control/administration.ts";
import { type Cluster, openCluster } from "../control/cluster.ts";
import { followState, type KeyPlace } from "../control/sealing.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { DynamoDbCall } from "../store/dynamodb-call.ts";
import { GUARD_KEY, type OnTampered } from "../store/guarded-store.ts";
import { nameOf } from "../store/store-errors.ts";
import type { OnMigrated, Store } from "../store/store.ts";
import { openKeys } from "./sealing.ts";

/** What opening needs of the world. */
export interface OpenStoreOptions {
  readonly clock: Clock;
  /** For AWS credentials, where the store is in DynamoDB. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it goes on record that a store was migrated, or tampered with. */
  readonly events?: Pick<EventSink, "record"> | undefined;
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
  const noted = tamperingOn(config, options);
  const store = await openStore(config, options);
  try {
    // A key that is made beside a store that has been there for longer could open none of it.
    const { keys, ring } = await openKeys(config, store);
    const name = config.auth_service?.cluster_name ?? config.postern.nodename;
    const cluster = await openCluster({ store, ring, name, clock: options.clock, onTampered: noted });
    await followState(cluster, ring);
    return { cluster, ring, keys };
  } catch (error) {
    await store.close();
    const isGuard = error instanceof PosternError && GUARD_CODES.has(error.code);
    if (isGuard) noted(GUARD_KEY);
    throw error;
  }
}

/** What is wrong then is what the guard itself stands on. */
const GUARD_CODES: ReadonlySet<string> = new Set(["store_unguarded", "sealed_value_damaged"]);
/** Each resource is noted once by a process: who reads it again and again must not fill the log. */
const MAX_NOTED = 1000;

function tamperingOn(config: Config, { events }: OpenStoreOptions): OnTampered {
  const noted = new Set<string>();
  const store = config.auth_service?.storage.type ?? "sqlite";
  return (resource) => {
    const shown = nameOf(resource).replace(/^(\w+) "(.*)"$/, "$1/$2");
    if (noted.has(shown) || noted.size >= MAX_NOTED) return;
    noted.add(shown);
    const event = { event: "postern.store.tampered", code: "PST04E", store, resource: shown } as const;
    // It is refused, whether or not that can be recorded.
    void events?.record(event).catch(() => undefined);
  };
}

/** @throws PosternError `auth_service_off`, or why the store cannot be opened */
export async function openStore(config: Config, { clock, env, events }: OpenStoreOptions): Promise<Store> {
  const storage = storageOf(config);
  const onMigrated: OnMigrated = (from, to) => {
    const facts = { store: storage.type, from_version: from, to_version: to };
    void events?.record({ event: "postern.store.migrated", code: "PST03I", ...facts }).catch(() => undefined);
  };
  // Not with the program: most starts need no store.
  if (storage.type === "sqlite") {
    const { SqliteStore } = await import("../store/sqlite-store.ts");
    return await SqliteStore.open({ path: storage.path, clock, onMigrated });
  }
  const { DynamoDbStore } = await import("../store/dynamodb-store.ts");
  return await DynamoDbStore.open({ ...(await tableOf(storage, { clock, env })), clock, onMigrated });
}

/** Where a store is, and its schema. */
export interface StorePlace {
  readonly type: "sqlite" | "dynamodb";
  /** A path, or the name of a table. */
  readonly place: string;
  /** The newest schema that this version knows, to which opening takes a store. */
  readonly known: number;
}

/** @throws PosternError `auth_service_off` */
export async function storePlaceOf(config: Config): Promise<StorePlace> {
  const storage = storageOf(config);
  if (storage.type === "sqlite") {
    const { MIGRATIONS } = await import("../store/sqlite-schema.ts");
    return { type: "sqlite", place: storage.path, known: MIGRATIONS.length };
  }
  const { TABLE_MIGRATIONS } = await import("../store/dynamodb-migrations.ts");
  return { type: "dynamodb", place: storage.table, known: TABLE_MIGRATIONS.length };
}

/** Takes a store that nobody uses to an earlier schema. @throws PosternError `store_invalid` when there is none of this number */
export async function migrateStore(config: Config, target: number, options: OpenStoreOptions): Promise<void> {
  const storage = storageOf(config);
  // Forward first, with all that opening looks at.
  await (await openStore(config, options)).close();
  if (storage.type === "sqlite") {
    const { migrateSqliteFile } = await import("../store/sqlite-file.ts");
    await migrateSqliteFile(storage.path, target);
    return;
  }
  const { migrateTable } = await import("../store/dynamodb-migrations.ts");
  await migrateTable(await tableOf(storage, options), target);
}

async function tableOf(
  storage: Extract<StorageSection, { type: "dynamodb" }>,
  { clock, env }: OpenStoreOptions,
): Promise<{ readonly call: DynamoDbCall; readonly table: string }> {
  const [{ storeCall }, { createStoreTable }] = await Promise.all([
    import("./store-call.ts"),
    import("../store/dynamodb-table.ts"),
  ]);
  const { table } = storage;
  const call = await storeCall({ ...storage, env, clock });
  await createStoreTable({ call, table });
  return { call, table };
}

function storageOf(config: Config): StorageSection {
  const { auth_service } = config;
  if (auth_service?.enabled !== true) {
    throw new PosternError("auth_service_off", `There is no store: auth_service is not enabled in "${config.file}"`, {
      hint: 'write auth_service: {enabled: "yes"}, or name another file with -c',
    });
  }
  return auth_service.storage;
}
