/** Opens the store that a configuration names. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { Store } from "../store/store.ts";

/** @throws PosternError `auth_service_off`, `storage_unavailable`, or why the store cannot be opened */
export async function openStore(config: Config, clock: Clock): Promise<Store> {
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
