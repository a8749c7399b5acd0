/** One gateway process: services opened, listeners bound, and all of it ended in order. */

import { openGateway, type OpenGateway } from "../../compose.ts";
import type { Config } from "../../config/config.ts";
import { gatewayApp } from "../../gateway/app.ts";
import { refuseUnparsable } from "../../gateway/unparsable.ts";
import { endSession } from "../../gateway/trace.ts";
import { PosternError } from "../../base/errors.ts";
import type { ClusterDoor } from "../../compose/door.ts";
import type { Listening, Platform } from "../../platform/ports.ts";
import { thisPlatform } from "../../platform/this-platform.ts";
import type { Readiness } from "../../telemetry/diagnostics.ts";
import type { Log } from "../../telemetry/log.ts";
import { loadControlBundle } from "../policy/builtin.ts";
import { packageVersion } from "../version.ts";
import { policySource } from "./policy-source.ts";

/** A gateway that serves. */
export interface RunningGateway {
  readonly gateway: OpenGateway;
  /** Addresses as bound, in the order of the configuration. */
  readonly addresses: readonly string[];
  readiness(): Promise<Readiness>;
  /** Stops accepting, lets requests in flight end, and closes everything. */
  stop(reason: string): Promise<void>;
}

export interface RunOptions {
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Among workers: which one this is. */
  readonly worker?: number | undefined;
}

/** Milliseconds that requests in flight get to end. */
export const DRAIN_MS: number = 25_000;

/** Opens the gateway and binds its listeners. @throws PosternError what keeps it from serving */
export async function runGateway(config: Config, options: RunOptions): Promise<RunningGateway> {
  const { log, env, worker } = options;
  const platform = await thisPlatform();
  const gateway = await openGateway(config, {
    upstream: platform.createUpstream(),
    log,
    env,
    loadPolicy: policySource(config),
    loadControl: loadControlBundle,
    version: packageVersion(),
    // Tries to log in are counted in memory: of several workers, one counts them all.
    door: worker === undefined || worker === 1,
    ...(worker === undefined ? {} : { stream: `worker-${worker}` }),
  });
  const { services } = gateway;
  const bound: Listening[] = [];
  let stopping = false;
  try {
    for (const [at, listener] of gateway.listeners.entries()) {
      const spec = config.db_service.listeners[at];
      if (spec === undefined) continue;
      const listening = await platform.listen(gatewayApp(services, listener), spec.address, {
        onConnection: () => services.metrics.connectionOpened(),
        onDisconnection: (connection) => {
          services.metrics.connectionClosed();
          endSession(services, connection);
        },
        onUnparsable: (connection, reason) => refuseUnparsable(services, listener, connection, reason),
      });
      bound.push(listening);
      log.info(
        { address: listening.address, user: listener.user, database: listener.database, db_user: listener.dbUser },
        "Listening",
      );
    }
    if (gateway.door !== undefined) bound.push(await openPort(gateway.door, platform, log));
  } catch (error) {
    await Promise.all(bound.map((listening) => listening.drain(0)));
    await gateway.close("could not listen");
    throw error;
  }
  return {
    gateway,
    addresses: bound.map(({ address }) => address),
    async readiness() {
      const parts = await gateway.readiness();
      return { ...parts, listeners: stopping ? "draining" : null };
    },
    async stop(reason) {
      stopping = true;
      log.info({ reason }, "Draining");
      await Promise.all(bound.map((listening) => listening.drain(DRAIN_MS)));
      await gateway.close(reason);
      log.info({ reason }, "Stopped");
    },
  };
}

async function openPort(door: ClusterDoor, platform: Platform, log: Log): Promise<Listening> {
  if (platform.listenTls === undefined) {
    throw new PosternError("door_unavailable", `Cannot serve proxy_service on ${platform.name}`, {
      hint: "run it on Node",
    });
  }
  const { address, identity } = door;
  const listening = await platform.listenTls((request, client) => door.handle(request, client), address, {
    identity: identity,
  });
  door.follow((next) => listening.show(next));
  log.info({ address: listening.address, service: "proxy_service" }, "Listening");
  return listening;
}
