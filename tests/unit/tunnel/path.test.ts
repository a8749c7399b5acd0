import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { connect, createSecureContext, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { Hono } from "hono";
import { systemClock } from "../../../src/base/clock.ts";
import { Secret } from "../../../src/base/secret.ts";
import type { GatewayApp } from "../../../src/gateway/app.ts";
import { askForDatabase, secureToAgent } from "../../../src/local-proxy/connect.ts";
import { listenTlsOnNode } from "../../../src/platform/node-tls-server.ts";
import { serveTunnelledOnNode } from "../../../src/platform/node-tunnelled.ts";
import type { AdmitTunnelled, TunnelledOptions } from "../../../src/platform/ports.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { AgentEnd } from "../../../src/tunnel/agent.ts";
import { agreedVersion, TUNNEL_PATH, TUNNEL_VERSIONS } from "../../../src/tunnel/protocol.ts";
import { splice } from "../../../src/base/splice.ts";
import { TunnelHeld } from "../../../src/tunnel/tunnel-held.ts";
import { TUNNEL_TIMING } from "../../../src/tunnel/timing.ts";
import { Tunnels } from "../../../src/tunnel/tunnels.ts";
import { upgradeToTunnel } from "../../../src/tunnel/upgrade.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { eventually } from "../../support/eventually.ts";

const door = makeCertificate(["localhost", "127.0.0.1"]);
const agentCert = makeCertificate(["agent"]);
const user = makeCertificate(["alice"]);
const identityOf = ({ cert, key }: { cert: string; key: string }) => ({
  chain: cert,
  key: new Secret(key),
  clientAuthorities: [],
});
const orders = { name: "orders", labels: {}, uri: "", region: "us-east-1", account_id: "1", fault: null };

const opened: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of opened.splice(0).toReversed()) await end();
});

async function dial(port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", ca: door.cert, ...{ cert: user.cert, key: user.key } });
  await once(socket, "secureConnect");
  return socket;
}

interface Path {
  readonly port: number;
  readonly tunnels: Tunnels;
}

/** A door with tunnels and one agent, whose app says what it was told. */
async function path(
  options: Partial<TunnelledOptions> & {
    versions?: readonly number[];
    agentVersions?: readonly number[];
    admit?: AdmitTunnelled;
  } = {},
): Promise<Path> {
  const tunnels = new Tunnels({ random: Math.random });
  const listening = await listenTlsOnNode(
    async () => new Response("a door"),
    { kind: "tcp", host: "127.0.0.1", port: 0 },
    {
      identity: identityOf(door),
      async takeOver({ kind, target, headers }, { address }) {
        if (kind === "connect") {
          try {
            const agent = await tunnels.open(decodeURIComponent(target), { address, connection: "c" });
            return { headers: {}, take: (socket) => splice(socket, agent), leave: () => void agent.destroy() };
          } catch (error) {
            const { code, message } = error as { code: string; message: string };
            return Response.json({ error: { code, message } }, { status: 404 });
          }
        }
        const version = agreedVersion(headers.get("upgrade") ?? "", options.versions ?? [1]);
        if (target !== TUNNEL_PATH || version === undefined) return new Response(null, { status: 426 });
        return {
          headers: { upgrade: `postern-tunnel/${version}` },
          take: (socket) => tunnels.accept(socket, { hostId: "agent-1", databases: undefined }),
          leave: () => undefined,
        };
      },
    },
  );
  const port = Number(listening.address.split(":").at(-1));
  const app = new Hono() as unknown as GatewayApp;
  app.all("*", async (context) => {
    const { exchange, send } = context.env;
    if (exchange === undefined || send === undefined) throw new Error("there is no exchange");
    const body = await exchange.body(100_000_000, { take: () => true });
    const sum = createHash("sha256").update(body).digest("hex");
    return await send({
      status: 200,
      headers: {},
      body: Buffer.from(JSON.stringify([exchange.method, exchange.connection.ip, body.length, sum])),
    });
  });
  const served = { app, onUnparsable: async () => ({ status: 400, headers: {}, body: new Uint8Array() }) };
  const service = serveTunnelledOnNode(options.admit ?? (async () => served), {
    identity: identityOf(agentCert),
    ...options,
  });
  const agent = new AgentEnd({
    proxies: [String(port)],
    dial: async (at, signal) =>
      upgradeToTunnel(await dial(Number(at)), {
        host: "door",
        signal,
        timeout: 5000,
        ...(options.agentVersions === undefined ? {} : { versions: options.agentVersions }),
      }),
    news: () => ({ node_name: "a", version: "1", draining: false, databases: [orders] }),
    serve: (stream, { database, address }) => service.accept(stream, { database, address }),
    timing: TUNNEL_TIMING,
    random: Math.random,
    clock: systemClock,
    log: silentLog,
  });
  opened.push(
    () => listening.drain(0),
    () => tunnels.drain(0),
    () => service.drain(0),
    () => agent.stop(0),
  );
  return { port, tunnels };
}

