import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { AgentEnd } from "../../../src/tunnel/agent.ts";
import type { TunnelledClient } from "../../../src/tunnel/agent-session.ts";
import { agreedVersion, type AgentNews, readNews, upgradeOffer } from "../../../src/tunnel/protocol.ts";
import { splice } from "../../../src/base/splice.ts";
import { TunnelHeld } from "../../../src/tunnel/tunnel-held.ts";
import { pauseBefore } from "../../../src/tunnel/timing.ts";
import { Tunnels } from "../../../src/tunnel/tunnels.ts";
import { eventually } from "../../support/eventually.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";

const timing = { ping: 200, open: 500, longestPause: 500 };
const orders = { name: "orders", labels: { env: "dev" }, uri: "", region: "us-east-1", account_id: "1", fault: null };

/** What a test opened, ended after it. */
const opened: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of opened.splice(0).toReversed()) await end();
});

/** A proxy that takes agents on a port of its own; the first thing that an agent says is its name. */
async function proxy(random = () => 0.5): Promise<{ tunnels: Tunnels; server: Server; at: string; sockets: Socket[] }> {
  const tunnels = new Tunnels({ random, timing });
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.once("readable", () => {
      const hostId = String(socket.read(1));
      tunnels.accept(socket, { hostId, databases: undefined });
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { tunnels, server, sockets, at: String((server.address() as AddressInfo).port) };
}

/** An agent called by one letter, which serves `orders` and answers each connection with its name and what it was told. */
function agent(
  name: string,
  ports: readonly string[],
  options: { news?: () => Partial<AgentNews>; serve?: (connection: Duplex, client: TunnelledClient) => void } = {},
): { end: AgentEnd; sockets: Socket[] } {
  const sockets: Socket[] = [];
  const end = new AgentEnd({
    proxies: ports,
    dial: async (port) => {
      const socket = connect(Number(port), "127.0.0.1");
      await once(socket, "connect");
      sockets.push(socket);
      socket.write(name);
      return { socket, proxy: undefined };
    },
    news: () => ({ node_name: name, version: "1", draining: false, databases: [orders], ...options.news?.() }),
    serve: options.serve ?? ((connection, client) => connection.end(`${name} ${client.database} ${client.address}`)),
    timing,
    random: Math.random,
    clock: systemClock,
    log: silentLog,
  });
  opened.push(() => end.stop(0));
  return { end, sockets };
}

const client = { address: "192.0.2.7", connection: "c1" };
const serves = (tunnels: Tunnels, hostIds: string): Promise<void> =>
  eventually(
    () =>
      tunnels
        .agents()
        .map(({ hostId }) => hostId)
        .join("") === hostIds,
  );

describe("a tunnel", () => {
  it("carries a connection to the agent of its database, with what is known of the client", async () => {
    const { tunnels, at } = await proxy();
    agent("a", [at]);
    await serves(tunnels, "a");
    equal(await text(await tunnels.open("orders", client)), "a orders 192.0.2.7");
  });

  it("refuses a database that no agent serves, and says so", async () => {
    const { tunnels, at } = await proxy();
    agent("a", [at]);
    await serves(tunnels, "a");
    await rejects(tunnels.open("others", client), { code: "database_without_agent" });
  });

  it("asks the next agent when one does not take the connection", async () => {
    const { tunnels, at } = await proxy(() => 0);
    // Says that it serves orders, and takes none.
    let asked = 0;
    agent("a", [at], { news: () => ({ databases: asked++ === 0 ? [orders] : [] }) });
    await serves(tunnels, "a");
    agent("b", [at]);
    await serves(tunnels, "ab");
    equal(await text(await tunnels.open("orders", client)), "b orders 192.0.2.7");
  });

  it("asks healthy agents first, and others when there is none", async () => {
    const { tunnels, at } = await proxy(() => 0.99);
    agent("a", [at], { news: () => ({ databases: [{ ...orders, fault: "no credentials" }] }) });
    await serves(tunnels, "a");
    equal(tunnels.databases()[0]?.fault, "no credentials");
    const { end } = agent("b", [at]);
    await serves(tunnels, "ab");
    for (let round = 0; round < 5; round++)
      equal(await text(await tunnels.open("orders", client)), "b orders 192.0.2.7");
    equal(tunnels.databases()[0]?.fault, null);
    await end.stop(0);
    await serves(tunnels, "a");
    equal(await text(await tunnels.open("orders", client)), "a orders 192.0.2.7");
  });

  it("lets connections end when it drains, and takes no more", async () => {
    const { tunnels, at } = await proxy();
    let draining = false;
    const { end } = agent("a", [at], {
      news: () => ({ draining }),
      serve: (connection) => connection.pipe(connection),
    });
    await serves(tunnels, "a");
    const before = await tunnels.open("orders", client);
    draining = true;
    end.tell();
    await eventually(() => tunnels.agents()[0]?.news.draining === true);
    await rejects(tunnels.open("orders", client), { code: "database_without_agent" });
    const stopped = end.stop(10_000);
    before.write("still");
    const [echo] = (await once(before, "data")) as [Buffer];
    equal(echo.toString(), "still");
    before.end();
    await stopped;
    await serves(tunnels, "");
  });

  it("is opened again when it breaks, and the connections in it are told", async () => {
    const { tunnels, at, sockets } = await proxy();
    agent("a", [at], { serve: () => undefined });
    await serves(tunnels, "a");
    const connection = await tunnels.open("orders", client);
    connection.on("error", () => undefined);
    const ended = once(connection, "close");
    sockets[0]?.destroy();
    await ended;
    await eventually(async () => {
      (await tunnels.open("orders", client)).destroy();
      return sockets.length === 2;
    });
  });

  it("notices that the other end is gone though nobody said so", async () => {
    const { tunnels, at, sockets } = await proxy();
    const { sockets: dialled } = agent("a", [at]);
    await serves(tunnels, "a");
    // Nothing is read or sent any more, as when a cable is cut.
    dialled[0]?.pause();
    dialled[0]?.removeAllListeners("data");
    const silent = dialled[0];
    ok(silent !== undefined);
    silent.write = () => true;
    (silent as unknown as { _handle: { readStop(): void } })._handle.readStop();
    await eventually(() => sockets[0]?.destroyed === true);
  });

  it("stays while bytes come, though on a slow link answers wait behind them", async () => {
    const { tunnels, at, sockets } = await proxy();
    const net = await startFaultProxy(() => `127.0.0.1:${at}`);
    opened.push(() => net.close());
    const all = 4_000_000;
    agent("a", [net.address.split(":")[1] ?? ""], { serve: (connection) => connection.end(Buffer.alloc(all, 1)) });
    await serves(tunnels, "a");
    // What is on its way takes longer than two pings.
    net.weather.bandwidth = 1_000_000;
    equal((await buffer(await tunnels.open("orders", client))).length, all);
    equal(sockets.length, 1);
  });

  it("keeps a fast sender waiting for a slow reader, and nobody else", async () => {
    const { tunnels, at } = await proxy();
    let written = 0;
    const chunk = Buffer.alloc(65_536, 1);
    const most = 64 * 1_048_576;
    agent("a", [at], {
      serve: (connection, { connection: id }) => {
        if (id !== "slow") {
          connection.end(id);
          return;
        }
        const push = (): void => {
          while (written < most) {
            written += chunk.length;
            if (!connection.write(chunk)) {
              connection.once("drain", push);
              return;
            }
          }
          connection.end();
        };
        push();
      },
    });
    await serves(tunnels, "a");
    const slow = await tunnels.open("orders", { ...client, connection: "slow" });
    slow.pause();
    await eventually(() => written > 0);
    for (let round = 0; round < 20; round++)
      equal(await text(await tunnels.open("orders", { ...client, connection: `${round}` })), `${round}`);
    ok(written < 8 * 1_048_576, `${written} bytes were taken for a reader that takes none`);
    // buffer() takes a stream whose other direction is still open when it closes for one that broke off.
    slow.end();
    equal((await buffer(slow)).length, most);
  });

  it("is opened to each proxy that lives, though one address leads to all, and to no proxy twice", async () => {
    const [one, two, three] = [await proxy(), await proxy(), await proxy()];
    const ports = new Map([
      ["p1", one],
      ["p2", two],
    ]);
    let dials = 0;
    const end = new AgentEnd({
      proxies: ["balancer"],
      living: () => [...ports.keys()],
      async dial(_, __, held) {
        const [id, { at }] = [...ports][dials++ % ports.size] ?? ["", one];
        if (held.includes(id)) throw new TunnelHeld(id);
        const socket = connect(Number(at), "127.0.0.1");
        await once(socket, "connect");
        socket.write("a");
        return { socket, proxy: id };
      },
      news: () => ({ node_name: "a", version: "1", draining: false, databases: [orders] }),
      serve: (connection) => connection.end(),
      timing,
      random: Math.random,
      clock: systemClock,
      log: silentLog,
    });
    opened.push(() => end.stop(0));
    await serves(one.tunnels, "a");
    await serves(two.tunnels, "a");
    const settled = dials;
    ports.set("p3", three);
    end.look();
    await serves(three.tunnels, "a");
    equal(end.tunnels, 3);
    ok(dials > settled);
    // One that is gone is not looked for any more, and one that only lost its connection is dialled again.
    ports.delete("p1");
    for (const socket of [...one.sockets, ...two.sockets]) socket.destroy();
    await serves(one.tunnels, "");
    await serves(two.tunnels, "a");
    await eventually(() => end.tunnels === 2);
    deepEqual(end.states(), [{ proxy: "balancer", fault: null }]);
    for (const { sockets } of [two, three]) equal(sockets.filter(({ destroyed }) => !destroyed).length, 1);
  });

  it("is opened to each proxy though somebody else dials a balancer that takes turns just as often", async () => {
    const [one, two] = [await proxy(), await proxy()];
    const ids = [
      ["p1", one],
      ["p2", two],
    ] as const;
    let [turn, ended] = [0, 0];
    const end = new AgentEnd({
      proxies: ["balancer"],
      living: () => ["p1", "p2", "dead"],
      async dial(_, __, held) {
        // Whoever pauses finds that another has had a turn meanwhile.
        if (performance.now() - ended > 3) turn++;
        const [id, { at }] = ids[turn++ % 2] ?? ["", one];
        try {
          if (held.includes(id)) throw new TunnelHeld(id);
          const socket = connect(Number(at), "127.0.0.1");
          await once(socket, "connect");
          socket.write("a");
          return { socket, proxy: id };
        } finally {
          ended = performance.now();
        }
      },
      news: () => ({ node_name: "a", version: "1", draining: false, databases: [orders] }),
      serve: (connection) => connection.end(),
      timing,
      random: Math.random,
      clock: systemClock,
      log: silentLog,
    });
    opened.push(() => end.stop(0));
    await eventually(() => end.tunnels === 2);
  });

  it("reads no news of a region that would be more than a word of somebody's files", () => {
    const line = (region: string): string =>
      JSON.stringify({ node_name: "a", version: "1", draining: false, databases: [{ ...orders, region }] });
    for (const region of ["us-east-1", "us-gov-west-1", "ddblocal"])
      equal(readNews(line(region))?.databases[0]?.region, region);
    for (const region of ["", "a\nb", "a b", "US-EAST-1", "x".repeat(65)]) equal(readNews(line(region)), undefined);
  });

  it("ends an agent whose news cannot be read", async () => {
    const { tunnels, at, sockets } = await proxy();
    agent("a", [at], { news: () => ({ databases: "all" as unknown as [] }) });
    await eventually(() => sockets[0]?.destroyed === true);
    deepEqual(tunnels.agents(), []);
  });
});

describe("splicing", () => {
  /** A port whose connections are joined with one of the agent's; all that the agent's end of them is. */
  async function spliced(serve: (connection: Duplex) => void): Promise<Socket> {
    const { tunnels, at } = await proxy();
    agent("a", [at], { serve });
    await serves(tunnels, "a");
    const front = createServer({ allowHalfOpen: true }, (socket) => {
      void tunnels.open("orders", client).then((connection) => splice(socket, connection));
    }).listen(0, "127.0.0.1");
    await once(front, "listening");
    opened.push(() => void front.close());
    const socket = connect({ port: (front.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
    opened.push(() => void socket.destroy());
    return socket;
  }

  it("passes an end on, and lets the other direction go on", async () => {
    // Answers when the client has said all.
    const socket = await spliced((connection) => {
      void text(connection).then((said) => connection.end(`heard ${said}`));
    });
    socket.end("hello");
    equal(await text(socket), "heard hello");
  });

  it("brings all that was said before a connection closed, however late it is read", async () => {
    const all = "x".repeat(20_000_000);
    let closed = false;
    // As TLS does it: whoever has said all is gone, though the client has not ended.
    const socket = await spliced((connection) => {
      connection.resume();
      connection.once("close", () => (closed = true));
      connection.end(all, () => connection.destroy());
    });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      // Slower than it comes.
      socket.pause();
      setTimeout(() => socket.resume(), 5);
    });
    await once(socket, "end");
    ok(closed);
    equal(Buffer.concat(chunks).length, all.length);
    socket.end();
  });

  it("lets go of the agent when the client goes, and cuts the client when the tunnel goes, in the middle of a word", async () => {
    const ends: Duplex[] = [];
    const talk = (connection: Duplex): void => {
      ends.push(connection.on("error", () => undefined).resume());
      connection.write("half of it");
    };
    const first = await spliced(talk);
    await once(first, "data");
    first.resetAndDestroy();
    await eventually(() => ends[0]?.destroyed === true);
    const second = await spliced(talk);
    await once(second, "data");
    const gone = once(second, "end");
    ends[1]?.destroy(new Error("the agent died"));
    await gone;
  });
});

describe("the protocol's version", () => {
  it("is the best that both speak", () => {
    equal(agreedVersion(upgradeOffer([3, 2]), [2, 1]), 2);
    equal(agreedVersion(upgradeOffer([2, 1]), [3, 2]), 2);
    equal(agreedVersion("websocket, postern-tunnel/1", [1]), 1);
    equal(agreedVersion(upgradeOffer([3]), [1]), undefined);
    equal(agreedVersion("postern-tunnel/01", [1]), undefined);
    match(upgradeOffer(), /^postern-tunnel\/\d/);
  });
});

describe("the pause before dialling again", () => {
  it("doubles up to a bound, and half of it is chance", () => {
    equal(
      pauseBefore(1, 30_000, () => 0),
      300,
    );
    equal(
      pauseBefore(1, 30_000, () => 1),
      600,
    );
    equal(
      pauseBefore(3, 30_000, () => 1),
      2400,
    );
    equal(
      pauseBefore(99, 30_000, () => 1),
      30_000,
    );
  });
});
