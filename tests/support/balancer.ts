/** A balancer of TCP connections on loopback: each goes to the next place that takes it. */

import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Balancer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  close(): Promise<void>;
}

/** `places` are `host:port`, asked anew for each connection. */
export async function startBalancer(places: () => readonly string[]): Promise<Balancer> {
  const sockets = new Set<Socket>();
  let next = 0;
  const hold = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => socket.destroy()).once("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    hold(client);
    const found = places();
    const first = next++;
    const attempt = (tried: number): void => {
      const place = found[(first + tried) % found.length];
      if (place === undefined || tried === found.length) return void client.destroy();
      const [host, port] = place.split(":");
      const upstream = connect(Number(port), host);
      upstream.once("error", () => attempt(tried + 1));
      upstream.once("connect", () => {
        upstream.removeAllListeners("error");
        hold(upstream);
        client.pipe(upstream).pipe(client);
        client.once("close", () => upstream.destroy());
        upstream.once("close", () => client.destroy());
      });
    };
    attempt(0);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
