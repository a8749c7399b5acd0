/** One gateway process: services opened, listeners bound, and all of it ended in order. */

import type { Member } from "../../agent/membership.ts";
import { systemClock } from "../../base/clock.ts";
import { openGateway, type OpenGateway } from "../../compose.ts";
import { type Agent, openAgent } from "../../compose/agent.ts";
import { AgentResources } from "../../compose/agent-resources.ts";
import { isAgent, type MembershipParts, openMembership, proxiesOf } from "../../compose/membership.ts";
import type { ProxyAddress } from "../../client/tls.ts";
import type { Config } from "../../config/config.ts";
import { gatewayApp } from "../../gateway/app.ts";
import { refuseUnparsable } from "../../gateway/unparsable.ts";
import { endSession } from "../../gateway/trace.ts";
import { PosternError } from "../../base/errors.ts";
import type { ClusterDoor } from "../../compose/door.ts";
import { AddressLimiter } from "../../identity/lockout.ts";
import type { Listening, Platform, TlsHandler, TlsListening, TurnedAway } from "../../platform/ports.ts";
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
  // What there is once for several workers: the door, whose tries to log in are counted in memory, and who joins and renews.
  const first = worker === undefined || worker === 1;
  const member = isAgent(config) ? await openMember(config, { log, env, keeps: first }) : undefined;
  const gateway = await openGateway(config, {
    upstream: platform.createUpstream(),
    log,
    env,
    loadPolicy: policySource(config),
    loadControl: loadControlBundle,
    version: packageVersion(),
    door: first,
    ...(worker === undefined ? {} : { stream: `worker-${worker}` }),
    ...(member === undefined ? {} : { fed: member.resources }),
  }).catch(async (error: unknown) => {
    await member?.close();
    throw error;
  });
  const { services } = gateway;
  const bound: Listening[] = [];
  let agent: Agent | undefined;
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
    if (gateway.door !== undefined) await openPorts(gateway.door, platform, log, bound);
    if (member !== undefined) {
      const { membership, resources, proxies } = member;
      const nodeName = config.postern.nodename;
      const parts = { services, platform, version: packageVersion(), clock: systemClock, log };
      agent = openAgent({ ...parts, membership, resources, proxies, nodeName });
    }
  } catch (error) {
    await Promise.all([...bound.map((listening) => listening.drain(0)), gateway.door?.drain(0), member?.close()]);
    await gateway.close("could not listen");
    throw error;
  }
  return {
    gateway,
    addresses: bound.map(({ address }) => address),
    async readiness() {
      const parts = await gateway.readiness();
      const { membership, resources } = member ?? {};
      const cluster =
        membership === undefined
          ? {}
          : {
              cluster: membership.readiness,
              resources: resources?.readiness ?? null,
              tunnel: agent?.readiness ?? null,
            };
      return { ...parts, ...cluster, listeners: stopping ? "draining" : null };
    },
    async stop(reason) {
      stopping = true;
      log.info({ reason }, "Draining");
      const draining = [agent?.stop(DRAIN_MS), gateway.door?.drain(DRAIN_MS)];
      await Promise.all([...draining, ...bound.map((listening) => listening.drain(DRAIN_MS))]);
      await member?.close();
      await gateway.close(reason);
      log.info({ reason }, "Stopped");
    },
  };
}

/** What makes a process a member of a cluster elsewhere, and what it decides by. */
interface ClusterMember {
  readonly membership: Member;
  readonly proxies: readonly ProxyAddress[];
  readonly resources: AgentResources;
  close(): Promise<void>;
}

/** Milliseconds that a start waits for the cluster's resources; until they come, all is denied. */
const FIRST_RESOURCES_MS = 5_000;

async function openMember(config: Config, parts: Omit<MembershipParts, "clock">): Promise<ClusterMember> {
  const { log } = parts;
  const membership = await openMembership(config, { ...parts, clock: systemClock });
  const proxies = proxiesOf(config);
  const resources = new AgentResources({ membership, proxies, clock: systemClock, log, random: Math.random });
  await resources.first(FIRST_RESOURCES_MS);
  return {
    membership,
    proxies,
    resources,
    async close() {
      await resources.close();
      await membership.close();
    },
  };
}

/** Each is put with what is bound as soon as it is, so that it is let go when the next one cannot be had. */
async function openPorts(door: ClusterDoor, platform: Platform, log: Log, bound: Listening[]): Promise<void> {
  if (platform.listenTls === undefined) {
    throw new PosternError("door_unavailable", `Cannot serve ${door.ports[0].service} on ${platform.name}`, {
      hint: "run it on Node",
    });
  }
  const { identity, maxConnections, maxConnectionsPerAddress } = door;
  const noted = new AddressLimiter(systemClock, TURNED_AWAY_NOTES);
  const onTurnedAway = (address: string, why: TurnedAway): void => {
    if (noted.take(why === "all" ? why : address) > 0) return;
    if (why === "all") {
      log.warn(
        { address },
        "There are as many connections to the door as there may be (proxy_service.max_connections)",
      );
      return;
    }
    log.warn({ address }, "An address has as many connections to the door as it may: further ones are not taken");
  };
  const opened: TlsListening[] = [];
  for (const { service, address } of door.ports) {
    const handle: TlsHandler = (request, client) => door.handle(request, client, service);
    const options = {
      identity,
      onTurnedAway,
      // What an auth service opens beside the proxy is for its API.
      ...(service === "proxy_service" ? { takeOver: door.takeOver, passOn: door.passOn } : {}),
      ...(maxConnections === undefined ? {} : { maxConnections }),
      ...(maxConnectionsPerAddress === undefined ? {} : { maxConnectionsPerAddress }),
    };
    const listening = await platform.listenTls(handle, address, options);
    bound.push(listening);
    opened.push(listening);
    log.info({ address: listening.address, service }, "Listening");
  }
  door.follow((next) => {
    for (const listening of opened) listening.show(next);
  });
}

/** Strangers must not be able to fill the log. */
const TURNED_AWAY_NOTES = { burst: 1, every: 60_000, addresses: 1_000 };
