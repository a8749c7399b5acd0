/** The proxy's part of the way to databases: agents' tunnels come in at the door, and users' connections go out through them. */

import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { splice } from "../base/splice.ts";
import { answerOf } from "../control/api-answers.ts";
import type { Callers, Connected } from "../control/callers.ts";
import type { Members } from "../control/members.ts";
import type { Presence } from "../control/presence.ts";
import type { RouteCallers } from "../control/route-callers.ts";
import { databaseUnknown } from "../control/route-certificates.ts";
import type { Principal } from "../identity/principal.ts";
import type { PassingOn, TakeoverHandler } from "../platform/ports.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import { agreedVersion, type ServedDatabase, TUNNEL_PATH, UPGRADE_HEADERS, upgradeOffer } from "../tunnel/protocol.ts";
import { Tunnels } from "../tunnel/tunnels.ts";
import { ConnectionCounts } from "./connection-counts.ts";
import { doorRequests } from "./door-requests.ts";
import { endTunnels, lifeBy } from "./tunnel-ends.ts";
import { Unread } from "./unread.ts";

export interface DoorTunnelsOptions {
  readonly callers: Callers;
  readonly members: Members;
  readonly routeCallers: RouteCallers;
  /** For locks on services. */
  readonly store: Pick<Store, "watch">;
  /** Where this proxy says that it lives, and whose tunnels it holds. */
  readonly presence: Pick<Presence, "id" | "report">;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether there is such a database, and this user may know of it. */
  readonly isShown: (user: Principal, database: string) => boolean;
  /** Milliseconds between two looks at whether tunnels may last; a minute when absent. */
  readonly lookEvery?: number | undefined;
}

/** What a door does with connections that stop being HTTP. */
export interface DoorTunnels {
  /** Databases that agents serve now. */
  served(): readonly ServedDatabase[];
  /** Those that no agent serves now, as their tunnels broke a moment ago. */
  lately(): readonly ServedDatabase[];
  readonly takeOver: TakeoverHandler;
  readonly passOn: PassingOn;
  /** PEM of the certificates of a database's agents, for whose keys credentials for SDKs are made. */
  sdkAgents(this: void, database: string): readonly string[];
  close(timeoutMs: number): Promise<void>;
}

/** So many names of what an agent should not say are logged. */
const MAX_TOLD = 10;

/** Opens the proxy's end. */
export async function openDoorTunnels(options: DoorTunnelsOptions): Promise<DoorTunnels> {
  const { callers, members, routeCallers, store, presence, clock, log, isShown, lookEvery } = options;
  const tunnels = new Tunnels({
    random: Math.random,
    onChange: () => presence.report(tunnels.agents()),
    onRefused: (hostId, reason) => log.warn({ host_id: hostId, reason }, "A database service's tunnel is ended"),
    onOverreach: (hostId, names) =>
      log.warn(
        { host_id: hostId, databases: names.slice(0, MAX_TOLD), count: names.length },
        "A database service says that it serves databases that its certificate does not name; they are left out",
      ),
  });
  const counts = new ConnectionCounts();
  const unread = new Unread({ log });
  const ends = await endTunnels({ tunnels, members, store, clock, log, lookEvery });

  const toDatabase = async (target: string, connected: Connected): ReturnType<TakeoverHandler> => {
    const { user } = await callers.identify(connected);
    const database = nameOf(target);
    if (!isShown(user, database)) throw databaseUnknown(database);
    const release = counts.take(user.name, connected.address);
    try {
      const agent = await tunnels.open(database, { address: connected.address, connection: newId() });
      agent.once("close", release);
      const take = (socket: Duplex): void => {
        splice(socket, agent);
        unread.watch(agent, user.name, socket);
      };
      return { headers: {}, take, leave: () => void agent.destroy() };
    } catch (error) {
      release();
      throw error;
    }
  };

  const fromAgent = async (headers: Headers, connected: Connected): ReturnType<TakeoverHandler> => {
    const version = agreedVersion(headers.get("upgrade") ?? "");
    if (version === undefined) return new Response(null, { status: 426, headers: { upgrade: upgradeOffer() } });
    const { hostId, databases, expires } = await members.identify(connected);
    const proxy = { [UPGRADE_HEADERS.proxy]: presence.id };
    if ((headers.get(UPGRADE_HEADERS.held) ?? "").split(",").includes(presence.id))
      return new Response(null, { status: 409, headers: proxy });
    return {
      headers: { upgrade: upgradeOffer([version]), ...proxy },
      leave: () => undefined,
      take: (socket) => {
        log.info({ host_id: hostId, address: connected.address }, "A database service has opened a tunnel");
        tunnels.accept(socket, { hostId, databases }, lifeBy(expires, clock.now()));
        // It may have been locked since it was asked who it is.
        ends.look();
      },
    };
  };

  return {
    served: () => tunnels.databases(),
    lately: () => tunnels.lately(),
    passOn: doorRequests({ tunnels, counts, unread, callers: routeCallers, log }),
    sdkAgents: (database) => tunnels.sdkAgents(database),
    async takeOver({ kind, target, headers }, client) {
      try {
        if (kind === "connect") return await toDatabase(target, client);
        if (target === TUNNEL_PATH) return await fromAgent(headers, client);
        throw new PosternError("path_unknown", "Cannot answer: there is nothing at this path");
      } catch (thrown) {
        return answerOf(thrown, log);
      }
    },
    async close(timeoutMs) {
      await ends.close();
      await tunnels.drain(timeoutMs);
      unread.close();
    },
  };
}

/** What a CONNECT asks for is the name of a database, percent-encoded. */
function nameOf(target: string): string {
  try {
    return decodeURIComponent(target);
  } catch {
    return "";
  }
}
