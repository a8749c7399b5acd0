import assert from "node:assert/strict";
import { connect as connectPlain, type Socket } from "node:net";
import { request } from "node:https";
import { describe, it } from "node:test";
import { connect } from "node:tls";
import { Secret } from "../../../src/base/secret.ts";
import { listenTlsOnNode } from "../../../src/platform/node-tls-server.ts";
import type { TlsHandler, TlsListening, TlsOptions } from "../../../src/platform/ports.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { callDoor } from "../../support/door.ts";
import { eventually } from "../../support/eventually.ts";

const { cert, key } = makeCertificate(["localhost", "127.0.0.1"]);
const identity = { chain: cert, key: new Secret(key), clientAuthorities: [] };
const LOCAL = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
const SHORT = { handshake: 150, headers: 150, request: 300, keepAlive: 150, silence: 400 };

async function withPort(
  handle: TlsHandler,
  options: Partial<TlsOptions>,
  use: (port: number, listening: TlsListening) => Promise<void>,
): Promise<void> {
  const listening = await listenTlsOnNode(handle, LOCAL, { identity, ...options });
  try {
    await use(Number(listening.address.split(":").at(-1)), listening);
  } finally {
    await listening.drain(0);
  }
}

/** Resolves when the other side has ended it. */
function ended(socket: Socket): Promise<void> {
  socket.on("error", () => undefined).resume();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** A connection that has been answered once. */
function served(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", ca: cert }, () =>
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    );
    socket.once("error", reject).once("data", () => resolve(socket));
  });
}

const echo: TlsHandler = async (request) => new Response(await request.text());

describe("the port with TLS", () => {
  it("ends who says nothing, who never finishes the headers and who never finishes the body", () =>
    withPort(echo, { timeouts: SHORT }, async (port) => {
      await ended(connectPlain(port, "127.0.0.1"));
      for (const begun of [
        "",
        "POST / HTTP/1.1\r\nhost: x\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab",
      ]) {
        const socket = connect({ port, host: "127.0.0.1", ca: cert }, () => socket.write(begun));
        await ended(socket);
      }
    }));

  it("passes lines on as they come, and stops asking for them when the client has gone", () => {
    let cancelled = false;
    let send: (line: string) => void = () => undefined;
    const handle: TlsHandler = async () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => {
            send = (line) => controller.enqueue(new TextEncoder().encode(line));
          },
          cancel: () => {
            cancelled = true;
          },
        }),
        { headers: { "content-type": "application/x-ndjson" } },
      );
    return withPort(handle, {}, async (port) => {
      let heard = "";
      const asked = request({ port, host: "127.0.0.1", ca: cert, agent: false }, (response) => {
        response.on("data", (chunk: Buffer) => (heard += chunk.toString()));
        response.on("error", () => undefined);
      });
      asked.on("error", () => undefined).end();
      await eventually(() => {
        send("one\n");
        return heard.startsWith("one\n");
      });
      asked.destroy();
      await eventually(() => cancelled);
    });
  });

  it("takes no more connections than it may, says so, and takes others again when some have gone", () => {
    const away: string[] = [];
    const options = { maxConnections: 2, onTurnedAway: (_: string, why: string) => void away.push(why) };
    return withPort(echo, options, async (port) => {
      const held = await Promise.all([served(port), served(port)]);
      await assert.rejects(callDoor(port, cert, "/"));
      assert.deepEqual(away, ["all"]);
      for (const socket of held) socket.destroy();
      await eventually(async () => (await callDoor(port, cert, "/")).status === 200);
    });
  });

  it("lets who has not agreed upon TLS give way when it is full, the oldest first", () =>
    withPort(echo, { maxConnections: 3 }, async (port) => {
      const before = await served(port);
      const first = connectPlain(port, "127.0.0.1");
      await new Promise((resolve) => first.once("connect", resolve));
      const gone = ended(first);
      const second = connectPlain(port, "127.0.0.1");
      await new Promise((resolve) => second.once("connect", resolve));
      const after = await served(port);
      await gone;
      assert.deepEqual([before.destroyed, second.destroyed], [false, false]);
      for (const socket of [before, second, after]) socket.destroy();
    }));

  it("takes no more of one address than it may, and still those of others", () => {
    const away: string[] = [];
    const options = { maxConnectionsPerAddress: 2, onTurnedAway: (address: string) => void away.push(address) };
    return withPort(echo, options, async (port) => {
      const from = (localAddress: string): Socket => connectPlain({ port, host: "127.0.0.1", localAddress });
      const held = [from("127.0.0.2"), from("127.0.0.2")];
      for (const socket of held) await new Promise((resolve) => socket.once("connect", resolve));
      await ended(from("127.0.0.2"));
      assert.deepEqual(away, ["127.0.0.2"]);
      assert.equal((await callDoor(port, cert, "/")).status, 200);
      for (const socket of held) socket.destroy();
      await eventually(() => {
        const again = from("127.0.0.2");
        return new Promise((resolve) => {
          const taken = setTimeout(() => resolve(true), 50);
          again
            .on("error", () => undefined)
            .once("close", () => {
              clearTimeout(taken);
              resolve(false);
            });
        }).finally(() => again.destroy()) as Promise<boolean>;
      });
      // None of the many that came and went is counted for ever.
      for (let round = 0; round < 20; round++) assert.equal((await callDoor(port, cert, "/")).status, 200);
    });
  });

  it("lets a request in flight end when it drains, and cuts what does not end", async () => {
    let go: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (go = resolve));
    let asked = 0;
    const handle: TlsHandler = async () => {
      asked++;
      await waiting;
      return new Response("done");
    };
    await withPort(handle, {}, async (port, listening) => {
      const answered = callDoor(port, cert, "/");
      await eventually(() => asked === 1);
      const drained = listening.drain(20_000);
      await assert.rejects(callDoor(port, cert, "/"), { code: "ECONNREFUSED" });
      go();
      assert.equal((await answered).text, "done");
      await drained;
    });
    await withPort(
      () => new Promise<Response>(() => undefined),
      {},
      async (port, listening) => {
        const cut = assert.rejects(callDoor(port, cert, "/"));
        const silent = connectPlain(port, "127.0.0.1");
        await new Promise((resolve) => silent.once("connect", resolve));
        const silentEnd = ended(silent);
        await listening.drain(50);
        await Promise.all([cut, silentEnd]);
      },
    );
  });

  it("says what keeps it from listening", () =>
    withPort(echo, {}, async (port) => {
      const second = listenTlsOnNode(echo, { ...LOCAL, port }, { identity });
      await assert.rejects(second, { code: "listen_failed", message: /another program does/ });
    }));
});
