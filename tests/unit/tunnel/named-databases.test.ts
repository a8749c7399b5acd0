import { deepEqual, equal, rejects } from "node:assert/strict";
import { duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { AgentEnd } from "../../../src/tunnel/agent.ts";
import type { AgentNews } from "../../../src/tunnel/protocol.ts";
import { TUNNEL_TIMING } from "../../../src/tunnel/timing.ts";
import { Tunnels } from "../../../src/tunnel/tunnels.ts";
import { eventually } from "../../support/eventually.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of opened.splice(0).toReversed()) await end();
});

const named = (...names: string[]): AgentNews["databases"] =>
  names.map((name) => ({ name, labels: {}, uri: "", region: "us-east-1", account_id: "1", fault: null }));
const client = { address: "192.0.2.7", connection: "c1" };

/** An agent of a certificate that names these, which answers each connection with its name and the database. */
async function agent(
  tunnels: Tunnels,
  { hostId, databases }: { hostId: string; databases: readonly string[] },
  news: () => Pick<AgentNews, "databases" | "sdk">,
): Promise<AgentEnd> {
  const end = new AgentEnd({
    proxies: ["proxy"],
    dial: async () => {
      const [socket, far] = duplexPair();
      tunnels.accept(far, { hostId, databases });
      return { socket, proxy: undefined };
    },
    news: () => ({ node_name: hostId, version: "1", draining: false, ...news() }),
    serve: (connection, { database }) => connection.end(`${hostId} ${database}`),
    timing: TUNNEL_TIMING,
    random: Math.random,
    clock: systemClock,
    log: silentLog,
  });
  opened.push(() => end.stop(0));
  await eventually(() => tunnels.agents().some((one) => one.hostId === hostId));
  return end;
}

describe("a tunnel of an agent whose certificate names databases", () => {
  it("leads to no agent for a database that its certificate does not name, whatever it says", async () => {
    const overreached: unknown[] = [];
    const tunnels = new Tunnels({ random: () => 0, onOverreach: (...one) => overreached.push(one) });
    const sdk = { certificate: "a's", key_ids: ["00000000000000aa"] };
    let served = named("orders", "dev-orders");
    const own = { hostId: "a", databases: ["dev-*"] };
    const end = await agent(tunnels, own, () => ({ databases: served, sdk }));
    const seen = (): string[] => tunnels.databases().map(({ name }) => name);
    deepEqual(seen(), ["dev-orders"]);
    deepEqual(
      tunnels.agents()[0]?.news.databases.map(({ name }) => name),
      ["dev-orders"],
    );
    deepEqual(tunnels.sdkAgents("orders"), []);
    deepEqual(tunnels.sdkAgents("dev-orders"), ["a's"]);
    await rejects(tunnels.open("orders", client), { code: "database_without_agent" });
    await rejects(tunnels.openRequest("orders", sdk.key_ids, client), { code: "database_without_agent" });
    equal(await text(await tunnels.open("dev-orders", client)), "a dev-orders");
    await agent(tunnels, { hostId: "b", databases: ["orders", "users"] }, () => ({ databases: named("orders") }));
    for (let round = 0; round < 5; round++) equal(await text(await tunnels.open("orders", client)), "b orders");
    await rejects(tunnels.openRequest("orders", sdk.key_ids, client), { code: "agent_keys_unknown" });
    served = named("prod", "dev-users");
    end.tell();
    await eventually(() => seen().join() === "dev-users,orders");
    // Once, however often it tells of them.
    deepEqual(overreached, [["a", ["orders"]]]);
  });
});