const context = createSecureContext({ cert: user.cert, key: user.key, ca: agentCert.cert });

async function toAgent(port: number, database = "orders"): Promise<Duplex> {
  const through = await askForDatabase(await dial(port), database, 5000);
  return secureToAgent(through, { context, verifyAgent: async () => undefined, timeout: 5000 });
}

function call(connection: Duplex, body: Buffer | string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ createConnection: () => connection, method: "POST", headers: { host: "localhost" } });
    asked.once("response", (response) => resolve(text(response)));
    asked.once("error", reject);
    asked.end(body);
  });
}

/** Two ends of one connection. */
function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  for (const other of [1, 0]) {
    const end = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _, callback) {
        ends[other]?.push(chunk);
        callback();
      },
      final(callback) {
        ends[other]?.push(null);
        callback();
      },
      destroy(error, callback) {
        ends[other]?.push(null);
        callback(error);
      },
    });
    ends.push(end);
  }
  return ends as [Duplex, Duplex];
}

const reachable = ({ tunnels }: Path): Promise<void> => eventually(() => tunnels.databases().length === 1);

/** What is read of a stream only while that flows. */
function heldBack(way: Duplex): Duplex {
  const held = new Duplex({
    read: () => undefined,
    write: (chunk, encoding, done) => void way.write(chunk, encoding, done),
    final: (done) => void way.end(done),
  });
  way.on("data", (chunk) => held.push(chunk));
  way.once("end", () => held.push(null));
  way.once("close", () => held.push(null));
  return held;
}

