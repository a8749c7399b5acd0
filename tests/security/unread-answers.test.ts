import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, describe, it } from "node:test";
import { splice } from "../../src/base/splice.ts";
import { Unread, type UnreadOptions } from "../../src/compose/unread.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FrameWriter } from "../../src/tunnel/frames.ts";
import { headMessage } from "../../src/tunnel/sdk-request.ts";
import { eventually } from "../support/eventually.ts";
import { agent, endOpened, keyId, opened, path, rawClient, rawRequest } from "../support/sdk-path.ts";

afterEach(endOpened);

/** Two ends of a connection over the network. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => undefined);
  const [near] = (await once(server, "connection")) as [Socket];
  opened.push(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return [near.on("error", () => undefined), far];
}

/** A client joined to an agent that sends without end. */
async function joined(bounds: Partial<UnreadOptions>, chunk = 65_536): Promise<{ client: Socket; door: Socket }> {
  const unread = new Unread({ log: silentLog, lookEvery: 10, ...bounds });
  opened.push(() => unread.close());
  const [door, client] = await pair();
  const [stream, far] = await pair();
  splice(door, stream);
  unread.watch(stream, "alice", door);
  const send = (): void => {
    while (!far.destroyed && far.write(Buffer.alloc(chunk)));
  };
  far.on("drain", send);
  send();
  return { client, door };
}

const large = async (stream: Duplex): Promise<void> => {
  const writer = new FrameWriter(stream);
  await writer.write(headMessage({ status: 200, headers: {} }));
  for (let part = 0; part < 64; part++) await writer.write(Buffer.alloc(262_144));
  writer.end();
};

describe("what nobody reads", () => {
  it("is bounded for each answer", async () => {
    const whole = await path();
    await agent(whole, large);
    const stream = await whole.tunnels.openRequest("orders", [keyId], { address: "192.0.2.1", connection: "c" });
    opened.push(() => void stream.destroy());
    await new FrameWriter(stream).write(headMessage({ headers: [] }));
    stream.read(0);
    await eventually(() => stream.readableLength > 200_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(stream.readableLength <= 262_144, `${stream.readableLength}`);
  });

  it("ends streams of the user for whom the most waits when it is too much in sum, and nobody else's", async () => {
    let asked = 0;
    const whole = await path({
      patience: 60_000,
      identify: async () => ({ user: asked++ === 0 ? "bob" : "alice", database: "orders" }),
      unread: { most: 1_500_000, lookEvery: 10 },
    });
    let open = 0;
    await agent(whole, async (stream) => {
      open++;
      stream.once("close", () => open--);
      await large(stream);
    });
    const bob = await rawClient(whole);
    bob.pause().write(rawRequest());
    await eventually(() => open === 1);
    const alices = await Promise.all(Array.from({ length: 12 }, () => rawClient(whole)));
    for (const socket of alices) socket.pause().write(rawRequest());
    await eventually(() => asked === 13 && open < 10 && open > 1);
    assert.equal(bob.destroyed, false);
    let heard = 0;
    bob.on("data", (chunk: Buffer) => (heard += chunk.length)).resume();
    await eventually(() => heard > 64 * 262_144);
  });

  it("ends the connection of a client that reads nothing for a while, also when it sends", async () => {
    const { client, door } = await joined({ patience: 200 });
    client.pause();
    const sending = setInterval(() => client.write("x"), 20);
    await new Promise<void>((resolve) => door.once("close", () => resolve()));
    clearInterval(sending);
  });

  it("does not end that of one that reads slowly, or to which nothing is to be said", async () => {
    const { client, door } = await joined({ patience: 400 });
    client.pause();
    const reading = setInterval(() => client.read(65_536), 10);
    const unread = new Unread({ log: silentLog, lookEvery: 10, patience: 50 });
    const [quiet] = await pair();
    unread.watch(quiet, "alice", quiet);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    clearInterval(reading);
    unread.close();
    assert.equal(door.destroyed, false);
    assert.equal(quiet.destroyed, false);
  });
});
