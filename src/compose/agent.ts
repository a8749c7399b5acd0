/** A database service that is a member of a cluster: serves its databases through tunnels to the cluster's proxies. */

import { asMember } from "../agent/join-cluster.ts";
import type { Member } from "../agent/membership.ts";
import type { HostIdentity } from "../agent/host-identity.ts";
import type { Database } from "../aws/database.ts";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { openTls, type ProxyAddress } from "../client/tls.ts";
import type { GatewayServices } from "../gateway/services.ts";
import { endSession } from "../gateway/trace.ts";
import type { Platform, TlsIdentity, TunnelledService } from "../platform/ports.ts";
import type { Log } from "../telemetry/log.ts";
import { AgentEnd } from "../tunnel/agent.ts";
import type { AgentNews } from "../tunnel/protocol.ts";
import { TUNNEL_TIMING } from "../tunnel/timing.ts";
import { type Upgraded, upgradeToTunnel } from "../tunnel/upgrade.ts";
import type { AgentResources } from "./agent-resources.ts";
import { Admission } from "./admission.ts";
import { AgentKeys } from "./agent-keys.ts";
import { AllowedDatabases } from "./allowed-databases.ts";
import { SdkRequests } from "./sdk-requests.ts";

export interface AgentOptions {
  readonly services: GatewayServices;
  readonly membership: Member;
  readonly resources: Pick<AgentResources, "store">;
  readonly proxies: readonly ProxyAddress[];
  readonly platform: Platform;
  readonly nodeName: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** An agent that serves. */
export interface Agent {
  /** Why no client can reach it; `null` when one can. */
  readonly readiness: string | null;
  /** Takes no more connections, lets requests in flight end, and ends what is left after a while. */
  stop(timeoutMs: number): Promise<void>;
}

/** For a proxy to answer that it opens a tunnel, in milliseconds. */
const UPGRADE_MS = 10_000;

/** How often it is looked at whether there is news to tell, or another certificate to show, in milliseconds. */
const LOOK_EVERY_MS = 500;

/** Begins to serve. @throws PosternError `agent_unavailable` where the runtime cannot do it */
export function openAgent(options: AgentOptions): Agent {
  const { services, membership, resources, proxies, platform, nodeName, version, clock, log } = options;
  if (platform.serveTunnelled === undefined)
    throw new PosternError("agent_unavailable", `Cannot serve a cluster on ${platform.name}`, {
      hint: "run it on Node",
    });
  const begin = platform.serveTunnelled.bind(platform);
  const admission = new Admission({ services, membership, clock });
  const keys = new AgentKeys(clock);
  const allowed = new AllowedDatabases(membership, log);
  const requests = new SdkRequests({ services, membership, keys, admission });
  let shown: HostIdentity | undefined;
  let service: TunnelledService | undefined;
  let draining = false;

  /** There is nothing to show before the first joining. */
  const serving = (): TunnelledService | undefined => {
    const { identity } = membership;
    if (identity === undefined) return undefined;
    keys.use(identity);
    if (service === undefined) {
      service = begin((certificate, from) => admission.admit(certificate, from), {
        identity: identityOf(identity),
        onConnection: () => services.metrics.connectionOpened(),
        onDisconnection: (connection) => {
          services.metrics.connectionClosed();
          endSession(services, connection);
        },
      });
    } else if (identity !== shown) service.show(identityOf(identity));
    shown = identity;
    return service;
  };

  // It is asked for with every connection and every request of an SDK, and seldom another one.
  let last: { readonly of: readonly unknown[]; readonly news: AgentNews } | undefined;
  const news = (): AgentNews => {
    const { databases } = services.state();
    const fault = faultOf(services);
    const of = [databases, fault, draining, keys.told, allowed.named];
    if (last === undefined || of.some((part, at) => part !== last?.of[at])) {
      const told = allowed.among(databases.values()).map((database) => served(database, fault));
      last = { of, news: { node_name: nodeName, version, draining, databases: told, sdk: keys.told } };
    }
    return last.news;
  };

  const end = new AgentEnd({
    proxies: proxies.map(({ text }) => text),
    living: () => resources.store.about?.proxies ?? [],
    dial: async (text, signal, held): Promise<Upgraded> => {
      const { identity } = membership;
      const proxy = proxies.find((one) => one.text === text);
      if (identity === undefined || proxy === undefined)
        throw new PosternError("not_a_member", "Cannot open a tunnel: this service has not joined the cluster");
      const connection = await openTls(asMember(proxy, identity, clock));
      return await upgradeToTunnel(connection, { host: proxy.text, signal, held, timeout: UPGRADE_MS });
    },
    news,
    serve: (stream, { database, address }) => {
      const at = serving();
      if (at === undefined) stream.destroy();
      else at.accept(stream, { database, address });
    },
    answer: (stream, client) => void requests.answer(stream, client),
    timing: TUNNEL_TIMING,
    random: Math.random,
    clock,
    log,
  });

  resources.store.onAbout(({ authorities }) => {
    membership.look(authorities);
    end.look();
  });
  let told = "";
  const look = setInterval(() => {
    serving();
    const text = JSON.stringify(news());
    if (text === told) return;
    told = text;
    end.tell();
  }, LOOK_EVERY_MS);
  look.unref();

  return {
    get readiness() {
      if (end.tunnels > 0) return null;
      const faults = end.states().flatMap(({ proxy, fault }) => (fault === null ? [] : [`${proxy}: ${fault}`]));
      return `no tunnel is open (${faults.join("; ")})`;
    },
    async stop(timeoutMs) {
      draining = true;
      end.tell();
      clearInterval(look);
      await Promise.all([end.stop(timeoutMs), service?.drain(timeoutMs)]);
      requests.close();
    },
  };
}

/** Why nothing of this agent's can be used now; `null` when it can. */
function faultOf({ lostFor, recorder }: GatewayServices): string | null {
  if (lostFor?.() !== undefined) return "the cluster has not been heard of for too long";
  return recorder.healthy ? null : "the audit log cannot be written";
}

function served(
  { name, description, labels, uri, region, accountId }: Database,
  fault: string | null,
): AgentNews["databases"][number] {
  const told = description === undefined ? {} : { description: description.slice(0, 1024) };
  return { name, ...told, labels, uri, region, account_id: accountId, fault };
}

function identityOf({ certificate, privateKey, trusted }: HostIdentity): TlsIdentity {
  return { chain: certificate, key: privateKey, clientAuthorities: trusted.user };
}
