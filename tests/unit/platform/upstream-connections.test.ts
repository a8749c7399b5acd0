import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { Worker } from "node:worker_threads";
import { UpstreamError } from "../../../src/gateway/ports.ts";
import { NodeUpstream } from "../../../src/platform/node-upstream.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { eventually } from "../../support/eventually.ts";
import { answerText } from "../../support/raw-upstream.ts";
import { LeavingClient, outcome, send, UpstreamParts } from "../../support/upstream-client.ts";

const parts = new UpstreamParts();
after(() => parts.close());
const upstreamOf = parts.upstreamOf.bind(parts);
const serverOf = parts.serverOf.bind(parts);

/** The port that it listens on. */
async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => void sockets.add(socket));
  server.listen(0, host);
  await once(server, "listening");
  parts.closing(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

/** A server in a thread of its own, which answers with the client's port while this thread stands still. */
async function serveInThread(certificate: { readonly cert: string; readonly key: string }): Promise<number> {
  const script = `
    const { parentPort, workerData } = require("node:worker_threads");
    const server = require("node:https").createServer(workerData, (request, response) => {
      request.resume();
      request.once("end", () => response.end(String(request.socket.remotePort)));
    });
    server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(script, { eval: true, workerData: certificate });
  parts.closing(() => worker.terminate());
  const [port] = (await once(worker, "message")) as [number];
  return port;
}

/** Answers every request with its own body. */
const echo = (socket: Socket, { body }: { body: string }): void => void socket.write(answerText(body));
/** Resolves where timers run: sockets are read right after, before anything that was put off with setImmediate. */
const beforeReading = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 1));

describe("connections to an origin", () => {
  it("serve many requests a few at a time, one each, and each gets its own answer", async () => {
    let [busy, most] = [0, 0];
    const server = await serverOf((socket, { body }) => {
      busy += 1;
      most = Math.max(most, busy);
      setImmediate(() => {
        busy -= 1;
        socket.write(answerText(`${body}!`));
      });
    });
    const upstream = upstreamOf({ connections: 4 });
    const bodies = Array.from({ length: 300 }, (_, at) => `request ${at}`);
    assert.deepEqual(
      await Promise.all(bodies.map((body) => outcome(send(upstream, server.url, body)))),
      bodies.map((body) => `${body}!`),
    );
    assert.deepEqual([server.opened(), server.requests.length, server.pipelined()], [4, 300, false]);
    assert.ok(most <= 4);
  });

  it("serve in the order of asking", async () => {
    const server = await serverOf(echo);
    const upstream = upstreamOf({ connections: 1 });
    await Promise.all(Array.from({ length: 100 }, (_, at) => outcome(send(upstream, server.url, String(at)))));
    assert.deepEqual(
      server.requests.map(({ body }) => Number(body)),
      Array.from({ length: 100 }, (_, at) => at),
    );
  });

  it("are used again, the last that became idle first", async () => {
    const held = new Map<number, Socket>();
    const server = await serverOf((socket, { body, connection }) => {
      if (body === "hold") held.set(connection, socket);
      else socket.write(answerText(body));
    });
    const upstream = upstreamOf();
    const under = [1, 2, 3].map(() => outcome(send(upstream, server.url, "hold")));
    await eventually(() => held.size === 3);
    let answered = 0;
    for (const one of under) void one.then(() => (answered += 1));
    for (const [at, connection] of [3, 1, 2].entries()) {
      held.get(connection)?.write(answerText("held"));
      await eventually(() => answered === at + 1);
    }
    for (let at = 0; at < 10; at++) assert.equal(await outcome(send(upstream, server.url, "x")), "x");
    assert.deepEqual([...new Set(server.requests.slice(3).map(({ connection }) => connection))], [2]);
  });

  it("carry bodies of any size whole, and the head never alone", async () => {
    for (const size of [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000]) {
      const body = Buffer.from(Array.from({ length: size }, (_, at) => (at * 7919 + (at >> 8)) & 0xff));
      const firsts: Buffer[] = [];
      const server = await serverOf(
        (socket, request) =>
          socket.write(answerText(createHash("sha256").update(request.body, "latin1").digest("hex"))),
        (socket) => socket.once("data", (chunk: Buffer) => firsts.push(chunk)),
      );
      assert.equal(
        await outcome(send(upstreamOf(), server.url, body)),
        createHash("sha256").update(body).digest("hex"),
      );
      const [first = Buffer.alloc(0)] = firsts;
      assert.ok(first.length >= first.indexOf("\r\n\r\n") + 4 + Math.min(size, 1000), `${size}: the head came alone`);
    }
  });

  it("are made for another origin of their own", async () => {
    const [one, other] = [
      await serverOf((socket) => socket.write(answerText("one"))),
      await serverOf((socket) => socket.write(answerText("other"))),
    ];
    const upstream = upstreamOf({ connections: 1 });
    for (let at = 0; at < 3; at++) {
      assert.equal(await outcome(send(upstream, one.url)), "one");
      assert.equal(await outcome(send(upstream, other.url)), "other");
    }
    assert.deepEqual([one.opened(), other.opened()], [1, 1]);
  });

  it("are not even opened for a request whose headers cannot be sent", async () => {
    const server = await serverOf(echo);
    const upstream = upstreamOf();
    for (const headers of [
      { host: "h", x: "a\r\nx-injected: b" },
      { host: "h", "x\r\ny": "a" },
      { host: "h", x: "a\u010ab" },
      { host: "h", "content-length": "0" },
      {},
    ]) {
      const request = { origin: server.url, headers, body: Buffer.from("{}"), departure: new LeavingClient() };
      await assert.rejects(upstream.send(request), TypeError);
    }
    assert.equal(await outcome(send(upstream, server.url, "good")), "good");
    assert.deepEqual([server.opened(), server.requests.length], [1, 1]);
  });
});

describe("a request that waits for a connection", () => {
  it("is refused at once when enough wait already, at all origins together", async () => {
    const silent = await serverOf(() => undefined);
    const other = await serverOf(() => undefined);
    const upstream = upstreamOf({ connections: 1, waiting: 3 });
    const clients = Array.from({ length: 5 }, () => new LeavingClient());
    const under = clients.map((client, at) =>
      outcome(send(upstream, (at % 2 === 0 ? silent : other).url, "{}", client)),
    );
    // The fourth and the fifth came while three waited for their connections to open.
    assert.deepEqual(await Promise.all(under.slice(3)), ["unreachable", "unreachable"]);
    await eventually(() => silent.requests.length + other.requests.length === 2);
    const more = [silent, other, silent, other].map(({ url }) => {
      const client = new LeavingClient();
      clients.push(client);
      return outcome(send(upstream, url, "{}", client));
    });
    assert.deepEqual(await Promise.all(more.slice(2)), ["unreachable", "unreachable"]);
    // One that leaves makes room at once.
    clients[2]?.leave();
    assert.equal(await under[2], "unreachable");
    const last = new LeavingClient();
    const sent = send(upstream, silent.url, "{}", last);
    for (const client of [...clients, last]) client.leave();
    await assert.rejects(sent, /The client went away/);
    await assert.rejects(send(upstream, silent.url, "{}", last), /The client went away/);
    assert.deepEqual(await Promise.all(under.slice(0, 2)), ["broken", "broken"]);
    assert.equal(silent.requests.length + other.requests.length, 2);
  });

  it("is given up after a time", async () => {
    const server = await serverOf((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
    const upstream = upstreamOf({ connections: 1, headersTimeout: 60 });
    const first = await send(upstream, server.url);
    await assert.rejects(send(upstream, server.url), { kind: "unreachable", message: /became free in time/ });
    const rest = outcome(Promise.resolve(first));
    await upstream.close();
    assert.equal(await rest, "broken");
    assert.equal(server.requests.length, 1);
  });

  it("is not lost with the connection that another was on", async () => {
    const server = await serverOf((socket, { body }) => (body === "0" ? socket.destroy() : echo(socket, { body })));
    const upstream = upstreamOf({ connections: 1 });
    const all = ["0", "1", "2"].map((body) => outcome(send(upstream, server.url, body)));
    assert.deepEqual(await Promise.all(all), ["broken", "1", "2"]);
  });

  it("is not failed by an attempt to connect that was made for one before it", async () => {
    const certificate = makeCertificate(["localhost"]);
    const secure = createSecureServer(certificate, (_, response) => void response.end("had"));
    const first: Socket[] = [];
    const port = await listen(
      createTcpServer((socket) => {
        socket.on("error", () => undefined);
        if (first.length === 0) first.push(socket);
        else secure.emit("connection", socket);
      }),
    );
    const upstream = upstreamOf({ ca: certificate.cert });
    const client = new LeavingClient();
    const left = outcome(send(upstream, `https://localhost:${port}`, "{}", client));
    await eventually(() => first.length === 1);
    client.leave();
    // It waits for the connection that is on its way.
    const next = outcome(send(upstream, `https://localhost:${port}`));
    first[0]?.destroy();
    assert.deepEqual([await left, await next], ["unreachable", "had"]);
  });

  it("leaves the line with its client, and those behind move up", async () => {
    const held: Socket[] = [];
    const server = await serverOf((socket) => held.push(socket));
    const upstream = upstreamOf({ connections: 1 });
    const [first, second, third] = [new LeavingClient(), new LeavingClient(), new LeavingClient()];
    const under = [first, second, third].map((client, at) => outcome(send(upstream, server.url, String(at), client)));
    await eventually(() => held.length === 1);
    second.leave();
    assert.equal(await under[1], "unreachable");
    held[0]?.write(answerText("0"));
    await eventually(() => held.length === 2);
    held[1]?.write(answerText("2"));
    assert.deepEqual(await Promise.all(under), ["0", "unreachable", "2"]);
    assert.deepEqual(
      server.requests.map(({ body }) => body),
      ["0", "2"],
    );
  });

  it("is not sent when its client has gone before or while the connection is made", async () => {
    const server = await serverOf(echo);
    const upstream = upstreamOf();
    const client = new LeavingClient();
    const sent = outcome(send(upstream, server.url, "{}", client));
    client.leave();
    assert.equal(await sent, "unreachable");
    assert.equal(await outcome(send(upstream, server.url, "{}", client)), "unreachable");
    assert.equal(await outcome(send(upstream, server.url, "stays")), "stays");
    assert.equal(server.requests.length, 1);
  });
});

