/** The ways from a client to the upstream that are compared, from none of Postern to all of it, and whose work each needs. */

import type { Target } from "../load/driver.ts";
import { deniedRequest, requestBytes, type Shape, type Sign } from "../load/operations.ts";
import { type RunningPostern, startPostern } from "../load/postern.ts";
import type { World } from "../load/roles.ts";
import type { Upstream } from "../load/upstream.ts";
import { type Part, PARTS, type RunningCluster, startCluster } from "./cluster.ts";
import { signingWith } from "./signed-requests.ts";

export const WAYS = ["direct", "gateway", "SDK-native", "local port"] as const;
export type WayName = (typeof WAYS)[number];

/** What each goes through, for people. */
export const ROUTES: Readonly<Record<WayName, string>> = {
  direct: "client → upstream",
  gateway: "client → gateway → upstream",
  "SDK-native": "client → proxy → agent → upstream",
  "local port": "client → local port → proxy → agent → upstream",
};

/** Every process of Postern's on some way, in the order of a request. */
export const HOPS = [...PARTS, "gateway"] as const;
export type Hop = (typeof HOPS)[number];

/** A way that runs. */
export interface PathWay {
  readonly name: WayName;
  readonly target: Target;
  readonly hops: readonly { readonly hop: Hop; readonly pid: number }[];
  /** The same processes. */
  readonly roots: readonly number[];
  /** Whether the upstream must see a gateway's signature. */
  readonly signs: boolean;
  /** What the client sends now: a signature holds for five minutes. */
  request(shape: Shape): Buffer;
  denied(): Buffer;
}

export interface WaysOptions {
  /** The package's directory. */
  readonly place: string;
  readonly upstream: Upstream;
  readonly world: World;
  readonly nodeOptions?: (hop: Hop) => readonly string[];
}

export interface RunningWays {
  readonly ways: readonly PathWay[];
  readonly gateway: RunningPostern;
  readonly cluster: RunningCluster;
  stop(): Promise<void>;
}

/** Starts a gateway by itself, and a cluster. */
export async function startWays({ place, upstream, world, nodeOptions }: WaysOptions): Promise<RunningWays> {
  const gateway = await startPostern({
    place,
    runtime: "node",
    upstream,
    world,
    tls: false,
    nodeOptions: nodeOptions?.("gateway") ?? [],
  });
  let cluster: RunningCluster;
  try {
    cluster = await startCluster({ place, upstream, world, ...(nodeOptions === undefined ? {} : { nodeOptions }) });
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  const { ports, children, ca, credentials } = cluster;
  const of = (...parts: readonly Part[]): PathWay["hops"] => parts.map((hop) => ({ hop, pid: children[hop].pid }));
  const signed = (): Sign => signingWith(credentials, new Date());
  return {
    gateway,
    cluster,
    ways: [
      way("direct", { ports: [upstream.ports.http] }, []),
      way("gateway", { ports: gateway.ports }, [{ hop: "gateway", pid: gateway.child.pid }]),
      way("SDK-native", { ports: [ports.door], ca }, of("proxy", "agent"), signed),
      way("local port", { ports: [ports.local] }, of("local port", "proxy", "agent")),
    ],
    async stop() {
      await cluster.stop();
      await gateway.stop();
    },
  };
}

function way(name: WayName, target: Target, hops: PathWay["hops"], sign?: () => Sign): PathWay {
  return {
    name,
    target,
    hops,
    roots: hops.map(({ pid }) => pid),
    signs: hops.length > 0,
    request: (shape) => requestBytes(shape, sign?.()),
    denied: () => deniedRequest(sign?.()),
  };
}
