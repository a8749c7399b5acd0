import { deepEqual } from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { AgentSession } from "../../../src/tunnel/agent-session.ts";
import { TUNNEL_TIMING } from "../../../src/tunnel/timing.ts";
import { Tunnels } from "../../../src/tunnel/tunnels.ts";
import { eventually } from "../../support/eventually.ts";

const orders = { name: "orders", labels: {}, uri: "", region: "us-east-1", account_id: "1", fault: null };

describe("a database whose tunnels broke", () => {
  const opened: (() => unknown)[] = [];
  afterEach(() => {
    for (const end of opened.splice(0)) end();
  });
  let now = 0;

  /** A proxy, and agents that dial it. */
  async function proxy(): Promise<{ tunnels: Tunnels; dial: (told?: { draining: boolean }) => Promise<Agent> }> {
    const tunnels = new Tunnels({ random: () => 0, now: () => now });
    let hosts = 0;
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      tunnels.accept(socket, { hostId: `agent-${hosts++}`, databases: undefined });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    opened.push(() => server.close());
    const dial = async (told = { draining: false }): Promise<Agent> => {
      const before = tunnels.agents().length;
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      await once(socket, "connect");
      opened.push(() => socket.destroy());
      const session = new AgentSession(socket, {
        news: () => ({ node_name: "a", version: "1", ...told, databases: [orders] }),
        serve: () => undefined,
        timing: TUNNEL_TIMING,
      });
      await eventually(() => tunnels.agents().length === before + 1);
      return { socket, session };
    };
    return { tunnels, dial };
  }
  interface Agent {
    readonly socket: Socket;
    readonly session: AgentSession;
  }

  const lately = (tunnels: Tunnels): string[] => tunnels.lately().map(({ name }) => name);
  const none = (tunnels: Tunnels): Promise<void> => eventually(() => tunnels.agents().length === 0);

  it("is known for two minutes, and not among those that can be had", async () => {
    const { tunnels, dial } = await proxy();
    const { socket } = await dial();
    deepEqual(lately(tunnels), []);
    socket.destroy();
    await none(tunnels);
    deepEqual([lately(tunnels), tunnels.databases()], [["orders"], []]);
    now += 119_999;
    deepEqual(lately(tunnels), ["orders"]);
    now += 1;
    deepEqual(lately(tunnels), []);
  });

  it("is one that can be had while another agent serves it", async () => {
    const { tunnels, dial } = await proxy();
    const [first, second] = [await dial(), await dial()];
    first.socket.destroy();
    await eventually(() => tunnels.agents().length === 1);
    deepEqual(lately(tunnels), []);
    second.socket.destroy();
    await none(tunnels);
    deepEqual(lately(tunnels), ["orders"]);
    await dial();
    deepEqual(lately(tunnels), []);
  });

  it("is not remembered of an agent that said that it leaves", async () => {
    const { tunnels, dial } = await proxy();
    const told = { draining: false };
    const { socket, session } = await dial(told);
    told.draining = true;
    session.tell();
    await eventually(() => tunnels.agents()[0]?.news.draining === true);
    socket.destroy();
    await none(tunnels);
    deepEqual(lately(tunnels), []);
  });
});
