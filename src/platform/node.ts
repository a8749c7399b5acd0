/** Node: `node:http` in front, connections of our own behind. */

import { listenOnNode } from "./node-server.ts";
import { listenTlsOnNode } from "./node-tls-server.ts";
import { serveTunnelledOnNode } from "./node-tunnelled.ts";
import { NodeUpstream } from "./node-upstream.ts";
import type { Platform } from "./ports.ts";

export const nodePlatform: Platform = {
  name: "node",
  createUpstream: () => new NodeUpstream(),
  listen: listenOnNode,
  listenTls: listenTlsOnNode,
  serveTunnelled: serveTunnelledOnNode,
};