describe("a connection that cannot be had", () => {
  it("refused: unreachable, with the reason, and had when the server is back", async () => {
    const server = createTcpServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const upstream = upstreamOf({ connections: 2 });
    const all = Array.from({ length: 20 }, () => outcome(send(upstream, `http://127.0.0.1:${port}`)));
    assert.deepEqual([...new Set(await Promise.all(all))], ["unreachable"]);
    await assert.rejects(send(upstream, `http://127.0.0.1:${port}`), (error) => {
      assert.ok(error instanceof UpstreamError && error.cause instanceof Error);
      assert.match(error.cause.message, /ECONNREFUSED/);
      return true;
    });
    const back = createTcpServer((socket) => socket.on("data", () => socket.write(answerText("back"))));
    back.listen(port, "127.0.0.1");
    await once(back, "listening");
    assert.equal(await outcome(send(upstream, `http://127.0.0.1:${port}`)), "back");
    await upstream.close();
    back.close();
    await once(back, "close");
  });

  it("for a name that nobody has, or a port that is none", async () => {
    const upstream = upstreamOf();
    assert.equal(await outcome(send(upstream, "http://nobody.invalid:80")), "unreachable");
    assert.equal(await outcome(send(upstream, "http://127.0.0.1:0")), "unreachable");
  });

  it("because the server closes each at once: one attempt for each request", async () => {
    let opened = 0;
    const port = await listen(createTcpServer((socket) => void (opened++, socket.resetAndDestroy())));
    const upstream = upstreamOf({ connections: 3 });
    const all = Array.from({ length: 10 }, () => outcome(send(upstream, `http://127.0.0.1:${port}`)));
    for (const one of await Promise.all(all)) assert.match(one, /^(?:unreachable|broken)$/);
    assert.ok(opened <= 13, `${opened} connections for 10 requests`);
  });

  it("because the handshake takes too long", async () => {
    const port = await listen(createTcpServer(() => undefined));
    const upstream = upstreamOf({ connectTimeout: 50 });
    await assert.rejects(send(upstream, `https://127.0.0.1:${port}`), { name: "UpstreamError", kind: "unreachable" });
  });
});

