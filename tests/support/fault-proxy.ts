/** A network on loopback that can be made bad: slow, narrow, lossy, cut, or silent. */

import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How bad it is; all zero for a good one. */
export interface Weather {
  /** Added to each piece of data, in milliseconds. */
  latency: number;
  /** In bytes a second and direction; 0: as fast as it goes. */
  bandwidth: number;
  /** The share of pieces that come late as if they had been lost and sent again, between 0 and 1. */
  loss: number;
  /** The share of pieces at which the connection is reset instead, between 0 and 1. */
  resets: number;
  /** Nothing passes and nobody is told: the other end seems to be there still. */
  silent: boolean;
}

export interface FaultProxy {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly weather: Weather;
  /** Resets every connection that is there. */
  cut(): void;
  close(): Promise<void>;
}

/** What a lost piece costs at least before TCP sends it again, in milliseconds. */
const RESENT_MS = 200;

/** `place` is `host:port`, asked anew for each connection. */
export async function startFaultProxy(place: () => string): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const weather: Weather = { latency: 0, bandwidth: 0, loss: 0, resets: 0, silent: false };
  let closed = false;
  const hold = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => socket.destroy()).once("close", () => sockets.delete(socket));
  };
  const quiet = async (): Promise<void> => {
    while (weather.silent && !closed) await sleep(20);
  };
  const pass = async (from: Socket, to: Socket): Promise<void> => {
    try {
      for await (const piece of from as AsyncIterable<Buffer>) {
        const { latency, bandwidth, loss, resets } = weather;
        const late = Math.random() < loss ? RESENT_MS : 0;
        const wait = latency + late + (bandwidth === 0 ? 0 : (piece.length / bandwidth) * 1000);
        if (wait > 0) await sleep(wait);
        await quiet();
        if (Math.random() < resets) reset(to);
        if (to.destroyed) break;
        if (!to.write(piece)) await new Promise<void>((resolve) => to.once("drain", resolve).once("close", resolve));
      }
      await quiet();
      to.end();
    } catch {
      await quiet();
      to.destroy();
    }
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    hold(client);
    const [host, port] = place().split(":");
    const upstream = hold(connect({ port: Number(port), host: host ?? "", allowHalfOpen: true, noDelay: true }));
    void pass(client, upstream).finally(() => upstream.destroyed && client.destroy());
    void pass(upstream, client).finally(() => client.destroyed && upstream.destroy());
    // A connection that has ended without a word is passed on, unless nothing is.
    upstream.once("error", () => void quiet().then(() => reset(client)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    weather,
    cut() {
      for (const socket of sockets) reset(socket);
    },
    close: () =>
      new Promise((resolve) => {
        closed = true;
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** A reset of a socket that is closing already fails, and its handle would stay for ever and spin. */
function reset(socket: Socket): void {
  if (socket.connecting || socket.writableEnded) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}
