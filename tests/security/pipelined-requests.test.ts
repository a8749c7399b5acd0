import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, describe, it } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import { MAX_CONNECTIONS } from "../../src/compose/connection-counts.ts";
import { listenTlsOnNode } from "../../src/platform/node-tls-server.ts";
import type { TlsHandler } from "../../src/platform/ports.ts";
import { FrameWriter } from "../../src/tunnel/frames.ts";
import { headMessage } from "../../src/tunnel/sdk-request.ts";
import { eventually } from "../support/eventually.ts";
import { agent, door, endOpened, opened, path, rawClient, rawRequest, say } from "../support/sdk-path.ts";

afterEach(endOpened);

async function port(handle: TlsHandler): Promise<number> {
  const identity = { chain: door.cert, key: new Secret(door.key), clientAuthorities: [] };
  const listening = await listenTlsOnNode(handle, { kind: "tcp", host: "127.0.0.1", port: 0 }, { identity });
  opened.push(() => listening.drain(0));
  return Number(listening.address.split(":").at(-1));
}

const GET = "GET /x HTTP/1.1\r\nhost: x\r\n\r\n";

describe("requests that are sent before the one before is answered", () => {
  it("are passed on one at a time, and leave no stream and no place behind when the client goes", async () => {
    const whole = await path({ patience: 60_000 });
    let [open, most] = [0, 0];
    await agent(whole, async (stream) => {
      most = Math.max(most, ++open);
      stream.once("close", () => open--);
      const writer = new FrameWriter(stream);
      await writer.write(headMessage({ status: 200, headers: {} }));
      for (let part = 0; part < 16; part++) await writer.write(Buffer.alloc(262_144));
      writer.end();
    });
    for (let round = 0; round < 3; round++) {
      const socket = await rawClient(whole);
      socket.pause().write(rawRequest().repeat(10));
      await eventually(() => open === 1);
      socket.destroy();
      await eventually(() => open === 0);
    }
    assert.equal(most, 1);
    await eventually(() => {
      const places = Array.from({ length: MAX_CONNECTIONS.user }, () => whole.counts.take("alice", "192.0.2.1"));
      for (const give of places) give();
      return true;
    });
  });

  it("are answered in order", async () => {
    const whole = await path();
    let asked = 0;
    await agent(whole, async (stream, _headers, body) => {
      const at = asked++;
      for await (const _ of body.rest());
      await say(stream, `answer ${at}`);
    });
    const socket = await rawClient(whole);
    let heard = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => (heard += chunk));
    socket.write(rawRequest() + rawRequest() + GET + rawRequest());
    await eventually(() => heard.includes("answer 2"));
    assert.deepEqual(heard.match(/answer \d|the API/g), ["answer 0", "answer 1", "the API", "answer 2"]);
  });

  it("of whom sends ever more of them end the connection", async () => {
    let asked = 0;
    const at = await port(() => {
      asked++;
      return new Promise(() => undefined);
    });
    const socket = await rawClient({ port: at });
    const closed = once(socket.resume(), "close");
    socket.write(GET.repeat(200));
    await closed;
    assert.equal(asked, 1);
  });

  it("for lines that come bit by bit leave no feed running", async () => {
    let [open, most] = [0, 0];
    const at = await port(async () => {
      most = Math.max(most, ++open);
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          controller.enqueue(new TextEncoder().encode("line\n"));
          return new Promise((resolve) => setTimeout(resolve, 20));
        },
        cancel: () => void open--,
      });
      return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
    });
    const socket = await rawClient({ port: at });
    socket.resume().write(GET.repeat(10));
    await eventually(() => open > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    await eventually(() => open === 0);
    assert.equal(most, 1);
  });

  it("do not reach a connection that was given away", async () => {
    const identity = { chain: door.cert, key: new Secret(door.key), clientAuthorities: [] };
    let taken = 0;
    const listening = await listenTlsOnNode(
      () => new Promise(() => undefined),
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      {
        identity,
        takeOver: async () => {
          taken++;
          return { headers: {}, take: () => undefined, leave: () => undefined };
        },
      },
    );
    opened.push(() => listening.drain(0));
    const socket = await rawClient({ port: Number(listening.address.split(":").at(-1)) });
    const closed = once(socket.resume(), "close");
    socket.write(`${GET}CONNECT orders HTTP/1.1\r\nhost: x\r\n\r\n`);
    await closed;
    assert.equal(taken, 0);
  });
});