describe("a connection that went stale", () => {
  for (const [how, end] of [
    ["closed", (socket: Socket) => socket.end()],
    ["reset", (socket: Socket) => socket.resetAndDestroy()],
    ["closed and read no more", (socket: Socket) => socket.destroy()],
  ] as const) {
    it(`${how} by the server while idle is not used, not even when that is not read yet`, async () => {
      const server = await serverOf(echo);
      const upstream = upstreamOf();
      for (let at = 0; at < 8; at++) {
        assert.equal(await outcome(send(upstream, server.url, String(at))), String(at));
        const [socket] = server.sockets;
        await beforeReading();
        end(socket ?? assert.fail());
        // At every second turn the end has been noticed when the next request comes.
        if (at % 2 === 0) await sleep(5);
      }
      assert.equal(server.opened(), 8);
    });
  }

  it("closed as the request arrives: broken, and never sent twice", async () => {
    const server = await serverOf((socket, { body, nth }) => (nth === 1 ? echo(socket, { body }) : socket.destroy()));
    const upstream = upstreamOf();
    for (let at = 0; at < 10; at++) {
      assert.equal(await outcome(send(upstream, server.url, `${at} good`)), `${at} good`);
      assert.equal(await outcome(send(upstream, server.url, `${at} late`)), "broken");
    }
    assert.equal(new Set(server.requests.map(({ body }) => body)).size, server.requests.length);
  });

  it("or that speaks without being asked is closed, and what it said answers nobody", async () => {
    const server = await serverOf(echo);
    const upstream = upstreamOf();
    for (let at = 0; at < 8; at++) {
      assert.equal(await outcome(send(upstream, server.url, String(at))), String(at));
      const socket = server.sockets.at(-1) ?? assert.fail();
      await beforeReading();
      socket.write(answerText("poison"));
      if (at % 2 === 0) await eventually(() => socket.destroyed);
    }
    assert.equal(server.opened(), 8);
  });

  it("or that sent more than its answer is closed too", async () => {
    for (const more of ["x", "\r\n", answerText("poison")]) {
      const server = await serverOf((socket, { body }) => socket.write(answerText(body) + more));
      const upstream = upstreamOf();
      for (let at = 0; at < 3; at++) assert.equal(await outcome(send(upstream, server.url, String(at))), String(at));
      assert.equal(server.opened(), 3, JSON.stringify(more));
    }
  });

  for (const [field, opened] of [
    ["Keep-Alive: timeout=0", 3],
    ["Keep-Alive: timeout=1", 3],
    ["Keep-Alive: timeout=2", 1],
    ["Keep-Alive: timeout=99999999", 1],
    ["Keep-Alive: max=1", 1],
    ["Connection: close", 3],
  ] as const) {
    it(`is foreseen when the server says ${field}`, async () => {
      const server = await serverOf((socket, { body }) => socket.write(answerText(body, field)));
      const upstream = upstreamOf();
      for (let at = 0; at < 3; at++) assert.equal(await outcome(send(upstream, server.url, String(at))), String(at));
      assert.equal(server.opened(), opened);
    });
  }

  it("is not used when its time is up, although nobody has looked yet", async () => {
    const server = await serverOf(echo);
    const upstream = upstreamOf({ keepAliveTimeout: 80 });
    for (let at = 1; at <= 3; at++) {
      assert.equal(await outcome(send(upstream, server.url, "x")), "x");
      assert.equal(server.opened(), at);
      const until = performance.now() + 100;
      // No timer runs meanwhile.
      while (performance.now() < until);
    }
  });

  it("is closed by us when nobody used it for long", async () => {
    const server = await serverOf(echo);
    const upstream = upstreamOf({ keepAliveTimeout: 40 });
    assert.equal(await outcome(send(upstream, server.url, "a")), "a");
    await eventually(() => server.sockets.length === 0);
    assert.equal(await outcome(send(upstream, server.url, "b")), "b");
    assert.equal(server.opened(), 2);
  });
});

