/** The configured listeners as the gateway takes them, each naming a database that exists now. */

import { PosternError } from "../base/errors.ts";
import { formatAddress } from "../config/address.ts";
import type { Config } from "../config/config.ts";
import type { FixedListener } from "../gateway/listener.ts";
import type { GatewayState } from "../gateway/state.ts";

/** @throws PosternError `database_unknown` with its place in the configuration */
export function listenersOf(config: Config, state: GatewayState): readonly FixedListener[] {
  if (!config.db_service.enabled) return [];
  return config.db_service.listeners.map(({ address, user, database, db_user, host_names }, at) => {
    if (!state.databases.has(database)) {
      throw new PosternError(
        "database_unknown",
        `Cannot listen on ${formatAddress(address)}: there is no database "${database}"`,
        {
          position: config.positionOf(["db_service", "listeners", at, "database"]),
          hint: `databases are ${[...state.databases.keys()].join(", ") || "none"}`,
        },
      );
    }
    return {
      address: formatAddress(address),
      kind: address.kind,
      hosts: new Set(host_names),
      user,
      database,
      dbUser: db_user,
    };
  });
}
