/**
 * What both ends of a tunnel agree on. The agent dials the proxy over TLS and asks for an upgrade; from then on the agent serves
 * HTTP/2 on that socket, and the proxy calls it: one stream with news of the agent, one CONNECT a client's connection, and one
 * POST a request of an AWS SDK that comes without a connection of its own to the agent.
 */

import * as z from "zod";

/** Versions of the protocol that this build speaks, the best first. Two neighbours must always have one in common. */
export const TUNNEL_VERSIONS: readonly number[] = [1];

/** The path of the proxy's door at which an agent asks for the upgrade. */
export const TUNNEL_PATH = "/v1/tunnel";

/** Names in the Upgrade header (RFC 9110, section 7.8). */
export function upgradeOffer(versions: readonly number[] = TUNNEL_VERSIONS): string {
  return versions.map((version) => `postern-tunnel/${version}`).join(", ");
}

/** The best version of an offer that is spoken here; undefined for none. */
export function agreedVersion(offer: string, versions: readonly number[] = TUNNEL_VERSIONS): number | undefined {
  const offered = new Set(
    offer.split(",").flatMap((name) => {
      const match = /^postern-tunnel\/([1-9][0-9]{0,3})$/.exec(name.trim());
      return match === null ? [] : [Number(match[1])];
    }),
  );
  return versions.toSorted((one, other) => other - one).find((version) => offered.has(version));
}

/** Headers of the upgrade: several proxies may be behind one address, and an agent needs a tunnel to each. */
export const UPGRADE_HEADERS = {
  /** Of the answer: which proxy it is. */
  proxy: "postern-proxy",
  /** Of the question: the proxies to which the agent has a tunnel, separated by commas. One of these answers 409. */
  held: "postern-proxies-held",
} as const;

/** The path at which the proxy listens to the agent's news: one JSON object a line, the whole of it each time. */
export const NEWS_PATH = "/news";

/** Headers of a CONNECT and of an SDK's request, beside `:authority`, which is the database. */
export const CONNECT_HEADERS = {
  /** Where the client's connection to the proxy came from. */
  clientAddress: "postern-client-address",
  /** Names the client's connection in the logs of both ends. */
  connection: "postern-connection",
} as const;

/** What an agent tells of itself. Fields that are not known here are of a newer agent and left alone. */
export interface AgentNews {
  readonly node_name: string;
  /** Of the program. */
  readonly version: string;
  /** No new connections, please: those that are there may end. */
  readonly draining: boolean;
  readonly databases: readonly ServedDatabase[];
  /** Absent: it takes no requests of SDKs. */
  readonly sdk?: SdkKeys | undefined;
}

/** By what credentials for SDKs are made for an agent. */
export interface SdkKeys {
  /** PEM of its host certificate: who encrypts to its key verifies it first. */
  readonly certificate: string;
  /** Of this key and of those before it that still count (`keyIdOf()`). */
  readonly key_ids: readonly string[];
}

/** A database that an agent serves, and how it is. */
export interface ServedDatabase {
  readonly name: string;
  /** For people. */
  readonly description?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly uri: string;
  readonly region: string;
  readonly account_id: string;
  /** Why it cannot be used now; null when it can. */
  readonly fault: string | null;
}

/** How many bytes a line of news may have: some thousand databases. */
export const MAX_NEWS_BYTES = 1_048_576;

const NEWS: z.ZodType<AgentNews> = z.object({
  node_name: z.string().max(256),
  version: z.string().max(64),
  draining: z.boolean(),
  databases: z
    .array(
      z.object({
        name: z.string().min(1).max(256),
        description: z.string().max(1024).optional(),
        labels: z.record(z.string().max(256), z.string().max(1024)),
        uri: z.string().max(1024),
        // It ends up in files and commands of whoever reaches the database.
        region: z.string().regex(/^[a-z0-9-]{1,64}$/),
        account_id: z.string().max(64),
        fault: z.string().max(1024).nullable(),
      }),
    )
    .max(4096),
  sdk: z
    .object({ certificate: z.string().max(100_000), key_ids: z.array(z.string().regex(/^[0-9a-f]{16}$/)).max(16) })
    .optional(),
});

/** Reads a line of news; undefined when it is none. */
export function readNews(line: string): AgentNews | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return NEWS.safeParse(value).data;
}