describe("connections over TLS", () => {
  const trusted = makeCertificate(["localhost", "127.0.0.1"]);
  const seen: { servername: string | false; resumed: boolean; protocol: string | false }[] = [];
  let open = 0;
  const serve = async (certificate = trusted): Promise<number> => {
    const server = createSecureServer({ ...certificate, ALPNProtocols: ["h2", "http/1.1"] }, (request, response) => {
      request.resume();
      request.once("end", () =>
        response.end("x".repeat(Number(request.headers["x-amz-target"] === undefined ? 0 : 300_000))),
      );
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      const { servername, alpnProtocol } = socket as TLSSocket & { servername: string | false };
      seen.push({ servername, resumed: socket.isSessionReused(), protocol: alpnProtocol ?? false });
    });
    server.on("tlsClientError", () => undefined);
    server.on("connection", (socket: Socket) => {
      open += 1;
      socket.once("close", () => (open -= 1));
    });
    return await listen(server);
  };

  it("are made when the certificate is trusted and names the host, by name or address", async () => {
    const port = await serve();
    const upstream = upstreamOf({ ca: trusted.cert });
    for (const [host, servername] of [
      ["localhost", "localhost"],
      ["127.0.0.1", false],
    ] as const) {
      seen.length = 0;
      for (let at = 0; at < 3; at++)
        assert.equal((await outcome(send(upstream, `https://${host}:${port}`))).length, 300_000);
      assert.deepEqual(seen, [{ servername, resumed: false, protocol: "http/1.1" }], "one connection for all");
    }
    await upstream.close();
  });

  it("take up the last session of the origin", async () => {
    const port = await serve();
    const upstream = upstreamOf({ ca: trusted.cert, keepAliveTimeout: 20 });
    seen.length = 0;
    await eventually(() => open === 0);
    for (let at = 0; at < 3; at++) {
      await outcome(send(upstream, `https://localhost:${port}`));
      await eventually(() => open === 0);
    }
    assert.deepEqual(
      seen.map(({ resumed }) => resumed),
      [false, true, true],
    );
  });

  it("are read on after an answer that was read slowly, so that their end is noticed", async () => {
    const server = createSecureServer(trusted, (request, response) => {
      let asked = "";
      request.on("data", (chunk: Buffer) => (asked += chunk.toString()));
      request.once("end", () => response.end("x".repeat(Number(asked))));
    });
    const port = await listen(server);
    const upstream = upstreamOf({ ca: trusted.cert, connections: 1 });
    for (let size = 250_000; size < 400_000; size += 25_000) {
      const response = await send(upstream, `https://localhost:${port}`, String(size));
      await sleep(5);
      assert.equal((await outcome(Promise.resolve(response))).length, size);
      server.closeIdleConnections();
      await sleep(5);
    }
  });

  it("serve again when the answer was there before the socket heard that the request was out", async () => {
    const port = await serveInThread(trusted);
    const upstream = upstreamOf({ ca: trusted.cert });
    const opened = new Set<string>();
    for (let at = 0; at < 5; at++) {
      const answer = outcome(send(upstream, `https://localhost:${port}`));
      // Behind the sending: the answer comes while the loop stands still.
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30));
      opened.add(await answer);
    }
    assert.equal(opened.size, 1, "one connection for all");
  });

  it("are not made when the certificate is not trusted, or is another's", async () => {
    const port = await serve();
    assert.equal(await outcome(send(upstreamOf(), `https://localhost:${port}`)), "unreachable");
    const others = makeCertificate(["dynamodb.example"]);
    const otherPort = await serve(others);
    assert.equal(
      await outcome(send(upstreamOf({ ca: trusted.cert }), `https://localhost:${otherPort}`)),
      "unreachable",
    );
    for (const host of ["localhost", "127.0.0.1"])
      assert.equal(await outcome(send(upstreamOf({ ca: others.cert }), `https://${host}:${otherPort}`)), "unreachable");
    assert.equal(await outcome(send(upstreamOf({ ca: "no certificate" }), `https://localhost:${port}`)), "unreachable");
  });

  it("are not made with who speaks no TLS", async () => {
    const server = await serverOf(echo, (socket) => socket.write(answerText("plain")));
    assert.equal(await outcome(send(upstreamOf(), server.url.replace("http:", "https:"))), "unreachable");
    const port = await serve();
    assert.equal(await outcome(send(upstreamOf(), `http://127.0.0.1:${port}`)), "broken");
  });
});

