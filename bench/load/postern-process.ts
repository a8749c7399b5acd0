/** Postern in a process of its own, for the load bench: whole, or with a policy that allows everything at no cost. */

import { mkdtempSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGateway } from "../../src/compose.ts";
import { loadBuiltinBundle } from "../../src/cli/policy/builtin.ts";
import { parseConfig } from "../../src/config/load.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import type { GatewayServices } from "../../src/gateway/services.ts";
import { listenOnNode } from "../../src/platform/node-server.ts";
import { NodeUpstream } from "../../src/platform/node-upstream.ts";
import { silentLog } from "../../src/telemetry/log.ts";

const [, , upstream = "", variant = "whole", roles = "100"] = process.argv;
const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
mkdirSync(join(directory, "resources"));
writeFileSync(join(directory, "resources", "all.yaml"), resources(Number(roles)));
const config = parseConfig(configuration(upstream), join(directory, "postern.yaml"), { env: {} });
const gateway = await openGateway(config, {
  upstream: new NodeUpstream(),
  log: silentLog,
  env: {},
  loadPolicy: () => loadBuiltinBundle(),
  version: "bench",
});
const services: GatewayServices = variant === "whole" ? gateway.services : withoutPolicy(gateway.services);
const [listener] = gateway.listeners;
if (listener === undefined) throw new Error("The configuration of the bench has no listener");
const listening = await listenOnNode(
  gatewayApp(services, listener),
  { kind: "tcp", host: "127.0.0.1", port: 0 },
  {
    onUnparsable: () => Promise.reject(new Error("The bench sent something that is no HTTP")),
  },
);
process.send?.({ port: Number(listening.address.split(":").at(-1)) });
process.on("message", () => process.send?.({ served: 0, cpu: process.cpuUsage(), rss: process.memoryUsage().rss }));
// An orderly end, so that a profiler can write what it saw.
process.once("SIGINT", () => process.exit(0));

function withoutPolicy(services: GatewayServices): GatewayServices {
  const state = services.state();
  const policy = {
    revision: "none",
    custom: false,
    visible: () => true,
    decide: () => ({ allow: true, obligations: [], roles: [], revision: "none", evalUs: 0 }) as const,
  };
  return { ...services, state: () => ({ ...state, policy }) };
}

function configuration(uri: string): string {
  return `
version: v3
postern:
  data_dir: ${join(directory, "data")}
  resources: ./resources
db_service:
  enabled: "yes"
  listeners: [{address: "127.0.0.1:0", user: alice, database: example, db_user: ExampleRole}]
  databases:
    - {name: example, protocol: dynamodb, uri: "${uri}", static_labels: {env: dev}, aws: {region: us-east-1, account_id: "123456789012"}}
`;
}

/** One user with two matching roles of five, ten rules, among many roles that are not asked. */
function resources(count: number): string {
  const documents = Array.from({ length: count }, (_, at) =>
    JSON.stringify({
      kind: "role",
      version: "v7",
      metadata: { name: `role-${at}` },
      spec: {
        allow: {
          db_labels: { env: at % 5 < 2 ? ["dev", "staging"] : ["prod"] },
          db_users: ["ExampleRole", "Reader-*"],
          db_rules: [
            { actions: ["write"], tables: ["audit-*"] },
            { actions: ["dynamodb:GetItem", "dynamodb:Query"], tables: ["orders", "orders-*"] },
          ],
        },
        deny: { db_rules: [{ actions: ["dynamodb:DeleteTable"] }] },
      },
    }),
  );
  const user = {
    kind: "user",
    version: "v2",
    metadata: { name: "alice" },
    spec: { roles: [0, 1, 2, 3, 4].map((at) => `role-${at}`), traits: {} },
  };
  return [...documents, JSON.stringify(user)].join("\n---\n");
}