describe("the way from a client to an agent", () => {
  it("carries requests through door and tunnel, in TLS that the door cannot read, with the client's address", async () => {
    let shown: Uint8Array | undefined;
    const whole = await path();
    await reachable(whole);
    const answer = await call(await toAgent(whole.port), "hello");
    equal(answer, JSON.stringify(["POST", "127.0.0.1", 5, createHash("sha256").update("hello").digest("hex")]));
    const another = await path({
      admit: async (certificate) => {
        shown = certificate;
        return undefined;
      },
    });
    await reachable(another);
    await rejects(call(await toAgent(another.port), "hello"));
    equal(Buffer.from(shown ?? []).toString("base64"), user.cert.replace(/-----.*-----|\n/g, ""));
  });

  it("carries large bodies unchanged, many at once", async () => {
    const whole = await path();
    await reachable(whole);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const body = randomBytes(3_000_000);
        const answer = JSON.parse(await call(await toAgent(whole.port), body)) as unknown[];
        deepEqual(answer.slice(2), [body.length, createHash("sha256").update(body).digest("hex")]);
      }),
    );
  });

  it("outlives more clients that leave in the middle than HTTP/2 bears resets", async () => {
    const whole = await path();
    await reachable(whole);
    const leaving = async (): Promise<void> => {
      const agent = await whole.tunnels.open("orders", { address: "192.0.2.7", connection: "c" });
      agent.on("error", () => undefined).destroy();
    };
    for (let at = 0; at < 11; at++) await Promise.all(Array.from({ length: 100 }, leaving));
    // Those that could not be reset yet are there still, and count.
    const [{ connections } = { connections: 0 }] = whole.tunnels.agents();
    ok(connections > 0 && connections < 300, String(connections));
    match(await call(await toAgent(whole.port), "hello"), /^\["POST"/);
  });

  it("says in the door's words what cannot be reached", async () => {
    const whole = await path();
    await reachable(whole);
    await rejects(toAgent(whole.port, "others"), { code: "database_without_agent" });
  });

  it("trusts no agent that the cluster does not vouch for, whoever stands in between", async () => {
    const whole = await path();
    await reachable(whole);
    const through = await askForDatabase(await dial(whole.port), "orders", 5000);
    const stranger = createSecureContext({ ca: door.cert });
    await rejects(secureToAgent(through, { context: stranger, verifyAgent: async () => undefined, timeout: 5000 }), {
      code: "agent_untrusted",
    });
    const again = await askForDatabase(await dial(whole.port), "orders", 5000);
    const verifyAgent = async (): Promise<void> => {
      throw new Error("it is a proxy's");
    };
    await rejects(secureToAgent(again, { context, verifyAgent, timeout: 5000 }), { code: "agent_untrusted" });
  });

  it("ends who does not finish TLS or a request's head", async () => {
    const whole = await path({
      handshakeTimeout: 100,
      timeouts: { headers: 200, request: 400, keepAlive: 300, silence: 2000, inspection: 50 },
    });
    await reachable(whole);
    const silent = await askForDatabase(await dial(whole.port), "orders", 5000);
    silent.on("error", () => undefined).resume();
    await once(silent, "close");
    // Of the two parsers the first has the plain beginning, and Node's the other.
    for (const begun of [
      "POST / HTTP/1.1\r\nho",
      "GET /x HTTP/1.1\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ]) {
      const connection = await toAgent(whole.port);
      connection.write(begun);
      connection.on("error", () => undefined).resume();
      await once(connection, "close");
    }
  });

  it("works between ends that are one version apart, whichever is the newer", async () => {
    const [current = 1] = TUNNEL_VERSIONS;
    const [ours, next] = [[current], [current + 1, current]];
    for (const [versions, agentVersions] of [
      [ours, next],
      [next, ours],
      [next, next],
    ] as const) {
      const whole = await path({ versions, agentVersions });
      await reachable(whole);
      const answer = await call(await toAgent(whole.port), "hello");
      equal((JSON.parse(answer) as unknown[])[2], 5);
    }
    const whole = await path({ versions: [current + 1], agentVersions: [current] });
    await rejects(
      upgradeToTunnel(await dial(whole.port), { host: "door", signal: AbortSignal.timeout(5000), timeout: 5000 }),
      {
        code: "tunnel_version",
      },
    );
    deepEqual(whole.tunnels.agents(), []);
  });

  it("gives up a door that closed before it was asked for a tunnel", { timeout: 20_000 }, async () => {
    const listening = createTlsServer({ cert: door.cert, key: door.key }, (socket) => void socket.destroy());
    await once(listening.listen(0, "127.0.0.1"), "listening");
    opened.push(() => void listening.close());
    const socket = await dial((listening.address() as AddressInfo).port);
    await once(socket.resume(), "close");
    const { signal } = new AbortController();
    await rejects(upgradeToTunnel(socket, { host: "door", signal, timeout: 60_000 }), { code: "proxy_unreachable" });
  });

  it("gives up a door that is silent after TLS, and one that says that it is held", async () => {
    const silent = createTlsServer({ cert: door.cert, key: door.key }, () => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    opened.push(() => void silent.close());
    const options = { host: "door", signal: AbortSignal.timeout(60_000), timeout: 50 };
    const socket = await dial((silent.address() as AddressInfo).port);
    await rejects(upgradeToTunnel(socket, options), { code: "proxy_unreachable" });
    const held = createTlsServer({ cert: door.cert, key: door.key }, (client) => {
      client.once("data", () => client.end("HTTP/1.1 409 Conflict\r\npostern-proxy: p1\r\ncontent-length: 0\r\n\r\n"));
    }).listen(0, "127.0.0.1");
    await once(held, "listening");
    opened.push(() => void held.close());
    const at = (held.address() as AddressInfo).port;
    const more = { ...options, timeout: 5000 };
    await rejects(upgradeToTunnel(await dial(at), { ...more, held: ["p1"] }), TunnelHeld);
    // Nobody says so of a proxy that is not held.
    await rejects(upgradeToTunnel(await dial(at), { ...more, held: ["p2"] }), { code: "tunnel_refused" });
  });

  it("ends what it opened for a client that has gone before it was connected", async () => {
    let left = 0;
    let go = (): void => undefined;
    const listening = await listenTlsOnNode(
      async () => new Response("a door"),
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      {
        identity: identityOf(door),
        async takeOver() {
          await new Promise<void>((resolve) => (go = resolve));
          return { headers: {}, take: () => undefined, leave: () => void left++ };
        },
      },
    );
    opened.push(() => listening.drain(0));
    const socket = await dial(Number(listening.address.split(":").at(-1)));
    socket.on("error", () => undefined).write("CONNECT orders HTTP/1.1\r\nhost: orders\r\n\r\n");
    const before = go;
    await eventually(() => go !== before);
    socket.destroy();
    await once(socket, "close");
    go();
    await eventually(() => left === 1);
  });

  it("answers who was still shaking hands when it began to drain, and lets them go", async () => {
    const whole = await path();
    await reachable(whole);
    let admitted = (): void => undefined;
    const app = new Hono() as unknown as GatewayApp;
    app.all("*", async ({ env }) => {
      if (env.send === undefined) throw new Error("there is no exchange");
      return await env.send({ status: 200, headers: {}, body: Buffer.from("served") });
    });
    const served = { app, onUnparsable: async () => ({ status: 400, headers: {}, body: new Uint8Array() }) };
    const service = serveTunnelledOnNode(
      async () => {
        await new Promise<void>((resolve) => (admitted = resolve));
        return served;
      },
      { identity: identityOf(agentCert) },
    );
    const before = admitted;
    const [near, far] = duplexPair();
    service.accept(far, { database: "orders", address: "" });
    const connection = await secureToAgent(near, { context, verifyAgent: async () => undefined, timeout: 5000 });
    await eventually(() => admitted !== before);
    await service.drain(0);
    admitted();
    const closed = once(connection, "close");
    equal(await call(connection, "hello"), "served");
    await closed;
  });

  it("brings an answer that ends the connection whole, however late it is read", async () => {
    let gone = 0;
    const opening = await path({ onDisconnection: () => gone++ });
    await reachable(opening);
    const { tunnels } = opening;
    for (const body of ["{}", "x".repeat(300_000)]) {
      const way = await tunnels.open("orders", { address: "192.0.2.1", connection: "c" });
      const held = heldBack(way);
      const connection = await secureToAgent(held, { context, verifyAgent: async () => undefined, timeout: 5000 });
      // Tickets come first.
      await new Promise((resolve) => setTimeout(resolve, 50));
      way.pause();
      const before = gone;
      connection.write(
        `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await eventually(() => gone > before);
      await new Promise((resolve) => setTimeout(resolve, 50));
      way.resume();
      const answer = await text(connection);
      match(answer, /^HTTP\/1\.1 200 /);
      equal(answer.includes(`"POST","192.0.2.1",${body.length}`), true, answer);
    }
  });

  it("opens no tunnel between versions that have none in common", async () => {
    const whole = await path({ versions: [7] });
    await rejects(
      upgradeToTunnel(await dial(whole.port), { host: "door", signal: AbortSignal.timeout(5000), timeout: 5000 }),
      {
        code: "tunnel_version",
      },
    );
  });
});
