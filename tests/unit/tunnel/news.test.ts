import { equal, match, ok } from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import { AgentSession } from "../../../src/tunnel/agent-session.ts";
import { NewsRate } from "../../../src/tunnel/news-rate.ts";
import { TUNNEL_TIMING } from "../../../src/tunnel/timing.ts";
import { Tunnels } from "../../../src/tunnel/tunnels.ts";
import { eventually } from "../../support/eventually.ts";

describe("news of an agent", () => {
  const opened: (() => unknown)[] = [];
  afterEach(() => {
    for (const end of opened.splice(0)) end();
  });

  it("may change as often as agents look, for ever, and many times at once now and then", () => {
    let now = 0;
    const rate = new NewsRate(() => now);
    for (let line = 0; line < 10_000; line++, now += 500) ok(rate.take());
    const atOnce = (): number => {
      let lines = 0;
      while (rate.take()) lines++;
      return lines;
    };
    ok(atOnce() >= 20);
    ok(!rate.isForgotten);
    now += 1000;
    equal(atOnce(), 3);
    now += 3_600_000;
    ok(rate.isForgotten);
    ok(atOnce() <= 40);
  });

  it("ends the tunnels of an agent that tells more, also the next ones, and both ends are told why; others stay", async () => {
    const refused: string[] = [];
    const tunnels = new Tunnels({
      random: Math.random,
      onRefused: (hostId, reason) => refused.push(`${hostId}: ${reason}`),
    });
    let read = 0;
    const open = async (hostId: string): Promise<AgentSession> => {
      const server = createServer((socket) =>
        tunnels.accept(
          socket.on("error", () => undefined),
          { hostId, databases: undefined },
        ),
      );
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      await once(socket, "connect");
      const session = new AgentSession(socket, {
        news: () => ({ node_name: String(read++), version: "1", draining: false, databases: [] }),
        serve: () => undefined,
        timing: TUNNEL_TIMING,
      });
      opened.push(
        () => socket.destroy(),
        () => server.close(),
      );
      return session;
    };
    const honest = await open("honest");
    const loud = await open("loud");
    await eventually(() => tunnels.agents().length === 2);
    for (let line = 0; line < 15; line++) honest.tell();
    for (let line = 0; line < 1000; line++) loud.tell();
    await eventually(() => loud.reason !== undefined);
    match(String(loud.reason), /tells news of itself more often than/);
    await eventually(() => tunnels.agents().length === 1);
    const again = await open("loud");
    await eventually(() => again.reason !== undefined);
    match(String(again.reason), /more often/);
    equal(refused.length, 2);
    match(String(refused[0]), /^loud: it tells news of itself more often than/);
    equal(tunnels.agents()[0]?.hostId, "honest");
    const before = read;
    honest.tell();
    await eventually(() => tunnels.agents()[0]?.news.node_name === String(before));
  });
});
