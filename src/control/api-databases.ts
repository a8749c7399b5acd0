/** The part of the API by which databases are reached: certificates for their users, and what their services decide by. */

import { Buffer } from "node:buffer";
import * as z from "zod";
import { pinsOf, trustedCertificates } from "../identity/authority.ts";
import type { Principal } from "../identity/principal.ts";
import type { Log } from "../telemetry/log.ts";
import { messageOf } from "../base/errors.ts";
import { agentFeed, type ClusterNews } from "./agent-feed.ts";
import { answer, readBody } from "./api-answers.ts";
import { type Api, only } from "./api-routes.ts";
import type { Callers } from "./callers.ts";
import type { Cluster } from "./cluster.ts";
import type { Members } from "./members.ts";
import { databaseUnknown, type RouteCertificates } from "./route-certificates.ts";

/** What the paths are answered by. */
export interface DatabaseServices {
  readonly callers: Callers;
  readonly members: Members;
  readonly routes: RouteCertificates;
  readonly log: Log;
  /** Ids of the proxies that live. */
  readonly proxies: () => readonly string[];
  /** Whether there is such a database, and this user may know of it. */
  readonly isShown: (user: Principal, database: string) => boolean;
  /** PEM of the certificates of a database's agents, as they tell them. */
  readonly sdkAgents: (database: string) => readonly string[];
  /** Ends what would go on for ever. */
  readonly closing: AbortSignal;
}

/** Adds the paths. */
export function databaseRoutes(
  api: Api,
  cluster: Cluster,
  { callers, members, routes, log, proxies, isShown, sdkAgents, closing }: DatabaseServices,
): void {
  only(api, "POST", "/v1/certificates/database", async (request, connected) => {
    const { database, db_user, public_key: publicKey } = await readBody(request, ROUTE);
    const caller = await callers.identify(connected);
    const { certificate, expires } = await routes.issue(caller, { database, db_user }, publicKey);
    return answer(200, {
      certificate,
      expires: new Date(expires).toISOString(),
      trusted: trustedCertificates(await cluster.authority("host")),
    });
  });

  const about = async (): Promise<ClusterNews> => {
    const [host, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
    return { proxies: proxies(), authorities: { host: pinsOf(host), user: pinsOf(user) } };
  };
  only(api, "POST", "/v1/databases/agents", async (request, connected) => {
    const { database } = await readBody(request, AGENTS);
    const { user } = await callers.identify(connected);
    if (!isShown(user, database)) throw databaseUnknown(database);
    return answer(200, { certificates: sdkAgents(database) });
  });

  only(api, "GET", "/v1/agent/resources", async (_, connected) => {
    const { hostId } = await members.identify(connected);
    const ended = new AbortController();
    const lines = agentFeed(cluster.store, { signal: AbortSignal.any([ended.signal, closing]), about });
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { done, value } = await lines.next();
          // Who was locked out or removed meanwhile hears no more.
          if (value?.type === "settled" || value?.type === "alive") await members.requireKnown(hostId);
          // Who has gone meanwhile is told nothing.
          if (ended.signal.aborted) return;
          if (done === true) controller.close();
          else controller.enqueue(Buffer.from(`${JSON.stringify(value)}\n`));
        } catch (error) {
          if (ended.signal.aborted) return;
          log.error({ host_id: hostId, error: messageOf(error) }, "Cannot tell a service what it decides by");
          controller.error(error);
        }
      },
      async cancel() {
        ended.abort();
        await lines.return();
      },
    });
    return new Response(body, { headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" } });
  });
}

const AGENTS = z.strictObject({ database: z.string().max(255) });

const ROUTE = z.strictObject({
  database: z.string().max(255),
  db_user: z.string().max(2048),
  public_key: z.string().max(4096),
});