describe("an address of IPv6", () => {
  it("is reached", async (test) => {
    const server = createTcpServer((socket) => socket.on("data", () => socket.write(answerText("six"))));
    try {
      const port = await listen(server, "::1");
      assert.equal(await outcome(send(upstreamOf(), `http://[::1]:${port}`)), "six");
    } catch (error) {
      if (!/EADDRNOTAVAIL|EAFNOSUPPORT/.test(String(error))) throw error;
      test.skip("this machine has no IPv6");
    }
  });
});

describe("closing", () => {
  it("ends what is under way, what waits, what connects and what is idle, and takes nothing more", async () => {
    const server = await serverOf((socket, { body }) => {
      if (body !== "hold") socket.write(answerText(body));
    });
    const mute = await listen(createTcpServer(() => undefined));
    const upstream = new NodeUpstream({ connections: 2 });
    const idle = [outcome(send(upstream, server.url, "a")), outcome(send(upstream, server.url, "b"))];
    await Promise.all(idle);
    const connecting = outcome(send(upstream, `https://127.0.0.1:${mute}`));
    const under = [1, 2, 3, 4].map(() => outcome(send(upstream, server.url, "hold")));
    await eventually(() => server.requests.length === 4);
    await upstream.close();
    assert.deepEqual(await Promise.all(under), ["broken", "broken", "unreachable", "unreachable"]);
    assert.equal(await connecting, "unreachable");
    await eventually(() => server.sockets.length === 0);
    assert.equal(await outcome(send(upstream, server.url)), "unreachable");
    assert.equal(server.opened(), 2);
    await upstream.close();
  });
});
